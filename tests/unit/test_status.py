"""What `make status` makes of the nodes' answers."""

import json
import shlex
from pathlib import Path

import pytest

from tests.lab import status
from tests.lab.nodes import Node

CLUSTER = """<pacemaker-result>
  <summary><cluster_options stonith-enabled="false"/></summary>
  <nodes><node name="one" online="true" standby="false"/></nodes>
  <resources><resource id="mysql-server" role="Started"><node name="one"/></resource></resources>
</pacemaker-result>"""


class _Answering(Node):
    """A node whose answer is known; a process prints it, as ssh does."""

    def command(self, remote: str, *options: str) -> list[str]:
        return ["sh", "-c", f"printf '%s' {shlex.quote(self.login)}"]


def test_nobody_serves_what_may_be_old(tmp_path: Path) -> None:
    stopped = CLUSTER.replace('role="Started"', 'role="Stopped"')
    node = _Answering(
        "one", f"{stopped}\n\ndrbd: Secondary/Unknown WFConnection Consistent/DUnknown\n", tmp_path, tmp_path
    )
    (alarm,) = status.read([node], {"host": "203.0.113.1", "port": 3306}).alarms
    assert alarm.startswith("one may have old data")


def test_a_node_that_is_lost_does_not_serve(tmp_path: Path) -> None:
    """Pacemaker has its resources as started until it has been fenced."""
    lost = CLUSTER.replace('online="true"', 'online="false" unclean="true"').replace(
        "<summary>", '<summary><current_dc present="true" with_quorum="false"/>'
    )
    node = _Answering("one", f"{lost}\n\ndrbd: Secondary/Unknown WFConnection UpToDate/DUnknown\n", tmp_path, tmp_path)
    found = status.read([node], {"host": "203.0.113.1", "port": 3306})
    assert found.serving is None
    (alarm,) = found.alarms
    assert alarm.startswith("there is no quorum")


@pytest.mark.parametrize(
    ("drbd", "role", "used", "pages"),
    [
        ("Primary/Secondary Connected UpToDate/UpToDate 89%", "Primary", 89, ""),
        ("Primary/Secondary Connected UpToDate/UpToDate 90%", "Primary", 90, "full-disk.md"),
        ("Primary/Secondary Connected UpToDate/UpToDate", "Primary", None, ""),
        ("Primary/Unknown StandAlone UpToDate/DUnknown 4%", "Primary", 4, "split-brain.md"),
        ("", "unknown", None, ""),
    ],
)
def test_alarms(tmp_path: Path, drbd: str, role: str, used: int | None, pages: str) -> None:
    node = _Answering("one", f"{CLUSTER}\n\ndrbd: {drbd}\n", tmp_path, tmp_path)
    found = status.read([node], {"host": "203.0.113.1", "port": 3306})
    assert found.serving == "one"
    assert (found.nodes[0].drbd_role, found.nodes[0].used_percent) == (role, used)
    assert " ".join(alarm.rpartition("docs/operations/")[2] for alarm in found.alarms) == pages
    assert json.dumps(found.as_json())
