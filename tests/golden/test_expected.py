"""Everything that the program makes, compared with files that a person can read.

`UPDATE_EXPECTED=1 pytest tests/golden` writes them anew; the change is then reviewed as any other.
"""

import json
import shutil
from typing import Any, cast

import pytest

from components.settings import operating_system
from tests.golden.cases import CASES, resources
from tests.golden.files import files
from tests.support import stack_configuration as configuration
from tests.support.expected import EXPECTED, hold_against, is_written
from tests.support.recording import record

pytestmark = pytest.mark.xdist_group("recorded")


@pytest.mark.parametrize(("fencing", "waits"), [("off", True), ("on", False)])
def test_a_node_that_starts_alone_with_a_witness(fencing: str, waits: bool) -> None:
    """Without fencing DRBD would take old data for up to date, so Corosync has to wait for the other node."""
    recorded = record("lab", {"witness": True, "fencing": fencing})
    texts = [each.inputs["stdin"] for each in recorded if each.name.endswith(("-corosync", "-reload"))]
    assert [("wait_for_all: 1\n  expected_votes: 3\n" in text) for text in texts] == [waits] * 4


@pytest.mark.parametrize("case", CASES)
def test_all_that_is_rendered(case: str) -> None:
    folder, wanted = EXPECTED / case, files(case)
    if is_written():
        shutil.rmtree(folder, ignore_errors=True)
    for name, text in wanted.items():
        hold_against(folder / name, text)
    left = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} - wanted.keys()
    assert not left, f"files of what is no longer so: {sorted(left)}"


@pytest.mark.parametrize("case", CASES)
def test_no_secret_is_shown(case: str) -> None:
    """Secrets reach a script by its environment only, and there they are marked."""
    made = configuration.throw_away_secrets()
    values = [text for value in made.values() for text in ([value] if isinstance(value, str) else value)]
    for resource in resources(case):
        shown = json.dumps(_without_secrets(resource.inputs))
        for value in values:
            assert value.strip() not in shown.replace("\\n", "\n"), f"a secret is in clear in {resource.name}"


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        properties = cast(dict[str, Any], value)
        return {} if "secret" in properties else {key: _without_secrets(inner) for key, inner in properties.items()}
    if isinstance(value, list):
        return [_without_secrets(inner) for inner in cast(list[Any], value)]
    return value


def test_every_operating_system_is_in_a_case() -> None:
    seen = {configuration.stack_settings(case.stack)["operatingSystem"] for case in CASES.values()}
    seen |= {case.changes["operatingSystem"] for case in CASES.values() if "operatingSystem" in case.changes}
    assert seen == {*operating_system.names()}
