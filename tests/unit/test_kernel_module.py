"""A kernel without DRBD's module: the distribution's package of further modules is tried where there is one."""

import re
import subprocess

import pytest

from tests.support.recording import record

pytestmark = pytest.mark.xdist_group("recorded apart")

# In place of the system's: a module that is there from the first, from an installed package on, or never.
STUBS = """
set -euo pipefail
there={there} has_package={has_package}
say() {{ echo "$*"; }}
stop() {{ echo "STOPPED: found $1"; exit 1; }}
uname() {{ echo 6.8.0-azure; }}
modprobe() {{ [[ $there == yes ]]; }}
apt() {{
  echo "apt $1 ${{*: -1}}"
  [[ $1 != install ]] || {{ [[ $has_package == yes ]] && there=yes; }}
}}
"""

PACKAGE = "linux-modules-extra-6.8.0-azure"
LOOKS = [f"drbd: not among the kernel's modules; looking for {PACKAGE}", "apt update update", f"apt install {PACKAGE}"]
STOPPED = "STOPPED: found no kernel module drbd for 6.8.0-azure"


@pytest.mark.parametrize(
    ("system", "there", "has_package", "said"),
    [
        ("ubuntu-24.04", "yes", "yes", []),
        ("ubuntu-24.04", "no", "yes", LOOKS),
        ("ubuntu-24.04", "no", "no", [*LOOKS, "drbd: no such package", STOPPED]),
        # All modules are in one package there.
        ("ubuntu-26.04", "yes", "yes", []),
        ("ubuntu-26.04", "no", "yes", [STOPPED]),
    ],
)
def test_the_module(system: str, there: str, has_package: str, said: list[str]) -> None:
    scripts = record("dev", {"operatingSystem": system})
    text = next(one.inputs["stdin"] for one in scripts if one.name == "mysql-dev-1-packages")
    function = re.search(r"^have_module\(\) .*?^}\n", text, re.MULTILINE | re.DOTALL)
    line = re.search(r"^ +have_module drbd .*", text, re.MULTILINE)
    assert function and line
    script = STUBS.format(there=there, has_package=has_package) + function[0] + line[0]
    run = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert (run.stdout.splitlines(), run.stderr) == (said, "")
    assert run.returncode == (1 if STOPPED in said else 0)
