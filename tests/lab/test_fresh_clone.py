"""The plain Pulumi way in a fresh clone: no make, no lab, and of Pulumi's programs what the lab has."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from components.checkout import CHECKOUT
from lab import azure_native, toolchain

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]  # installs all Python packages

_OURS = ("ARM_", "PULUMI_", "PYTHON", "SSH_AUTH_SOCK", "VIRTUAL_ENV")


def test_install_and_preview(tmp_path: Path) -> None:
    clone, home = tmp_path / "clone", tmp_path / "home"
    subprocess.run(["git", "clone", "--quiet", CHECKOUT, clone], check=True)
    chain = toolchain.ensure(print)
    toolchain.prepare_home(home, chain)
    azure_native.install(home, Path(sys.executable))  # the real one is on no package registry
    pulumi = str(chain.pulumi)
    environment = {key: value for key, value in os.environ.items() if not key.startswith(_OURS)}
    environment |= toolchain.engine_environment(home, chain)
    environment |= {"PULUMI_BACKEND_URL": f"file://{tmp_path}", "PULUMI_CONFIG_PASSPHRASE": "test"}

    def run(*words: str, fails: bool = False) -> str:
        done = subprocess.run(
            words, cwd=clone, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode != 0) == fails, done.stdout
        return done.stdout

    run(pulumi, "install")
    run(pulumi, "stack", "init", "dev")
    # Who previews without secrets is told what makes them.
    assert "make stack STACK=dev" in run(pulumi, "preview", "--stack", "dev", "--non-interactive", fails=True)
    run(".venv/bin/python", "-m", "operations.new_stack", "--stack", "dev", "--pulumi", pulumi)
    shown = run(pulumi, "preview", "--stack", "dev", "--non-interactive", "--color=never")
    assert " to create" in shown and "mysql-dev-1-server" in shown and "warning" not in shown
