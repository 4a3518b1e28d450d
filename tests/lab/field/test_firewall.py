"""The nodes' own firewall, which the lab's kernel cannot have. tests/lab/test_firewall.py has it, without a cluster."""

import pytest

from lab.lab import Lab
from tests.support.scripts import scripts_of

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]


def test_a_kernel_that_cannot(lab: Lab) -> None:
    """It is told in one line, and nothing else happens: the update has gone on, and made the cluster."""
    scripts = {script.node: script for script in scripts_of(lab.engine()) if script.name.endswith("-firewall")}
    assert len(scripts) == 2
    for node in lab.nodes():
        run = scripts[node.name].run(node)
        assert run.returncode == 0 and run.stderr == ""
        assert run.stdout.startswith(
            f"firewall: none on {node.name}, where there is no nft, or no nf_tables for inet in"
        )
        assert run.stdout.count("\n") == 1
        assert node.run("ls /etc/systemd/system/azure-mysql-ha-firewall.service", check=False) == ""
