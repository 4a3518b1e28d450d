"""When a node's machine may be restarted or replaced: never both, the idle one first, never the only good data."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from components.checkout import CHECKOUT
from components.places import PEER_IN_TURN
from components.settings import sshkeys
from lab.lab import wait_until
from operations.turn import __main__ as program
from operations.turn.decision import Done, Go, TurnError, Wait, decide
from operations.turn.turn import Turn
from operations.turn.view import View, Wanted, read_view
from tests.support.keys import ssh_key

OLD = Wanted("Standard_D2s_v5", "Debian:debian-12:12-gen2:latest", "StandardSSD_LRS")
NEW = dataclasses.replace(OLD, size="Standard_D4s_v5")
BOTH = frozenset({"one", "two"})

# Node one serves, all is well, neither machine is as it is to be.
ONE = View(
    machine=OLD,
    has_cluster=True,
    has_left=False,
    members=BOTH,
    away=frozenset(),
    serving="one",
    connected=True,
    disks=("UpToDate", "UpToDate"),
    synced="",
    differing=0,
    votes_missing=0,
)
TWO = ONE
# Node two is not there; node one serves alone.
ALONE = dataclasses.replace(
    ONE, members=frozenset({"one"}), away=frozenset({"two"}), connected=False, disks=("UpToDate", "DUnknown")
)
LEFT = dataclasses.replace(ONE, members=None, has_left=True, serving="", connected=False, disks=())


def turn_of_one(own: View | None, others: View | None, wanted: Wanted = NEW) -> Done | Go | Wait:
    return decide("one", "two", first=True, wanted=wanted, own=own, others=others)


def turn_of_two(own: View | None, others: View | None, wanted: Wanted = NEW) -> Done | Go | Wait:
    return decide("two", "one", first=False, wanted=wanted, own=own, others=others)


def view(of: View, **changes: Any) -> View:
    return dataclasses.replace(of, **changes)


def test_the_idle_node_goes_first() -> None:
    assert turn_of_two(TWO, ONE) == Go("one serves, this one is idle", leave=True)
    assert turn_of_one(ONE, TWO) == Wait("two's turn to be over")


def test_the_one_that_serves_goes_when_its_peer_is_done_and_has_all_data() -> None:
    done = view(TWO, machine=NEW)
    assert turn_of_one(ONE, done) == Go("two is done and has all data", leave=True)
    syncing = view(ONE, disks=("UpToDate", "Inconsistent"), synced="12.3")
    assert turn_of_one(syncing, done) == Wait("both disks to have all data (UpToDate/Inconsistent, 12.3 % copied)")
    for not_yet in (ALONE, view(ONE, connected=False), view(ONE, votes_missing=1), view(ONE, disks=())):
        assert isinstance(turn_of_one(not_yet, done), Wait), not_yet
    for one, two in ((view(ONE, differing=64), done), (ONE, view(done, differing=64))):
        decision = turn_of_one(one, two)
        assert isinstance(decision, Wait)
        assert "64 KiB differ: docs/operations/blocks-differ.md" in decision.what_for
    assert isinstance(turn_of_one(ONE, None), Wait)
    assert isinstance(turn_of_one(ONE, view(done, members=None)), Wait)


def test_never_both() -> None:
    """Of all that two nodes can see there is nothing in which both may go, but where no cluster is there to lose."""
    views = [
        None,
        *(
            view(
                ONE, serving=serving, members=members, away=BOTH - (members or frozenset()), disks=disks, has_left=left
            )
            for serving in ("one", "two", "")
            for members in (BOTH, frozenset({"one"}), frozenset({"two"}), None)
            for disks in (("UpToDate", "UpToDate"), ("UpToDate", "DUnknown"), ("Inconsistent", "UpToDate"), ())
            for left in (False, True)
        ),
    ]
    for one in views:
        for two in views:
            if one and two and one.serving != two.serving and one.members and two.members:
                continue  # they see each other, and so the same
            went = [isinstance(decision, Go) for decision in (turn_of_one(one, two), turn_of_two(two, one))]
            assert went != [True, True], (one, two)


def test_where_neither_serves_the_first_goes_first() -> None:
    one, two = view(ONE, serving=""), view(TWO, serving="")
    assert turn_of_one(one, two) == Go("neither serves, and this one is the first", leave=True, peer_must_serve=False)
    assert turn_of_two(two, one) == Wait("one's turn to be over")
    assert turn_of_two(two, view(one, machine=NEW)) == Go("one is done and has all data", True, peer_must_serve=False)


def test_what_is_as_it_is_to_be_stays() -> None:
    """Whatever else changed, and in whatever state the cluster is: it is no reason to leave."""
    for own in (ONE, ALONE, LEFT, view(ONE, votes_missing=2, disks=())):
        for others in (TWO, None):
            assert turn_of_one(own, others, wanted=OLD) == Done()


def test_a_node_that_is_gone_needs_no_leaving() -> None:
    assert turn_of_two(None, ALONE) == Go("one serves without it", leave=False)
    # It has left in an update that was killed.
    assert turn_of_two(LEFT, ALONE) == Go("one serves without it", leave=True)
    # It is on its way out.
    assert turn_of_two(view(TWO, has_left=True), ALONE) == Go("one serves without it", leave=True)
    # A person has put it in standby.
    assert turn_of_two(view(TWO, members=frozenset({"one"}), away=frozenset({"two"})), ALONE) == Go(
        "one serves without it", leave=True
    )


@pytest.mark.parametrize(
    ("others", "waits_for"),
    [
        (None, "two or one to be reached by SSH (is this machine in adminCidrs?)"),
        (view(ALONE, members=None), "Pacemaker to run on one"),
        (view(ALONE, serving=""), "one to serve"),
        (view(ALONE, disks=("Outdated", "DUnknown")), "one to have all data (Outdated/DUnknown)"),
        (view(ALONE, away=frozenset()), "two to be gone for good: one sees it neither in the cluster nor off"),
        (ONE, "two to be reached by SSH: one sees it in the cluster"),
    ],
)
def test_a_node_that_is_gone_waits_for_its_peer(others: View | None, waits_for: str) -> None:
    decision = turn_of_two(None, others)
    assert isinstance(decision, Wait)
    assert decision.what_for == waits_for


def test_before_there_is_a_cluster_nothing_is_waited_for() -> None:
    fresh = view(LEFT, has_cluster=False, has_left=False)
    assert turn_of_one(fresh, None) == Go("there is no cluster on it yet", leave=False)


def test_another_operating_system_is_refused() -> None:
    other = dataclasses.replace(OLD, image="Debian:debian-13:13-gen2:latest")
    with pytest.raises(TurnError, match="one runs Debian:debian-12 and is to run Debian:debian-13"):
        turn_of_one(ONE, TWO, wanted=other)
    newer = dataclasses.replace(OLD, image="Debian:debian-12:12-gen2:0.20261101.0")
    assert isinstance(turn_of_two(TWO, ONE, wanted=newer), Go)


CRM_MON = """<pacemaker-result><nodes>
<node name="one" online="true" standby="false" standby_onfail="false" maintenance="false" pending="false"
 unclean="false" health="green"/>
<node name="two" {two}/></nodes><resources>
<clone id="drbd-r0-clone"><resource id="drbd-r0" role="Promoted"><node name="one"/></resource></clone>
<group id="mysql"><resource id="mysql-server" role="{role}" failed="false"><node name="one"/></resource></group>
<resource id="mysql-probe" role="Started" failed="false"><node name="one"/></resource>
</resources><fence_history>{events}</fence_history></pacemaker-result>"""


DRBD = """version: 8.4.11 (api:1/proto:86-101)

 1: cs:Connected ro:Primary/Secondary ds:UpToDate/UpToDate C r-----
    ns:268 nr:21834 dw:153194 dr:3370 al:31 bm:0 lo:0 pe:0 ua:0 ap:0 ep:1 wo:f oos:0
"""


def look(two: str = 'online="true"', role: str = "Started", events: str = "", **changes: Any) -> View:
    compute = {
        "vmSize": OLD.size,
        "storageProfile": {
            "imageReference": {"publisher": "Debian", "offer": "debian-12", "sku": "12-gen2", "version": "latest"},
            "osDisk": {"managedDisk": {"storageAccountType": "StandardSSD_LRS"}},
        },
    }
    said: dict[str, Any] = {
        "compute": compute,
        "has_cluster": True,
        "has_left": False,
        "crm_mon": CRM_MON.format(two=two, role=role, events=events),
        "drbd": DRBD,
        "quorum": "Quorate:          Yes\nExpected votes:   2\nHighest expected: 2\nTotal votes:      2\n",
    }
    return read_view(json.dumps({**said, **changes}))


def test_what_a_node_says_is_read() -> None:
    assert look() == ONE
    assert look(crm_mon=None).members is None
    assert look(compute=None).machine is None
    assert (look(drbd=None).disks, look(quorum=None).votes_missing) == ((), 1)
    assert look(drbd=DRBD.replace("oos:0", "oos:64")).differing == 64
    assert look(role="Starting").serving == ""


@pytest.mark.parametrize(
    ("two", "members", "away"),
    [
        ('online="false" unclean="false"', {"one"}, {"two"}),
        ('online="false" unclean="true"', {"one"}, set[str]()),
        ('online="true" standby="true"', {"one"}, {"two"}),
        ('online="true" pending="true"', {"one"}, set[str]()),
        ('online="true" health="red"', {"one"}, set[str]()),
    ],
)
def test_who_is_a_member(two: str, members: set[str], away: set[str]) -> None:
    seen = look(two=two)
    assert (seen.members, seen.away) == (members, away)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("<nodes>", '<summary><cluster_options maintenance-mode="true"/></summary><nodes>', "crm maintenance off"),
        ('maintenance="false"', 'maintenance="true"', "one is in maintenance (crm node ready one ends it)"),
        ('<group id="mysql">', '<group id="mysql" managed="false">', "crm resource manage mysql,"),
        ('"drbd-r0"', '"drbd-r0" managed="false" blocked="true"', ""),
    ],
)
def test_what_a_person_keeps_from_pacemaker_keeps_a_node_from_leaving(before: str, after: str, told: str) -> None:
    one = look(crm_mon=CRM_MON.format(two='online="true"', role="Started", events="").replace(before, after))
    assert (told in one.by_hand) if told else one.by_hand == ""
    if told:
        with pytest.raises(TurnError, match="so nothing would leave one; end that, then run pulumi up again"):
            turn_of_one(one, view(TWO, machine=NEW))
        assert turn_of_one(one, TWO, wanted=OLD) == Done()
    else:
        assert turn_of_one(one, view(TWO, machine=NEW)) == Go("two is done and has all data", leave=True)


def test_a_node_that_is_being_fenced_is_not_away() -> None:
    event = '<fence_event target="two" status="pending"/>'
    assert look(two='online="false" unclean="false"', events=event).away == frozenset()


# The program as it is run; only SSH is played, by nodes that are a file each: what they say, and what they are told.
SSH = """#!{python} -IS
import json, os, pathlib, subprocess, sys
folder, arguments, text = pathlib.Path("{folder}"), sys.argv[1:], sys.stdin.read()
options = dict(each[2:].split("=", 1) for each in arguments if each.startswith("-o"))
asked = {{**os.environ, "SSH_AUTH_SOCK": options["IdentityAgent"]}}
has = subprocess.run(["ssh-add", "-L"], env=asked, capture_output=True, text=True)
assert has.stdout.split()[:2] == {public!r}.split() and options["IdentityFile"] == "none", has
assert arguments[:2] == ["-F", "none"] and "-i" not in arguments
known = dict(line.split(" ", 1) for line in pathlib.Path(options["UserKnownHostsFile"]).read_text().splitlines())
node = options["HostKeyAlias"]
assert known[node] == "host key of " + node and options["StrictHostKeyChecking"] == "yes"
assert arguments[-2:-1] == ["admin@address-of-" + node]
with (folder / "commands").open("a") as file:
    file.write(" ".join(arguments) + "\\n")
states = json.loads((folder / "nodes.json").read_text())
if node not in states:
    sys.exit(255)
if arguments[-1] == "sudo bash -c 'python3 -'":
    print(json.dumps(states[node]))
    sys.exit()
with (folder / "told").open("a") as file:
    file.write(node + ": " + "; ".join(text.splitlines()[1:]) + "\\n")
if "crm node standby" in text:
    other = "two" if node == "one" else "one"
    for state in states.values():
        there = state["crm_mon"].replace(f'name="{{node}}" online', f'name="{{node}}" standby="true" online')
        state["crm_mon"] = there.replace(f'<node name="{{node}}"/>', f'<node name="{{other}}"/>')
    (folder / "nodes.json").write_text(json.dumps(states))
"""

PEER_IN_TURN_IS_SET = f"{{node}}: mkdir -p /run/azure-mysql-ha; : >{PEER_IN_TURN}"

PROGRAM = [sys.executable, "-m", "operations.turn"]

MEMBERS = CRM_MON.replace('standby="false" ', "").format(two='online="true"', role="Started", events="")


def said(size: str, crm_mon: str = MEMBERS) -> dict[str, Any]:
    """Return what a node says: the text of configs/pacemaker/look.py's answer."""
    return {
        "compute": {
            "vmSize": size,
            "storageProfile": {
                "imageReference": {"publisher": "Debian", "offer": "debian-12", "sku": "12-gen2", "version": "latest"},
                "osDisk": {"managedDisk": {"storageAccountType": "StandardSSD_LRS"}},
            },
        },
        "has_cluster": True,
        "has_left": False,
        "crm_mon": crm_mon,
        "drbd": DRBD,
        "quorum": "Expected votes:   2\nTotal votes:      2\n",
    }


def variables(folder: Path, node: str, nodes: dict[str, Any], image: str = OLD.image) -> dict[str, str]:
    """Return the program's environment for a node, with what the nodes say laid ready."""
    (folder / "nodes.json").write_text(json.dumps(nodes))
    (folder / "tmp").mkdir(exist_ok=True)
    ssh = folder / "ssh"
    ssh.write_text(SSH.format(python=sys.executable, folder=folder, public=sshkeys.parse(ssh_key()).public))
    ssh.chmod(0o755)
    machines = {
        name: {"host": f"address-of-{name}", "port": "50001", "user": "admin", "host_key": f"host key of {name}"}
        for name in ("one", "two")
    }
    return {
        "PATH": f"{folder}:{os.environ['PATH']}",
        "HA_NODE": node,
        "HA_PEER": "two" if node == "one" else "one",
        "HA_FIRST": "yes" if node == "one" else "no",
        "HA_VM_SIZE": NEW.size,
        "HA_IMAGE": image,
        "HA_OS_DISK_SKU": NEW.os_disk_sku,
        "HA_SSH": json.dumps(machines),
        "HA_SSH_PRIVATE_KEY": ssh_key(),
        "HA_SSH_PREVIOUS_PRIVATE_KEY": "",
        "TMPDIR": str(folder / "tmp"),
    }


def run(folder: Path, node: str, nodes: dict[str, Any], image: str = OLD.image) -> subprocess.CompletedProcess[str]:
    """Run the program for a node, with what the nodes say; nothing is left of it."""
    environment = variables(folder, node, nodes, image)
    done = subprocess.run(
        PROGRAM, cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert list((folder / "tmp").iterdir()) == []
    return done


def test_the_program_has_a_node_leave(tmp_path: Path) -> None:
    """It serves, its peer is done: its peer hears that it is not to start it, the service moves, its part stops."""
    done = run(tmp_path, "one", {"one": said(OLD.size), "two": said(NEW.size)})
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "one: its turn (two is done and has all data)",
        "one: has left the cluster; its machine may be restarted or replaced",
    ]
    mark, standby, stop = (tmp_path / "told").read_text().splitlines()
    assert mark == PEER_IN_TURN_IS_SET.format(node="two")
    assert "crm node standby one reboot" in standby
    assert stop == "one: systemctl stop pacemaker; systemctl stop corosync"
    assert not any(line in (tmp_path / "commands").read_text() for line in ssh_key().splitlines())


def test_the_program_leaves_alone_what_is_as_it_is_to_be(tmp_path: Path) -> None:
    done = run(tmp_path, "one", {"one": said(NEW.size)})
    assert (done.returncode, done.stdout) == (0, "one: its machine is already as it should be\n"), done.stderr
    assert not (tmp_path / "told").exists()
    # It had left for a change that was taken back.
    left = {**said(NEW.size, ""), "has_left": True, "crm_mon": None}
    done = run(tmp_path, "one", {"one": left})
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "one: back in the cluster"
    assert "systemctl start corosync; systemctl start pacemaker" in (tmp_path / "told").read_text()


def test_the_program_stops_with_one_line(tmp_path: Path) -> None:
    done = run(
        tmp_path, "one", {"one": said(OLD.size), "two": said(OLD.size)}, "Canonical:ubuntu-24_04-lts:server:latest"
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("STOPPED before one: one runs Debian:debian-12 and is to run Canonical:ubuntu-24_04-lts: ")
    assert not (tmp_path / "told").exists()


def test_a_node_that_is_lost_has_its_turn(tmp_path: Path) -> None:
    alone = MEMBERS.replace('name="two" online="true"', 'name="two" online="false" unclean="false"')
    waiting = DRBD.replace("cs:Connected", "cs:WFConnection").replace("UpToDate/UpToDate", "UpToDate/DUnknown")
    survivor = {**said(OLD.size, alone), "drbd": waiting}
    done = run(tmp_path, "two", {"one": survivor})
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("two: its turn (one serves without it)\n")
    assert (tmp_path / "told").read_text().splitlines() == [PEER_IN_TURN_IS_SET.format(node="one")]


def command_line(pid: int) -> str:
    """Return the command line of a process; empty where it has ended."""
    try:
        return (Path("/proc") / str(pid) / "cmdline").read_text()
    except OSError:
        return ""


def children(pid: int) -> set[int]:
    """Return the process ids of a process's children."""
    return {int(each) for each in (Path("/proc") / str(pid) / f"task/{pid}/children").read_text().split()}


def have_the_key(folder: Path) -> list[Path]:
    """Return the files anywhere below a folder that hold a telling line of the private key."""
    telling = ssh_key().strip().splitlines()[-3].encode()
    return [path for path in folder.rglob("*") if path.is_file() and telling in path.read_bytes()]


@pytest.mark.parametrize(("whom", "seconds"), [("program", 3), ("group", 3)])
def test_the_key_goes_with_a_program_that_is_killed(tmp_path: Path, whom: str, seconds: float) -> None:
    """By -9, while it waits for a node: no file has the key, and the agent that has it ends.

    ssh-agent looks every 10 s whether its parent is there still.
    """
    environment, temporary = variables(tmp_path, "one", {}), tmp_path / "tmp"
    with subprocess.Popen(
        PROGRAM, cwd=CHECKOUT, env=environment, stdout=subprocess.PIPE, text=True, process_group=0
    ) as program:
        assert program.stdout
        assert program.stdout.readline().startswith("one: waits for one or two to be reached by SSH")
        (folder,) = temporary.iterdir()
        assert (folder / "agent").is_socket() and folder.stat().st_mode & 0o777 == 0o700
        assert have_the_key(temporary) == []
        # ssh-agent has become the shell that watches the program, and the agent is a child of that.
        (shell,) = (pid for pid in children(program.pid) if "SSH_AGENT_PID" in command_line(pid))
        (agent,) = (pid for pid in children(shell) if command_line(pid).startswith("ssh-agent"))
        if whom == "program":
            program.kill()
        else:
            os.killpg(program.pid, signal.SIGKILL)
        if whom == "all but the agent":
            os.kill(shell, signal.SIGKILL)
    wait_until("the agent's end", lambda: not command_line(agent), seconds)
    wait_until("the socket's end", lambda: not (folder / "agent").exists(), 1)
    assert have_the_key(temporary) == []


def test_no_line_is_one_that_hangs_the_provider(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Such as the last that a node has said of what it could not do."""

    def take(turn: Turn) -> None:
        turn.tell("y" * 70000)
        raise TurnError("x" * 70000)

    monkeypatch.setattr(Turn, "take", take)
    assert program.main(variables(tmp_path, "one", {})) == 1
    said = capsys.readouterr()
    assert said.out == "y" * 4096 + "\n"
    assert said.err.startswith("STOPPED before one: xxx") and len(said.err) == 4096 + len("\n")
