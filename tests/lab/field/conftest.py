"""One cluster for all of these tests."""

import json
from collections.abc import Iterator

import pytest

from lab import service
from lab.lab import Lab
from lab.paths import LabPaths
from tests.lab.field import MADE_WITH
from tests.support import trial


@pytest.fixture(scope="package")
def lab() -> Iterator[Lab]:
    """A cluster that is well when a test begins, and that each test leaves so."""
    for lab in trial.own_lab(Lab(LabPaths("field"))):
        lab.up(MADE_WITH)
        service.wait_until_well(lab, 180)
        yield lab


@pytest.fixture(scope="module", autouse=True)
def _settings_are_put_back(  # pyright: ignore[reportUnusedFunction]
    request: pytest.FixtureRequest, lab: Lab
) -> Iterator[None]:
    """The module that leaves another setting than it found fails itself, not one that comes later."""
    yield
    if "last" not in request.keywords:
        assert json.loads(lab.settings_file.read_text()).items() >= MADE_WITH.items()
