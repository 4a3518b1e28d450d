"""Whatever loads is rendered to scripts that shellcheck has nothing against; many of them: tests/lab."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings

from components.settings.load import SettingsError
from tests.support import random_settings
from tests.support.recording import record_anew
from tests.support.shellcheck import Shellcheck

pytestmark = pytest.mark.xdist_group("recorded")


@pytest.fixture(scope="module")
def shellcheck(tmp_path_factory: pytest.TempPathFactory) -> Shellcheck:
    return Shellcheck(Path(tmp_path_factory.mktemp("scripts")))


@given(changes=random_settings.changes_that_load())
@settings(max_examples=1, derandomize=True, deadline=None, database=None, suppress_health_check=random_settings.SLOW)
def test_shellcheck_reads_what_is_rendered(shellcheck: Shellcheck, changes: dict[str, Any]) -> None:
    try:
        resources = record_anew("dev", changes)
    except SettingsError:
        assume(False)
    else:
        said = shellcheck.complaints(random_settings.scripts_of_first(resources), random_settings.words(changes))
        assert not said, said
