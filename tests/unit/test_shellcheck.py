"""Every script that is run on a node, for every golden case, held against shellcheck."""

import subprocess
import sys
from pathlib import Path

import pytest

EXPECTED = Path(__file__).resolve().parents[1] / "golden/expected"


@pytest.mark.parametrize("case", sorted(folder.name for folder in EXPECTED.iterdir()))
def test_scripts(case: str) -> None:
    files = sorted(EXPECTED.joinpath(case).glob("*.sh"))
    assert files
    shellcheck = Path(sys.executable).parent / "shellcheck"
    run = subprocess.run([shellcheck, "--shell=bash", *files], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout
