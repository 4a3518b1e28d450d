"""What a cluster lets in, and what of its secrets gets out, compared with the tables of docs/security.md.

Tests in the order of the file.
"""

import fnmatch
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from components.checkout import CHECKOUT
from drills import scenario
from drills.__main__ import run as run_drills
from drills.target import LabTarget
from lab import service
from lab.lab import Lab
from operations.rotate import rotate
from operations.ssh import Node
from tests.lab.field import MADE_WITH
from tests.support import hunter, scan, trial
from tests.support.bystander import nobody_notices
from tests.support.process_lists import secret_texts, watch_processes
from tests.support.secret_hunt import on_node, secrets
from tests.support.tables import table

pytestmark = [pytest.mark.lab, pytest.mark.long, pytest.mark.timeout(1800)]

PAGE = CHECKOUT / "docs/security.md"

STRANGER, NEIGHBOUR = "192.0.2.77", "10.33.0.9"
"""Addresses of nobody's, outside of all networks that may come; and of another subnet."""

SCAN_SECONDS = 600


def ports_of(node: Node, serving: Node) -> list[int]:
    """Return the ports of the table at which a node of a cluster that is well lets in whom no security group drops."""
    # What the others are there for is not in this cluster.
    here = [
        row for row in table(PAGE, "Ports") if not re.search("witness|monitoring|until|UDP", " ".join(row.values()))
    ]
    mine = [row for row in here if node == serving or "where it serves" not in row["what"]]
    return sorted(int(port) for row in mine for port in re.findall(r"\d+", row["port"]))


def scanned(lab: Lab, host: str, source: str) -> list[int]:
    """Scan an address from within the lab's network."""
    command = [*lab.prefix, sys.executable, str(scan.__file__), host, source]
    return json.loads(subprocess.run(command, capture_output=True, text=True, timeout=SCAN_SECONDS, check=True).stdout)


def scanned_from(node: Node, host: str) -> list[int]:
    """Scan an address from a node, on which nothing is written."""
    text = Path(scan.__file__).read_text()
    return json.loads(node.run(f"nice -n 19 python3 - {host}", text=text, timeout=SCAN_SECONDS))


@contextmanager
def address(lab: Lab, of: str) -> Generator[None]:
    """Have an address be one of the world around the nodes while the body runs."""
    change = ["ip", "-n", lab.paths.namespace, "address", "{}", f"{of}/32", "dev", "lo"]
    subprocess.run([word.format("add") for word in change], check=True)
    try:
        yield
    finally:
        subprocess.run([word.format("delete") for word in change], check=True)


def test_from_outside_there_are_the_endpoint_s_ports(lab: Lab) -> None:
    """All 65,535, by a client and administrator; and none for who is neither."""
    endpoint = lab.outputs()["endpoint"]["host"]
    ssh = [int(port) for port in re.findall(r"ssh -p (\d+)", " ".join(lab.outputs()["ssh"].values()))]
    with nobody_notices(lab):
        assert scanned(lab, endpoint, "") == sorted([3306, *ssh])
        with address(lab, STRANGER):
            assert scanned(lab, endpoint, STRANGER) == []


@pytest.mark.parametrize("role", ["serving", "idle"])
def test_from_another_subnet_there_are_the_ports_of_the_table(lab: Lab, role: str) -> None:
    """Where no security group drops anything, as the lab's bridge has none."""
    serving = service.serving(lab)
    node = serving if role == "serving" else service.peer(lab, serving)
    with nobody_notices(lab), address(lab, NEIGHBOUR):
        assert scanned(lab, address_of(lab, node), NEIGHBOUR) == ports_of(node, serving)


@pytest.mark.parametrize("role", ["serving", "idle"])
def test_from_the_other_node_there_are_the_same(lab: Lab, role: str) -> None:
    serving = service.serving(lab)
    node = serving if role == "serving" else service.peer(lab, serving)
    with nobody_notices(lab):
        assert scanned_from(service.peer(lab, node), address_of(lab, node)) == ports_of(node, serving)


def address_of(lab: Lab, node: Node) -> str:
    return node.run("hostname --all-ip-addresses").split()[0]


def test_the_algorithms_of_ssh(lab: Lab) -> None:
    """What ssh-audit calls broken is not offered; what it warns of is in the table."""
    program = shutil.which("ssh-audit", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert program, "ssh-audit is not installed: requirements-test.lock"
    known = {row["algorithm"]: {row["ssh-audit"]} for row in table(PAGE, "SSH")}
    for login in lab.outputs()["ssh"].values():
        [(port, host)] = re.findall(r"ssh -p (\d+) \S+@(\S+)", login)
        run = subprocess.run(
            [*lab.prefix, program, "--json", "--skip-rate-test", f"--port={port}", host],
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        told = json.loads(run.stdout)
        found = [entry for kind in ("kex", "key", "enc", "mac") for entry in told[kind]]
        assert len(found) > 10 and {entry["algorithm"] for entry in told["key"]} == {"ssh-ed25519"}
        assert {entry["algorithm"]: entry["notes"]["fail"] for entry in found if "fail" in entry["notes"]} == {}
        warned = {entry["algorithm"]: {*entry["notes"]["warn"]} for entry in found if "warn" in entry["notes"]}
        assert warned == known


WITHOUT = ["/proc", "/sys", "/usr", "/dev/pts", "/var/lib/offline-packages"]
"""Of a node's folders those in which there are no files, or the distribution's alone."""

COMMANDS = [
    ["journalctl", "--output=export", "--all"],
    ["cibadmin", "--query"],
    ["crm", "configure", "show"],
    ["corosync-cmapctl"],
    ["dmesg"],
    ["ps", "-eo", "args"],
    ["systemctl", "show", "*"],
]

CONTROLS = {"planted": b"Planted-by-a-test-17", "logged": b"Logged-of-a-test-17", "crashed": b"Crashed-in-a-test-17"}
"""Texts that are to be found in a packed file and in the journal, and one in the memory of what has crashed."""

# What `crm report` packs; as a whole it does not run with Python 3.14 (crmsh 5.1.0: "cannot pickle 'dict_keys'").
REPORT = """
rm -rf /root/report && mkdir /root/report
python3 -c "from crmsh.report import collect; collect.dump_configurations('/root/report')"
test -f /root/report/corosync.conf && test -d /root/report/drbd.d
"""

ROTATED = (
    "databasePassword",
    "databaseAccountPasswords.reports",
    "drbdSecret",
    "replicationKeys",
    "corosyncKey",
    "clusterSshKey",
    "tlsCertificate",
)


def kept(found: Mapping[str, Any]) -> dict[str, set[tuple[str, str]]]:
    """Return the rows of the table in which there is what was found, and what is in none of them.

    Returns:
        By the row's pattern or the path: secrets, and whose the file is with which mode.
    """
    patterns = [row["file"] for row in table(PAGE, "Where secrets are")]
    result: dict[str, set[tuple[str, str]]] = {}
    for path, what in found.items():
        place = next((pattern for pattern in patterns if fnmatch.fnmatch(path, pattern)), path)
        pairs = {(name.split()[0], what.get("kept", "")) for name in what["names"]}
        result.setdefault(place, set()).update(pairs)
    return result


def test_no_secret_is_where_it_need_not_be(lab: Lab, tmp_path: Path) -> None:
    """Those of now and those before, after an update that has changed them: on the nodes, here, and in what is said."""
    reports = {"databaseAccounts": {"reports": {"database": "my_app", "rights": "readOnly"}}}
    lab.up({**MADE_WITH, **reports, "replicationEncryption": True})
    engine = lab.engine()
    before = {f"before:{name}": text for name, text in secrets(engine).items() if name.startswith(ROTATED_KEYS)}
    for key in ROTATED:
        rotate(engine, key)
    texts = secrets(engine) | before
    said = [trial.command_line(lab, "preview", "--diff", timeout=300).stdout]
    with watch_processes(lab, tmp_path) as lists:
        lab.up({**MADE_WITH, **reports})
    service.wait_until_well(lab, 120)
    # DRBD's tool has options on its command line alone, for a moment.
    seen = lists.find(secret_texts(engine) | {name: text.decode() for name, text in before.items() if text.isascii()})
    assert {name for name in seen if "drbdSecret" not in name} == set()

    for command in (["status"], ["status", "--json"], ["drift"], ["backups"]):
        run = trial.command_line(lab, *command, timeout=400)
        said += [run.stdout, run.stderr]
    said += [json.dumps(engine.state()), json.dumps(lab.outputs())]
    wanted = {name: hunter.forms(text) for name, text in texts.items()}
    assert all(said[:2]) and hunter.names_in((text.encode() for text in said), wanted) == []
    lab.collect()
    # The machines' disks are looked into from inside. The cloud, like Azure, keeps resources with their custom data.
    here = hunter.hunt(texts, [str(lab.paths.logs), str(lab.paths.state)], [str(lab.paths.machines)])
    assert {*here["found"]} == {str(lab.paths.cloud / "state.json"), str(lab.paths.pulumi / "passphrase")}
    assert here["files"] > 100 and (lab.paths.logs / f"{lab.nodes()[0].name}-journal.log").exists()

    for node in lab.nodes():
        node.run(REPORT, timeout=300)
        node.run("bash -s", text=f"HA_TEXT={CONTROLS['crashed'].decode()}; kill -SEGV $$", check=False)
        node.run("base64 | gzip >/root/planted.gz", text=CONTROLS["planted"].decode())
        node.run(f"true {CONTROLS['logged'].decode()}")
        answer = on_node(node, texts | CONTROLS, ["/"], without=WITHOUT, commands=COMMANDS)
        print(node.name, json.dumps(answer, indent=1))
        assert answer["files"] > 1000
        found = kept(answer["found"])
        assert found.pop("/root/planted.gz") == {("planted", "root 0644")}
        assert found.pop("journalctl --output=export --all") == {("logged", "")}
        journals = [path for path in found if path.startswith("/var/log/journal/")]
        assert journals and all(name == "logged" for path in journals for name, _ in found.pop(path))
        assert found == {
            row["file"]: {(row["secret"].partition(",")[0], row["whose, mode"])}
            for row in table(PAGE, "Where secrets are")
        }
        node.run("rm -r /root/planted.gz /root/report")
    lab.up({**MADE_WITH, "databaseAccounts": {}, "replicationEncryption": False})


ROTATED_KEYS = tuple(key.partition(".")[0] for key in ROTATED)


def test_no_secret_is_in_the_report_of_a_drill(lab: Lab, tmp_path: Path) -> None:
    [result] = run_drills(LabTarget(lab), scenario.choose(["mysqld-kill"]), tmp_path, lab.progress)
    assert result.passed
    found = hunter.hunt(secrets(lab.engine()), [str(tmp_path)])
    assert found["found"] == {} and found["files"] > 5
