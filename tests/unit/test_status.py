"""What `make status` makes of the nodes' answers: each alarm, where it is true and where it is not."""

import functools
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from components import certificates
from components.checkout import CHECKOUT
from configs.backup.documents import Verified, to_json
from operations.ssh import Node
from operations.ssh_agent import Agent
from operations.status import alarms, asking, facts, status
from operations.status.asking import LOOK
from tests.support.quick_keys import quick_keys

ENDPOINT = {"host": "203.0.113.1", "port": 3306}
BEGIN, END = "<!-- alarms: begin -->\n", "<!-- alarms: end -->"

# As recorded of a lab's cluster (Pacemaker 2.1.5), without what nothing here looks at.
CRM_MON = """<pacemaker-result>
  <summary>
    <current_dc present="true" name="two" id="2" with_quorum="true"/>
    <last_change time="Sat Nov 28 15:06:56 2026" user="root" client="crm_attribute" origin="one"/>
    <cluster_options stonith-enabled="true" maintenance-mode="false" stop-all-resources="false"/>
  </summary>
  <nodes>
    <node name="one" online="true" standby="false" standby_onfail="false" maintenance="false" pending="false" \
unclean="false" health="green" shutdown="false"/>
    <node name="two" online="true" standby="false" standby_onfail="false" maintenance="false" pending="false" \
unclean="false" health="green" shutdown="false"/>
  </nodes>
  <resources>
    <group id="mysql">
      <resource id="mysql-fs" role="Started" blocked="false" managed="true" failed="false"><node name="one"/></resource>
      <resource id="mysql-server" role="Started" blocked="false" managed="true" failed="false" failure_ignored="false">\
<node name="one"/></resource>
    </group>
    <clone id="drbd-r0-clone">
      <resource id="drbd-r0" role="Promoted" blocked="false" managed="true" failed="false"><node name="one"/></resource>
      <resource id="drbd-r0" role="Unpromoted" blocked="false" managed="true"><node name="two"/></resource>
    </clone>
    <resource id="fence-device" resource_agent="stonith:fence_azure_arm" role="Started" managed="true" failed="false">\
<node name="two"/></resource>
    <resource id="mysql-probe" role="Started" managed="true" failed="false"><node name="one"/></resource>
    <clone id="azure-events-clone">
      <resource id="azure-events" role="Started" managed="true" failure_ignored="true"><node name="one"/></resource>
      <resource id="azure-events" role="Started" managed="true" failure_ignored="true"><node name="two"/></resource>
    </clone>
  </resources>
  <node_history>
    <node name="one"><resource_history id="mysql-server" orphan="false" migration-threshold="3"/>
      <resource_history id="azure-events" orphan="false" migration-threshold="3"/></node>
  </node_history>
</pacemaker-result>"""

DRBD = """version: 8.4.11 (api:1/proto:86-101)
srcversion: DA6B55A41DED5E58CDBAB30

 1: cs:Connected ro:Primary/Secondary ds:UpToDate/UpToDate C r-----
    ns:268 nr:21834 dw:153194 dr:3370 al:31 bm:0 lo:0 pe:0 ua:0 ap:0 ep:1 wo:f oos:0
"""
SYNC = """    ns:0 nr:93 dw:93 dr:0 al:0 bm:0 lo:0 pe:1 ua:0 ap:0 ep:1 wo:f oos:201324
\t[===>................] sync'ed: 22.3% (201324/258668)K
\tfinish: 0:01:02 speed: 3,244 (3,244) want: 4,096 K/sec
"""
VOTES = """Expected votes:   3
Total votes:      3
State:                  Connected
"""


def lost(first: int, last: int) -> dict[str, Any]:
    return {"first": first, "last": last, "until": "20261127T120000Z"}


ASKED = datetime(2026, 11, 28, 15, 7, tzinfo=UTC)
BACKUP: dict[str, Any] = {
    "history": "20261101T090000Z",
    "complete_to": "20261128T150610Z",
    "ship_error": "",
    "base_ended": "20261128T021500Z",
    "base_log": 40,
    "base_error": "",
    "lost": [lost(30, 39)],
}


def proved(at: str, why: str = "") -> str:
    """Return what a proof by a restore has noted."""
    return to_json(Verified(at, "20261121T021500Z", at, not why, 421, 5 << 30, 37, why))


@functools.cache
def certificate(days: int) -> str:
    """Return a server's certificate that ends so many days after `ASKED`, and its authority's."""
    made = ASKED - timedelta(certificates.CERTIFICATE_DAYS - days)
    with quick_keys():
        authority = certificates.read_authority(certificates.make_authority(made))
        key = certificates.read_key(certificates.make_key(made))
    return certificates.issue(authority, key, "db", ["203.0.113.1"]) + authority.certificate


Said = dict[str, dict[str, Any]]


def said(crm_mon: str | None = CRM_MON) -> Said:
    """Return what two nodes say that are well; node one serves."""

    def of(name: str) -> dict[str, Any]:
        return {
            "host": name,
            "has_left": False,
            "peer_in_turn": False,
            "crm_mon": crm_mon,
            "moves": [],
            "stays_off": {},
            "saved": "Sat Nov 28 15:06:56 2026",
            "drbd": DRBD if name == "one" else DRBD.replace("Primary/Secondary", "Secondary/Primary"),
            "tunnels": {},
            "file_systems": [
                file_system("/"),
                file_system("/run"),
                *([file_system("/var/lib/mysql", percent=4)] if name == "one" else []),
            ],
            "listens": name == "one",
            "certificates": certificate(365),
            "watchdog": False,
            "cannot_ask": None,
            "kernel": "6.8.0-1021-azure",
            "kernels": {"6.8.0-1009-azure": False, "6.8.0-1021-azure": True, "6.11.0-1003-azure": True},
            "time": ASKED.timestamp(),
            "backup": json.dumps(BACKUP) if name == "one" else None,
            "proof": proved("20261122T040000Z") if name == "two" else None,
            "verify": None,
            "quorum": None,
            "qdevice": None,
        }

    return {"one": of("one"), "two": of("two")}


def file_system(place: str, percent: int = 35, inodes_percent: int = 20, read_only: bool = False) -> dict[str, Any]:
    return {"place": place, "percent": percent, "inodes_percent": inodes_percent, "read_only": read_only}


def read(nodes: Said, unreached: str = "", witness: str | None = None) -> status.Status:
    answers = {name: "" if name == unreached else json.dumps(answer) for name, answer in nodes.items()}
    return status.of(facts.read(answers, witness), ENDPOINT)


# --- changes of what is said


def pacemaker(*changes: tuple[str, str]) -> Callable[[Said], None]:
    """Change what Pacemaker on both nodes sees."""

    def change(nodes: Said) -> None:
        for node in nodes.values():
            for before, after in changes:
                assert before in node["crm_mon"], before
                node["crm_mon"] = node["crm_mon"].replace(before, after)

    return change


def node_two(state: str) -> tuple[str, str]:
    before = re.search(r'<node name="two" online=.*?/>', CRM_MON)
    assert before
    return before[0], f'<node name="two" {state}/>'


def node(name: str, **changes: Any) -> Callable[[Said], None]:
    return lambda nodes: nodes[name].update(changes)


def backup(**changes: Any) -> Callable[[Said], None]:
    """Change what the programs of the backup have noted; None for what is not there."""
    return node("one", backup=json.dumps(BACKUP | changes))


def proof(name: str, at: str, why: str = "") -> Callable[[Said], None]:
    return node(name, proof=proved(at, why))


def disk(name: str, *changes: tuple[str, str]) -> Callable[[Said], None]:
    """Change what a node's kernel says of DRBD."""

    def change(nodes: Said) -> None:
        for before, after in changes:
            assert before in nodes[name]["drbd"], before
            nodes[name]["drbd"] = nodes[name]["drbd"].replace(before, after)

    return change


SERVER_IS_STOPPED = (
    (
        'id="mysql-server" role="Started" blocked="false" managed="true" failed="false" failure_ignored="false">'
        '<node name="one"/></resource>'
    ),
    'id="mysql-server" role="Stopped" blocked="false" managed="true" failed="false" failure_ignored="false"/>',
)
FS = 'id="mysql-fs" role="Started" blocked="false" managed="true"'
DEVICE = '<resource id="fence-device" '
WATCHDOGS = (
    DEVICE,
    '<resource id="watchdog" resource_agent="stonith:fence_watchdog" role="Started" managed="true" failed="false">'
    f'<node name="two"/></resource>{DEVICE}',
)
PROBE = '<resource id="mysql-probe" role="Started" managed="true" failed="false"><node name="one"/></resource>'
NO_QUORUM = ('with_quorum="true"', 'with_quorum="false"')
TWO_IS_OFFLINE = node_two('online="false" unclean="false"')
WAITS = (("cs:Connected", "cs:WFConnection"), ("UpToDate/UpToDate", "UpToDate/DUnknown"))
ALONE = (("cs:Connected", "cs:StandAlone"), ("UpToDate/UpToDate C ", "UpToDate/DUnknown   "))
SYNCS = (
    ("cs:Connected", "cs:SyncTarget"),
    ("UpToDate/UpToDate", "Inconsistent/UpToDate"),
    (DRBD.splitlines(keepends=True)[-1], SYNC),
)
FAILURE = (
    "<node_history>",
    '<failures><failure op_key="{}" node="one" exitstatus="error" exitreason="{}"/></failures><node_history>',
)


def failure(key: str, reason: str) -> tuple[str, str]:
    return FAILURE[0], FAILURE[1].format(key, reason)


def device_that_failed(call: int) -> tuple[str, str]:
    """Return what Pacemaker remembers of a fence device whose call has failed, and which is watched by call 24.

    Args:
        call: the number of that call.
    """
    return (
        '<node_history>\n    <node name="one">',
        f'<failures><failure op_key="fence-device_monitor_0" node="one" exitreason="no API" call="{call}"/></failures>'
        '<node_history><node name="one"><resource_history id="fence-device" orphan="false" migration-threshold="3">'
        '<operation_history call="22" task="start" rc="0"/>'
        '<operation_history call="24" task="monitor" rc="0" interval="3600000ms"/></resource_history>',
    )


def fencing(state: str) -> tuple[str, str]:
    return (
        "<node_history>",
        f'<fence_history><fence_event target="two" {state}/><fence_event target="two" status="success"'
        ' completed="2026-11-28 15:05:00.250000Z"/></fence_history><node_history>',
    )


def ban(name: str, resource: str) -> tuple[str, str]:
    return (
        "</pacemaker-result>",
        f'<bans><ban id="{name}" resource="{resource}" node="two" weight="-1000000"/></bans></pacemaker-result>',
    )


def failed_on_one(count: str, resource: str = "mysql-server") -> tuple[str, str]:
    return (
        f'<resource_history id="{resource}" orphan="false" migration-threshold="3"/>',
        f'<resource_history id="{resource}" orphan="false" migration-threshold="3" fail-count="{count}"/>',
    )


def test_all_is_well() -> None:
    found = read(said())
    assert (found.serving, found.alarms) == ("one", [])
    assert found.as_text().splitlines()[:3] == [
        "endpoint  203.0.113.1:3306, served by one",
        "node      one              online   DRBD Primary, Connected, UpToDate",
        "node      two              online   DRBD Secondary, Connected, UpToDate",
    ]
    assert found.nodes[0].used_percent == 4
    assert json.dumps(found.as_json())


def shaken(seconds: int) -> str:
    """Return what WireGuard says of a tunnel whose peer has answered so many seconds ago."""
    return f"key=\t{int(ASKED.timestamp()) - seconds}\n"


TRUE: list[tuple[str, list[Callable[[Said], None]], str, list[str]]] = [
    # name, what is otherwise, a node that cannot be reached, beginnings of the alarms
    ("server ended in maintenance",
     [pacemaker(('maintenance-mode="false"', 'maintenance-mode="true"')), node("one", listens=False)], "",
     ["nobody serves: Pacemaker believes that the server on one is started, but", "the cluster is in maint"]),
    ("nothing runs", [node("one", crm_mon=None, drbd=None), node("two", crm_mon=None, drbd=None)], "",
     ["nobody serves, as far as can be seen: Pacemaker answers on no node", "one is not in the cluster: its Pacemaker",
      "two is not in the cluster: its Pacemaker does not run"]),
    ("server fails everywhere",
     [pacemaker(SERVER_IS_STOPPED, failure("mysql-server_start_0", "no &amp;apos;start&amp;apos;"),
                failed_on_one("1000000"))], "",
     ["nobody serves: mysql-server start failed on one (no 'start'). docs/operations/nobody-serves.md",
      "mysql-server has failed on one, and may not run there"]),
    ("server starts", [pacemaker(('id="mysql-server" role="Started"', 'id="mysql-server" role="Starting"'))], "",
     ["nobody serves: the server is Starting on one"]),
    ("no quorum", [pacemaker(NO_QUORUM, SERVER_IS_STOPPED, TWO_IS_OFFLINE), disk("one", *WAITS)], "two",
     ["nobody serves.", "there is no quorum, so nobody serves",
      "two is not in the cluster, and cannot be reached by SSH: the data is kept only on one"]),
    ("no coordinator", [pacemaker(('present="true"', 'present="false"'), (' with_quorum="true"', ""))], "",
     ["the cluster has no coordinator"]),
    ("fencing pending",
     [pacemaker(fencing('status="pending"'), node_two('online="false" unclean="true"')), disk("one", *WAITS),
      disk("one", ("C r-----", "C s-----"))], "two",
     ["fencing of two is pending: until it is fenced, nobody", "writes on one are blocked",
      "two is not in the cluster, and is to be fenced, and cannot be reached by SSH: the data is kept only on one"]),
    ("fencing failed", [pacemaker(fencing('status="failed" exit-reason="no right"'), TWO_IS_OFFLINE)], "two",
     ["fencing of two is failed (no right): until", "two is not in the cluster, and cannot be"]),
    ("fence device fails", [pacemaker(failure("fence-device_monitor_3600000", "no API"))], "",
     ["the fence device has failed on one (no API)"]),
    ("fence device fails after its last success", [pacemaker(device_that_failed(25))], "",
     ["the fence device has failed on one (no API)"]),
    ("fence device is stopped",
     [pacemaker(('fence_azure_arm" role="Started"', 'fence_azure_arm" target_role="Stopped" role="Stopped"'))], "",
     ["no fence device is started", "fence-device switched off (target-role)"]),
    ("a watchdog is off", [pacemaker(WATCHDOGS), node("one", watchdog=True)], "",
     ["the watchdog of two is not armed (sbd does not run), though the other node counts on it"]),
    ("a watchdog's node is gone",
     [pacemaker(WATCHDOGS, TWO_IS_OFFLINE), node("one", watchdog=True), node("two", crm_mon=None),
      disk("one", *WAITS)], "",
     ["two is not in the cluster: its Pacemaker does not run: the data is kept only on one"]),
    ("disconnected", [disk("two", *ALONE), disk("one", *WAITS)], "",
     ["DRBD is StandAlone on two: the data is not copied. docs/operations/split-brain.md"]),
    ("tunnel down",
     [disk("one", *WAITS), disk("two", *WAITS), node("one", tunnels={"drbd-51820": None}),
      node("two", tunnels={"drbd-51820": shaken(400)})], "",
     ["the tunnel drbd-51820 is down on one: only one copy of the data is kept. docs/operations/one-copy.md"]),
    ("tunnel silent", [disk("one", *WAITS), node("one", tunnels={"drbd-51820": shaken(181)})], "",
     ["two has not answered for 181 s, as one sees it, through the tunnel drbd-51820: only one copy of the data is"]),
    ("tunnel that never answered", [node("one", tunnels={"drbd-51820": shaken(9), "drbd-51821": "key=\t0\n"})], "",
     ["two has never answered, as one sees it, through the tunnel drbd-51821. docs/operations/one-copy.md"]),
    ("old data",
     [pacemaker(SERVER_IS_STOPPED, TWO_IS_OFFLINE),
      disk("one", ("cs:Connected", "cs:WFConnection"), ("UpToDate/UpToDate", "Consistent/DUnknown"))], "two",
     ["nobody serves.", "one may have old data", "two is not in the cluster"]),
    ("disk failed", [disk("two", ("UpToDate/UpToDate", "Diskless/UpToDate"))], "",
     ["the data disk of two has failed"]),
    ("blocks differ", [disk("one", ("oos:0", "oos:64")), disk("two", ("oos:0", "oos:64"))], "",
     ["64 KiB differ on the two data disks, though both count as up to date: one of them is wrong."
      " docs/operations/blocks-differ.md"]),
    ("blocks differ, found this moment",
     [disk("one", ("cs:Connected", "cs:VerifyS"), ("oos:0", "oos:4")), disk("two", ("cs:Connected", "cs:VerifyT"))],
     "", ["4 KiB differ on the two data disks"]),
    ("node lost", [pacemaker(TWO_IS_OFFLINE), disk("one", *WAITS)], "two",
     ["two is not in the cluster, and cannot be reached by SSH: the data is kept only on one."]),
    ("node only not reached", [], "two", ["two cannot be reached by SSH, though the cluster has it."]),
    ("Pacemaker ended", [pacemaker(TWO_IS_OFFLINE), disk("one", *WAITS), node("two", crm_mon=None, drbd=None)], "",
     ["two is not in the cluster: its Pacemaker does not run: the data is kept only on one."]),
    ("to stay off",
     [pacemaker(TWO_IS_OFFLINE), disk("one", *WAITS), node("one", stays_off={"two": "2026-11-28T15:00Z"})], "two",
     ["two is to stay off since 2026-11-28T15:00Z (make start NODE=two): the data is kept only on one."]),
    ("to stay off, and on", [node("one", stays_off={"two": "2026-11-28T15:00Z"})], "",
     ["two is to stay off since 2026-11-28T15:00Z (make start NODE=two), and is on. docs/operations/planned-maint"]),
    ("to stay off, without Pacemaker",
     [node("one", crm_mon=None, drbd=None, stays_off={"two": "2026-11-28T15:00Z"})], "two",
     ["nobody serves, as far as", "one is not in the cluster", "two is to stay off since 2026-11-28T15:00Z"]),
    ("in its turn",
     [pacemaker(TWO_IS_OFFLINE), disk("one", *WAITS), node("one", peer_in_turn=True),
      node("two", crm_mon=None, drbd=None, has_left=True)], "",
     ["two has left the cluster for its machine's turn"]),
    ("in its turn, and off", [pacemaker(TWO_IS_OFFLINE), disk("one", *WAITS), node("one", peer_in_turn=True)], "two",
     ["two has left the cluster for its machine's turn"]),
    ("joining", [pacemaker(node_two('online="true" pending="true"')), disk("one", *WAITS), node("two", drbd=None)], "",
     ["two is just joining"]),
    ("DRBD waits", [disk("one", *WAITS), disk("two", *WAITS)], "",
     ["DRBD on one and two has no connection (WFConnection): only one copy of the data is kept. docs/operations/one-"]),
    ("DRBD is down", [disk("one", *WAITS), node("two", drbd="version: 8.4.11\n\n 1: cs:Unconfigured\n")], "",
     ["DRBD is down on two: the data is kept only on one."]),
    ("no module", [disk("one", *WAITS), node("two", drbd=None)], "", ["DRBD is down on two"]),
    ("alone after its boot", [pacemaker(SERVER_IS_STOPPED, TWO_IS_OFFLINE), node("one", drbd=None)], "two",
     ["nobody serves.", "two is not in the cluster", "DRBD is down on one, and no other copy can be seen"]),
    ("copying", [disk("two", *SYNCS)], "",
     ["two copies from one what it has missed, 22.3 % done, 0:01:02 to go, at 3.2 MiB/s: until then the data is kept"
      " only on one. docs/operations/one-copy.md"]),
    ("copying, seen from its source",
     [disk("one", ("cs:Connected", "cs:SyncSource"), ("UpToDate/UpToDate", "UpToDate/Inconsistent"),
           (DRBD.splitlines(keepends=True)[-1], SYNC.replace(" K/sec", " K/sec (stalled)")))], "two",
     ["two cannot be reached", "two copies from one what it has missed, 22.3 % done, it makes no progress"]),
    ("outdated", [disk("two", ("UpToDate/UpToDate", "Outdated/UpToDate"))], "", ["the copy on two is Outdated"]),
    ("barred", [pacemaker(ban("drbd-fence-by-handler-r0-drbd-r0-clone", "drbd-r0-clone"))], "",
     ["two is barred from promotion by the constraint"]),
    ("cannot ask", [node("one", cannot_ask="Too many connections\n")], "",
     ["the server on one could not be asked how it is, and is left as it is (Too many connections). docs/operations/"]),
    ("resource failed thrice", [pacemaker(failed_on_one("3"))], "",
     ["mysql-server has failed on one, and may not run there"]),
    ("blocked", [pacemaker((FS, FS.replace('blocked="false"', 'blocked="true"')))], "", ["mysql-fs is blocked on one"]),
    ("probe stopped",
     [pacemaker((PROBE, '<resource id="mysql-probe" role="Stopped" managed="true" failed="false"/>'))], "",
     ["mysql-probe runs nowhere"]),
    ("clone stopped",
     [pacemaker(('failure_ignored="true"><node name="two"/></resource>', '/>'))], "",
     ["azure-events does not run on two"]),
    ("data full", [node("one", file_systems=[file_system("/var/lib/mysql", percent=90)])], "",
     ["the database's file system on one is 90 % full. docs/operations/full-disk.md"]),
    ("data read-only", [node("one", file_systems=[file_system("/var/lib/mysql", read_only=True)])], "",
     ["the database's file system on one is read-only"]),
    ("root full", [node("one", file_systems=[file_system("/", percent=100)])], "",
     ["the file system / on one is 100 % full. docs/operations/full-system-disk.md"]),
    ("root without inodes", [node("two", file_systems=[file_system("/", inodes_percent=97)])], "",
     ["the file system / on two has 97 % of its inodes in use"]),
    ("root read-only", [node("two", file_systems=[file_system("/", read_only=True)])], "",
     ["the file system / on two is read-only"]),
    ("configuration not saved", [node("two", saved="Sat Nov 28 15:01:01 2026")], "",
     ["Pacemaker on two has stopped saving the cluster's configuration: the copy on its disk is from Sat Nov 28"]),
    ("shared memory full", [node("two", file_systems=[file_system("/dev/shm", percent=99)])], "",
     ["the file system /dev/shm on two is 99 % full"]),
    ("standby",
     [pacemaker(node_two('online="true" standby="true"')), disk("one", *WAITS), node("two", drbd=None)], "",
     ["two is in standby: it runs nothing, and keeps no copy of the data. docs/operations/planned-main"]),
    ("standby after a failure",
     [pacemaker(node_two('online="true" standby="false" standby_onfail="true"')), disk("one", *WAITS),
      node("two", drbd=None)], "", ["two is in standby after a failure"]),
    ("maintenance of a node",
     [pacemaker(node_two('online="true" maintenance="true"'),
                ('role="Unpromoted" blocked="false" managed="true"', 'role="Unpromoted" managed="false"'))], "",
     ["two is in maintenance"]),
    ("unmanaged",
     [pacemaker((FS, FS.replace('managed="true"', 'managed="false"')),
                ('id="mysql-server" role="Started" blocked="false" managed="true"',
                 'id="mysql-server" role="Started" managed="false"'))], "",
     ["mysql-fs and mysql-server unmanaged"]),
    ("switched off",
     [pacemaker((PROBE, '<resource id="mysql-probe" role="Stopped" target_role="Stopped" managed="true"/>'))], "",
     ["mysql-probe switched off (target-role)"]),
    ("all stopped", [pacemaker(('stop-all-resources="false"', 'stop-all-resources="true"'))], "",
     ["all resources are stopped by the property"]),
    ("ban", [pacemaker(ban("cli-ban-mysql-on-two", "mysql"))], "",
     ["mysql is barred from two by the constraint cli-ban-mysql-on-two"]),
    ("move", [node("one", moves=["cli-prefer-mysql"]), node("two", moves=["cli-prefer-mysql"])], "",
     ["the constraint cli-prefer-mysql of `crm resource move`"]),
    ("announced event",
     [pacemaker(node_two('online="true" health="red"')), disk("one", *WAITS), node("two", drbd=None)], "",
     ["two runs no resources until"]),
    ("logs gone unshipped", [backup(lost=[lost(37, 39), lost(42, 44)])], "",
     ["3 binary logs were deleted before they were backed up, by hand or because the disk was filling: until there is a"
      " new base, nothing later can be restored. docs/operations/backup.md"]),
    ("a log gone unshipped", [backup(lost=[lost(42, 42)])], "",
     ["1 binary log was deleted before it was backed up, by hand or because the disk was filling: until there is a new"
      " base, nothing later can be restored. docs/operations/backup.md"]),
    ("log late", [backup(complete_to="20261128T150159Z", ship_error="storage: connection\nrefused.")], "",
     ["the backup is complete until 2026-11-28T15:01:59Z, and lacks the last 5 minutes"
      " (storage: connection refused). docs/operations/backup.md"]),
    ("log of hours late", [backup(complete_to="20261128T120659Z")], "",
     ["the backup is complete until 2026-11-28T12:06:59Z, and lacks the last 3 hours. docs/op"]),
    ("no log yet", [backup(history="20261128T145000Z", complete_to="")], "",
     ["the backup has no log yet, and lacks the last 17 minutes"]),
    ("base late", [backup(base_ended="20261127T130659Z")], "",
     ["the backup has had no new base for 26 hours: the last one is from 2026-11-27T13:06:59Z. docs/operations/"]),
    ("a base that stands still", [backup(base_tried="20261127T150000Z", base_ended="20261126T130659Z")], "",
     ["the backup has had no new base for 2 days: the last one is from 2026-11-26T13:06:59Z. docs/operations/"]),
    ("no base yet", [backup(history="20261126T140000Z", base_ended="", base_error="mariadb-backup: full")], "",
     ["the backup has had no new base for 2 days: there is none yet (mariadb-backup: full)"]),
    ("proof failed", [proof("one", at="20261128T040000Z", why="table shop.orders is corrupt")], "",
     ["the backup's last proof, a restore at 2026-11-28T04:00:00Z, has failed (table shop.orders is corrupt)."]),
    ("proof old", [proof("two", at="20261120T150600Z")], "",
     ["no base of the backup has been proved by a restore for 8 days: the last one was on 2026-11-20T15:06:00Z"]),
    ("never proved", [node("two", proof=None)], "",
     ["no base of the backup has been proved by a restore for 27 days: there is none yet"]),
    ("a certificate that ends soon", [node("one", certificates=certificate(29))], "",
     ["the server's certificate, or one that it depends on, expires in 29 days: clients that check it cannot connect"
      " then. docs/operations/tls.md"]),
    ("a certificate that has ended", [node("two", certificates=certificate(-1))], "",
     ["the server's certificate, or one that it depends on, has expired: clients"]),
    ("a certificate with a month left", [node("two", certificates=certificate(31))], "", []),
    ("no certificate yet", [node("one", certificates=""), node("two", certificates="")], "", []),
    ("a kernel without DRBD", [node("two", kernels={"6.8.0-1021-azure": True, "6.11.0-1003-azure": False})], "",
     ["two has a newer kernel, 6.11.0-1003-azure, without DRBD: after its next restart it would have no copy"]),
    ("host name", [node("two", host="web-7.example.com")], "",
     ["the host name of two is web-7.example.com, which is not the cluster's name for it. docs/operations/host-name"]),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "unreached", "expected"), [row[1:] for row in TRUE], ids=[row[0] for row in TRUE])
def test_what_is_not_as_it_should_be(
    changes: list[Callable[[Said], None]], unreached: str, expected: list[str]
) -> None:
    nodes = said()
    for change in changes:
        change(nodes)
    found = read(nodes, unreached).alarms
    assert len(found) == len(expected), found
    for alarm, beginning in zip(found, expected, strict=True):
        assert alarm.startswith(beginning), alarm


NOT_TRUE: list[tuple[str, list[Callable[[Said], None]]]] = [
    ("a failure that is overcome", [pacemaker(failed_on_one("1"), failure("mysql-server_monitor_5000", ""))]),
    ("a fence device that works since", [pacemaker(device_that_failed(23))]),
    ("failures that count for nothing", [pacemaker(failed_on_one("1000000", "azure-events"))]),
    ("verify", [disk("one", ("cs:Connected", "cs:VerifyS")), disk("two", ("cs:Connected", "cs:VerifyT"))]),
    ("back from its turn", [node("one", peer_in_turn=True)]),
    ("nearly full", [node("one", file_systems=[file_system("/var/lib/mysql", percent=89, inodes_percent=89)])]),
    ("read-only by nature", [node("one", file_systems=[file_system("/snap/core", percent=100, read_only=True)])]),
    ("fenced and back", [pacemaker(fencing('status="failed"'))]),
    ("saved a moment before", [node("two", saved="Sat Nov 28 15:06:47 2026")]),
    ("saved with a time of its own", [node("two", saved="Sat Nov 28 15:06:57 2026")]),
    ("never saved", [node("two", saved=None)]),
    ("nothing to save yet", [pacemaker(('<last_change time="Sat Nov 28 15:06:56 2026"', '<last_changes x=""'))]),
    ("in a domain", [node("two", host="two.example.com")]),
    ("fencing off", [pacemaker(('stonith-enabled="true"', 'stonith-enabled="false"'))]),
    ("watchdogs", [pacemaker(WATCHDOGS), node("one", watchdog=True), node("two", watchdog=True)]),
    ("no backups", [node("one", backup=None), node("two", proof=None)]),
    ("a backup of which nothing can be read", [node("one", backup="[")]),
    ("a log of minutes ago", [backup(complete_to="20261128T150201Z", ship_error="one failure")]),
    ("a base of a night ago", [backup(base_ended="20261127T130701Z")]),
    ("a base that takes hours", [backup(base_tried="20261127T070659Z", base_ended="20261127T090701Z")]),
    ("a base that is being made", [backup(base_tried="20261128T110000Z", base_ended="20261127T090701Z")]),
    ("a cluster of now", [backup(history="20261128T150600Z", complete_to="", base_ended=""), node("two", proof=None)]),
    ("proved again", [proof("one", at="20261121T040000Z", why="x")]),
    ("no inodes to count", [node("one", file_systems=[file_system("/boot/efi", inodes_percent=0)])]),
    ("tunnel that answers", [node("one", tunnels={"drbd-51820": shaken(179)}), node("two", tunnels={})]),
    ("switched on", [pacemaker(('id="mysql-probe"', 'id="mysql-probe" target_role="Started"'))]),
]  # fmt: skip


@pytest.mark.parametrize("changes", [row[1] for row in NOT_TRUE], ids=[row[0] for row in NOT_TRUE])
def test_what_is_as_it_should_be(changes: list[Callable[[Said], None]]) -> None:
    nodes = said()
    for change in changes:
        change(nodes)
    found = read(nodes)
    assert (found.serving, found.alarms) == ("one", [])


def test_both_serve() -> None:
    """Each sees itself serve, and the other gone: fencing is off, and the network between them was cut."""
    nodes = said(CRM_MON.replace('stonith-enabled="true"', 'stonith-enabled="false"'))
    pacemaker(TWO_IS_OFFLINE)(nodes)
    swapped = re.sub("one|two", lambda name: {"one": "two", "two": "one"}[name[0]], nodes["one"]["crm_mon"])
    nodes["two"].update(crm_mon=swapped, listens=True)
    for name in nodes:
        disk(name, *ALONE)(nodes)
    found = read(nodes)
    assert found.serving is None
    assert [alarm.partition(":")[0] for alarm in found.alarms] == [
        "one and two both serve",
        "DRBD is StandAlone on one and two",
        "two is not in the cluster",
    ]


def test_who_is_believed() -> None:
    """A node that has lost quorum sees the other one gone; that one has fenced nobody yet, and serves."""
    nodes = said(CRM_MON.replace('name="one" online="true"', 'name="one" online="false"').replace(
        '<node name="one"/>', '<node name="two"/>'))  # fmt: skip
    nodes["two"]["listens"] = True
    nodes["one"].update(crm_mon=CRM_MON.replace(*NO_QUORUM).replace(*SERVER_IS_STOPPED), listens=False)
    found = read(nodes)
    assert found.serving == "two"
    assert found.alarms[0] == "one has no quorum, and so serves nothing. docs/operations/reading-crm-mon.md"


def test_a_node_that_is_lost_does_not_serve() -> None:
    """Pacemaker has its resources as started until it has been fenced."""
    nodes = said(CRM_MON.replace('name="one" online="true"', 'name="one" online="false"').replace(*NO_QUORUM))
    disk("two", *WAITS)(nodes)
    found = read(nodes, unreached="one")
    assert found.serving is None
    assert [alarm.partition(".")[0] for alarm in found.alarms][:2] == [
        "nobody serves: the server is Started on one",
        "there is no quorum, so nobody serves",
    ]


def test_where_nobody_serves_no_copy_is_late() -> None:
    nodes = said()
    for change in (pacemaker(SERVER_IS_STOPPED), backup(complete_to="20261128T120000Z", base_ended="20261120T120000Z")):
        change(nodes)
    assert [alarm.partition(".")[0] for alarm in read(nodes).alarms] == ["nobody serves"]


@pytest.mark.parametrize(
    ("votes", "expected"),
    [
        (VOTES, []),
        (VOTES.replace("Connected", "Connect failed"), ["the witness third cannot be reached from one and two"]),
        (VOTES.replace("Total votes:      3", "Total votes:      2"), ["2 of 3 votes are present: the loss of a node"]),
    ],
)
def test_a_witness(votes: str, expected: list[str]) -> None:
    nodes = said()
    for each in nodes.values():
        each.update(quorum=votes)
    found = read(nodes, witness="third").alarms
    assert len(found) == len(expected), found
    assert all(alarm.startswith(beginning) for alarm, beginning in zip(found, expected, strict=True))


def test_where_no_node_is_reached_nothing_is_known() -> None:
    seen = facts.read({"one": "", "two": ""})
    found = status.of(seen, ENDPOINT)
    assert [alarm.rpartition(". ")[0] for alarm in found.alarms] == [
        "nobody serves, as far as can be seen: SSH (is this machine in adminCidrs?) answers on no node",
        *(f"{name} cannot be reached by SSH (make ssh NODE={name} shows why)" for name in ("one", "two")),
    ]
    assert found.as_text().splitlines()[0].endswith("served by UNKNOWN")
    assert found.as_text().count(" UNKNOWN  DRBD unknown") == 2
    assert [node.online for node in found.nodes] == [None, None]


def test_a_node_that_cannot_be_asked() -> None:
    found = read(said(), unreached="two").nodes[1]
    assert (found.online, found.drbd_role, found.used_percent) == (True, "unknown", None)


class _Answering(Node):
    """A node that is this machine: what it is told runs here, without SSH or root."""

    def command(self, remote: str, *options: str) -> list[str]:
        return ["sh", "-c", f"PATH=/nowhere; {remote.replace('python3', shlex.quote(sys.executable))}"]


def test_it_is_asked_by_a_program(tmp_path: Path) -> None:
    """What has no cluster has no facts of one, and nothing of that is an error."""
    seen = asking.ask([_Answering("one", "", Agent(tmp_path))])
    (node,) = seen.nodes
    assert node.reached
    assert node.host == os.uname().nodename
    assert node.crm_mon is None
    assert "/" in [each.place for each in node.file_systems]
    run = subprocess.run([sys.executable, "-", "host", "moves"], input=LOOK, capture_output=True, text=True, check=True)
    assert list(json.loads(run.stdout)) == ["host", "moves"]


# --- the list of alarms, as a page


def table() -> str:
    rows = [f"| {kind.what} | [{kind.page}]({kind.page}.md) |" for kind in alarms.KINDS]
    return "\n".join(["| alarm | page |", "|---|---|", *rows]) + "\n"


def test_fencing_in_a_few_words() -> None:
    nodes = said()
    assert read(nodes).fencing == "on, fence_azure_arm watched by two"
    pacemaker(WATCHDOGS)(nodes)
    assert read(nodes).fencing == "on, fence_azure_arm watched by two; without Azure's API, the nodes' watchdogs"
    # A watchdog alone is no fence device: without the agent nobody fences a node that has quorum.
    pacemaker(('fence_azure_arm" role="Started"', 'fence_azure_arm" role="Stopped"'))(nodes)
    assert read(nodes).fencing == "NOT WORKING: no fence device is started"


def test_the_list_of_alarms_is_in_the_pages() -> None:
    """`UPDATE_EXPECTED=1 pytest tests/unit/test_status.py` writes it anew."""
    file = CHECKOUT / "docs/operations/README.md"
    before, rest = file.read_text().split(BEGIN)
    written, after = rest.split(END)
    if os.environ.get("UPDATE_EXPECTED"):
        file.write_text(before + BEGIN + table() + END + after)
        written = table()
    assert written == table()


@pytest.mark.parametrize("kind", alarms.KINDS, ids=lambda kind: kind.what)
def test_each_alarm_has_its_page(kind: alarms.Kind) -> None:
    assert (CHECKOUT / f"docs/operations/{kind.page}.md").exists()


CIB = """<cib><configuration><nodes>
  <node id="1" uname="one"/>
  <node id="2" uname="two">
    <instance_attributes id="nodes-2">
      <nvpair id="nodes-2-azName" name="azName" value="two"/>
      <nvpair id="nodes-2-stays-off" name="stays-off" value="2026-11-28T15:00:00Z"/>
    </instance_attributes>
  </node>
</nodes></configuration></cib>"""


@pytest.mark.parametrize(
    ("cib", "found"),
    [
        (CIB, {"two": "2026-11-28T15:00:00Z"}),
        (CIB.replace("stays-off", "standby"), {}),
        (CIB.replace('"one"/>', '"one"><instance_attributes id="nodes-1"/></node>'), {"two": "2026-11-28T15:00:00Z"}),
    ],
)
def test_which_nodes_are_to_stay_off(cib: str, found: dict[str, str], tmp_path: Path) -> None:
    """As Pacemaker has it on disk, also while it does not run."""
    (tmp_path / "cib.xml").write_text(cib)
    text = LOOK.replace("/var/lib/pacemaker/cib/cib.xml", str(tmp_path / "cib.xml"))
    run = subprocess.run([sys.executable, "-", "stays_off"], input=text, capture_output=True, text=True, check=True)
    assert json.loads(run.stdout) == {"stays_off": found}
