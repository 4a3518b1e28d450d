"""What fails in a lab leaves its logs in one folder, which the report names."""

from collections.abc import Generator
from typing import Any

import pytest

from operations.error import OperationError
from tests.support import trial
from tests.support.fixtures import bench, loop

__all__ = ["bench", "loop"]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Gather the logs of all labs that the test may have used, as soon as it fails."""
    report = yield
    if report.failed and call.when != "teardown":
        for lab in trial.LABS:
            try:
                report.sections.append(("logs of the lab", str(lab.collect())))
            except OperationError as error:
                report.sections.append(("logs of the lab", f"{lab.paths.logs}, but those of the machines: {error}"))
    return report
