"""The parts of an outage, read from lines that real runs have left (Debian 12 guests)."""

import pytest

from drills.proof import marks, timeline
from drills.proof.record import Mark, Span
from drills.proof.timeline import Power
from drills.target import Fencing, fencings_of
from lab.cloud.client import PowerAction

JOURNAL = """\
1795534757.567970 mysql-lab-2 corosync[1220]:   [TOTEM ] Token has not been received in 1500 ms
1795534757.827685 mysql-lab-2 corosync[1220]:   [KNET  ] link: host: 1 link: 0 is down
1795534757.827897 mysql-lab-2 corosync[1220]:   [KNET  ] host: host: 1 has no active links
1795534758.068057 mysql-lab-2 corosync[1220]:   [TOTEM ] A processor failed, forming new configuration: token timed out (2000ms), waiting 500ms for consensus.
1795534758.571184 mysql-lab-2 corosync[1220]:   [TOTEM ] A new membership (2.d) was formed. Members left: 1
1795534759.175549 mysql-lab-2 pacemaker-controld[1246]:  notice: Requesting fencing (reboot) of node mysql-lab-1
1795534759.175997 mysql-lab-2 pacemaker-fenced[1242]:  notice: Requesting peer fencing (reboot) targeting mysql-lab-1
1795534766.068659 mysql-lab-2 pacemaker-fenced[1242]:  notice: Operation 'reboot' [4938] targeting mysql-lab-1 using fence-device returned 0
1795534766.080835 mysql-lab-2 pacemaker-fenced[1242]:  notice: Operation 'reboot' targeting mysql-lab-1 by mysql-lab-2 for pacemaker-controld.1246@mysql-lab-2: OK (complete)
1795534769.279766 mysql-lab-2 pacemaker-controld[1246]:  notice: Result of monitor operation for fence-device on mysql-lab-2: ok
1795534771.510710 mysql-lab-2 kernel: drbd r0/0 drbd1: role( Secondary -> Primary )
1795534771.780268 mysql-lab-2 pacemaker-controld[1246]:  notice: Result of promote operation for drbd-r0 on mysql-lab-2: ok
1795534775.114474 mysql-lab-2 kernel: EXT4-fs (drbd1): mounted filesystem 9ce3eadf-25b5-47f0-99d7-eb1cc732b253 r/w with ordered data mode. Quota mode: none.
1795534788.708599 mysql-lab-2 kernel: drbd r0/0 drbd1: conn( WFBitMapS -> SyncSource ) pdsk( Consistent -> Inconsistent )
1795534790.311093 mysql-lab-2 kernel: drbd r0/0 drbd1: Resync done (total 1 sec; paused 0 sec; 28672 K/sec)
1795534791.648320 mysql-lab-2 pacemaker-controld[1246]:  notice: Result of monitor operation for drbd-r0 on mysql-lab-2: promoted
1795534792.108233 mysql-lab-2 systemd[1]: Started azure-mysql-ha-probe.service - Cluster Controlled azure-mysql-ha-probe.
-- Boot 4b4f7e8d0e5c4f0f8f0a4f7e8d0e5c4f --
""".splitlines()  # noqa: E501  as they are


def test_a_journal_tells_the_parts() -> None:
    found = [(mark.at, mark.kind, mark.text) for mark in marks.from_journal("mysql-lab-2", JOURNAL)]
    assert found == [
        (1795534757.567970, "detected", "no token for 1500 ms"),
        (1795534757.827685, "detected", "link to host 1 is down"),
        (1795534758.068057, "detected", "a member is missed"),
        (1795534759.175549, "fencing", "fencing (reboot) requested"),
        (1795534766.080835, "fenced", "fencing (reboot) done"),
        (1795534771.510710, "promoted", "DRBD promoted"),
        (1795534775.114474, "mounted", "file system mounted"),
        (1795534790.311093, "event", "DRBD has copied what it had missed"),
        (1795534792.108233, "probe", "the balancer's probe is answered"),
    ]


def test_a_monitor_that_fails_is_a_detection() -> None:
    line = (
        "1795534636.957195 mysql-lab-1 pacemaker-controld[1266]:  notice: Result of monitor operation for "
        "mysql-server on mysql-lab-1: not running"
    )
    assert marks.from_journal("mysql-lab-1", [line]) == [
        Mark(1795534636.957195, "detected", "mysql-lab-1", "monitor of mysql-server failed")
    ]


def test_a_machine_that_comes_back() -> None:
    lines = [
        "1795534766.970358 mysql-lab-1 kernel: Linux version 7.2.7 (sbuild@sbuild) (gcc (Debian 16.2.0-3) 16.2.0)",
        "1795534788.710929 mysql-lab-1 kernel: drbd r0/0 drbd1: conn( WFSyncUUID -> SyncTarget ) "
        "disk( Outdated -> Inconsistent ) ",
    ]
    texts = [mark.text for mark in marks.from_journal("mysql-lab-1", lines)]
    assert texts == ["machine boots", "DRBD copies what it has missed"]


def test_a_fencing_that_both_tell_of_is_one() -> None:
    other = JOURNAL[8].replace("1795534766.080835 mysql-lab-2", "1795534766.2 mysql-lab-1")
    again = JOURNAL[8].replace("1795534766", "1795534866")
    assert marks.fencings([JOURNAL, [other]], 0) == [(1795534766.080835, "mysql-lab-1")]
    assert len(marks.fencings([[*JOURNAL, again], [other]], 0)) == 2
    assert marks.fencings([JOURNAL], 1795534767) == []


def test_a_servers_log() -> None:
    lines = [
        "2026-11-24 15:39:37 0 [Note] InnoDB: Starting crash recovery from checkpoint LSN=1381628",
        "2026-11-24 15:39:37 0 [Note] /usr/sbin/mariadbd: ready for connections.",
        "Version: '10.11.19-MariaDB-0+deb12u1'  socket: '/run/mysqld/mysqld.sock'  port: 3306  Debian 12",
    ]
    assert [(mark.at, mark.kind) for mark in marks.from_error_log("b", lines)] == [(1795534777.0, "server-ready")]
    # Before ten o'clock, too.
    early = "2026-11-25  4:57:57 0 [Note] /usr/sbin/mariadbd: ready for connections."
    assert [mark.at for mark in marks.from_error_log("b", [early])] == [1795582677.0]
    # MySQL's, from its manual.
    line = "2026-11-24T15:39:37.250000Z 0 [System] [MY-010931] [Server] mysqld: ready for connections. Version: '9.7.4'"
    assert [mark.at for mark in marks.from_error_log("b", [line])] == [1795534777.25]
    assert marks.damage(lines) == []
    bad = "2026-11-24 15:39:37 0 [ERROR] InnoDB: Database page corruption on disk or a failed read of file"
    assert marks.damage([*lines, bad]) == [bad]


def test_a_file_systems_errors() -> None:
    bad = "1.0 n kernel: EXT4-fs error (device drbd1): ext4_lookup:1855: inode #2: comm ls: deleted inode referenced"
    assert marks.file_system_errors([*JOURNAL, bad]) == [bad]


def test_the_kernels_word_on_promotion() -> None:
    demoted = (
        JOURNAL[10].replace("1795534771.510710", "1795534781.5").replace("Secondary -> Primary", "Primary -> Secondary")
    )
    found = timeline.journal_spans("b", [*JOURNAL, demoted], [], 1795534800)
    assert found == [Span("b", "promoted", 1795534771.510710, 1795534781.5)]
    # It ends with the power, with a boot, with the drill.
    off = [Power("b", 1795534775, False)]
    assert timeline.journal_spans("b", JOURNAL, off, 1795534800)[0].end == 1795534775
    assert timeline.journal_spans("b", [*JOURNAL, demoted], off, 1795534800)[0].end == 1795534775
    boot = "1795534780.5 b kernel: Linux version 7.2.7"
    assert timeline.journal_spans("b", [*JOURNAL, boot], [], 1795534800)[0].end == 1795534780.5
    assert timeline.journal_spans("b", JOURNAL, [], 1795534800)[0].end == 1795534800
    assert timeline.journal_spans("b", JOURNAL[:10], [], 1795534800) == []


def action(verb: str, began: float, machine: str = "a", caller: str = "b", ended: float | None = None) -> PowerAction:
    """Return a power action that has taken a second."""
    return {
        "action": verb, "machine": machine, "caller": caller, "began": began,
        "ended": began + 1 if ended is None else ended, "status": "Succeeded",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("actions", "expected"),
    [
        ([], []),
        ([action("powerOffAbrupt", 5), action("start", 7)], [Fencing("a", "b", 5, 6)]),
        # One that was off already is only started.
        ([action("start", 7)], [Fencing("a", "b", 7, 8)]),
        ([action("start", 7), action("start", 9)], [Fencing("a", "b", 7, 8), Fencing("a", "b", 9, 10)]),
        (
            [action("powerOff", 5), action("start", 7), action("powerOff", 20), action("start", 22)],
            [Fencing("a", "b", 5, 6), Fencing("a", "b", 20, 21)],
        ),
        # What the drill, a person or the platform does is none, and what was before it neither.
        ([action("powerOff", 5, caller="engine"), action("restart", 6, caller="platform")], []),
        ([action("powerOffAbrupt", 3), action("start", 3.5)], []),
        # Each has the other fenced: two.
        (
            [action("powerOff", 5), action("powerOff", 5.5, "b", "a"), action("start", 7)],
            [Fencing("a", "b", 5, 6), Fencing("b", "a", 5.5, 6.5)],
        ),
    ],
)
def test_fencings_among_power_actions(actions: list[PowerAction], expected: list[Fencing]) -> None:
    assert fencings_of(actions, 4, {"a", "b"}) == expected
