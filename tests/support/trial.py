"""What the tests of whole clusters have in common."""

import json
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql
import pytest
from _pytest.mark import ParameterSet

from components.checkout import CHECKOUT
from lab import fabric
from lab.cloud import client as cloud
from lab.cloud import namespace
from lab.engine import Engine
from lab.lab import Lab, wait_until
from operations import drift
from operations.ssh import Node, by_name

LABS: list[Lab] = []
"""The labs whose logs are gathered when a test fails."""

SECRETS = ("sshPrivateKey", "sshHostKeys", "clusterSshKey", "databasePassword", "corosyncKey", "drbdSecret")


def guests(*systems: str) -> list[ParameterSet]:
    """Return operating systems as parameters of a test.

    Debian 13's cluster takes four minutes, and its image as many the first time: it is asked for by LAB_ALL=1.
    """
    asked = [system for system in systems if system == "debian-13"]
    return only_if_asked([system for system in systems if system not in asked], asked)


ONLY_IF_ASKED = pytest.mark.skipif(os.environ.get("LAB_ALL") != "1", reason="asked for by LAB_ALL=1")
"""Marks tests that take many minutes more than there are for each change."""


def only_if_asked(always: Sequence[str], asked: Sequence[str]) -> list[ParameterSet]:
    """Return parameters of a test, some of which are skipped unless LAB_ALL=1 asks for them.

    Args:
        always: those that are not skipped.
        asked: the others.
    """
    return [*(pytest.param(each) for each in always), *(pytest.param(each, marks=ONLY_IF_ASKED) for each in asked)]


def own_lab(lab: Lab) -> Generator[Lab]:
    """Begin with a lab that is not there, and leave nothing of it: the body of a fixture."""
    lab.down()
    LABS.append(lab)
    try:
        yield lab
    finally:
        LABS.remove(lab)
        lab.down()
        assert leftovers(lab) == []


def leftovers(lab: Lab) -> list[str]:
    """Return what a lab has left on this machine: processes, namespace, mounts, taps, loop devices, files."""
    found: list[str] = []
    marks = (lab.paths.namespace, str(lab.paths.state))
    for folder in Path("/proc").glob("[0-9]*"):
        if int(folder.name) == os.getpid():
            continue
        try:
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if any(mark in f"{command} {(folder / 'cwd').readlink()}" for mark in marks):
                found.append(f"process {folder.name}: {command}")
            mounts = (folder / "mountinfo").read_text(errors="replace")
            if any(mark in mounts for mark in marks):
                found.append(f"mount in process {folder.name}")
        except (OSError, ValueError):
            continue
    if fabric.exists(lab.paths.namespace):
        found.append(f"namespace {lab.paths.namespace}")
    for file in Path("/sys/block").glob("loop*/loop/backing_file"):
        if str(lab.paths.state) in file.read_text():
            found.append(f"loop device {file}")
    found += [f"tap {file.parent.name} outside of the lab" for file in Path("/sys/class/net").glob("*/tun_flags")]
    if lab.paths.state.exists():
        found.append(f"files in {lab.paths.state}")
    return found


@dataclass(frozen=True)
class Client:
    """The application, at the endpoint's port on the loopback: no more than a database's client knows of a lab."""

    host: str
    port: int
    user: str
    password: str
    database: str

    def query(self, *statements: str, timeout: int = 10) -> list[tuple[Any, ...]]:
        """Run statements on a connection of their own.

        Args:
            statements: SQL; committed at the end.
            timeout: seconds for each step.

        Returns:
            The rows of the last one.
        """
        connection = pymysql.connect(
            host=self.host, port=self.port, user=self.user, password=self.password, database=self.database,
            connect_timeout=timeout, read_timeout=timeout, write_timeout=timeout,
        )  # fmt: skip
        with connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            rows = list(cursor.fetchall())
            connection.commit()
            return rows


def client(lab: Lab) -> Client:
    """Return the application of a lab's cluster. It asks the engine, which is slow while an update goes on."""
    outputs, loopback = lab.outputs(), cloud.status(lab.paths)["loopback"]
    database = outputs["database"]
    return Client(loopback["host"], loopback["port"], database["user"], lab.database_password(), database["name"])


def query(lab: Lab, *statements: str, timeout: int = 10) -> list[tuple[Any, ...]]:
    """Run statements as the application: `Client.query`."""
    return client(lab).query(*statements, timeout=timeout)


def answers(lab: Lab) -> bool:
    """Tell whether the endpoint answers a query."""
    try:
        return query(lab, "select 1", timeout=5) == [(1,)]
    except pymysql.Error:
        return False


def wait_until_well(lab: Lab, seconds: float = 180) -> None:
    """Wait until both nodes are members with good data, one of them serves, and the endpoint answers.

    An update ends when the endpoint has answered, which is a moment before Pacemaker calls the server started.

    Raises:
        TimeoutError: that was not so within these seconds; its text is what the cluster says of itself.
    """
    end = time.monotonic() + seconds
    while True:
        now = lab.status()
        if (
            now.serving is not None
            and all(node.online and not node.standby for node in now.nodes)
            and all((node.drbd_connection, node.drbd_disk) == ("Connected", "UpToDate") for node in now.nodes)
            and answers(lab)
        ):
            return
        if time.monotonic() > end:
            raise TimeoutError(f"not well within {seconds:.0f} s; at last:\n{now.as_text()}")
        time.sleep(0.5)


def server_pid(node: Node) -> str:
    """Return the process id of the node's server; empty where none runs."""
    return node.run("pgrep --exact 'mariadbd|mysqld'", check=False).strip()


@dataclass(frozen=True)
class Script:
    """A script of the stack, as the engine has run it."""

    name: str
    node: str
    line: str
    text: str
    variables: dict[str, str]

    def run(self, node: Node, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """Run it as the command provider does: its text on standard input, its variables by SSH."""
        return subprocess.run(
            [*node.ssh("-oSendEnv=HA_*"), self.line],
            input=self.text, env={**os.environ, **self.variables}, capture_output=True, text=True, timeout=timeout,
            check=False,
        )  # fmt: skip


def scripts(engine: Engine) -> list[Script]:
    """Return the scripts in the stack's state, each after those that it depends on."""
    return [
        Script(script.name, script.node, script.line, script.text, dict(script.variables))
        for script in drift.scripts_of(engine.export())
    ]


def secret_texts(engine: Engine) -> dict[str, str]:
    """Return a telling piece of each secret of the stack, by the setting's name: one line that no public part has."""
    found: dict[str, str] = {"passphrase": (engine.directory / "passphrase").read_text()}
    settings = engine.settings()
    for setting in SECRETS:
        value = settings[setting]
        keys: list[str] = json.loads(value) if value.startswith("[") else [value]
        for number, key in enumerate(keys):
            lines = key.strip().splitlines()
            # The beginning of a private key holds the public one; its last line is short.
            found[f"{setting} {number}"] = lines[-3] if "PRIVATE KEY" in lines[0] else lines[0]
    return found


@dataclass
class ProcessLists:
    """Command lines seen while something went on."""

    seen: set[str]
    folder: Path

    def find(self, secrets: dict[str, str]) -> list[str]:
        """Return the names of the secrets that were seen."""
        texts = ["\n".join(self.seen), *(file.read_text(errors="replace") for file in self.folder.glob("*.processes"))]
        return [name for name, secret in secrets.items() if any(secret in text for text in texts)]


@contextmanager
def watch_processes(lab: Lab, folder: Path) -> Generator[ProcessLists]:
    """Look at the process lists of this machine and of the guests, again and again, while the body runs.

    Args:
        lab: the lab.
        folder: an empty one, for what the guests say.
    """
    lists = ProcessLists(set(), folder)
    done = threading.Event()

    def watch_host() -> None:
        while not done.wait(0.2):
            lists.seen |= set(_command_lines())

    def watch_guest(name: str, address: str) -> None:
        login = ["ssh", "-i", str(folder / "key"), *(f"-o{o}" for o in _WATCH_OPTIONS), f"azureuser@{address}"]
        look = r"""sudo sh -c 'while cat /proc/[0-9]*/cmdline 2>/dev/null | tr "\0" " "; do sleep 0.5; done'"""
        with (folder / f"{name}.processes").open("w") as output:
            watcher = subprocess.Popen([*lab.prefix, *login, look], stdin=subprocess.DEVNULL, stdout=output)
            done.wait()
            watcher.kill()
            watcher.wait()

    def watch_guests() -> None:
        known: set[str] = set()
        while not done.wait(0.5):
            try:
                machines = cloud.status(lab.paths)["machines"]
            except cloud.CloudError:
                continue
            for machine in machines:
                if machine["boot_seconds"] and machine["address"] and machine["name"] not in known:
                    if not known:
                        (folder / "key").touch(mode=0o600)
                        (folder / "key").write_text(lab.engine().settings()["sshPrivateKey"].strip() + "\n")
                    known.add(machine["name"])
                    start(watch_guest, machine["name"], machine["address"])

    threads: list[threading.Thread] = []

    def start(function: Any, *arguments: Any) -> None:
        threads.append(threading.Thread(target=function, args=arguments))
        threads[-1].start()

    start(watch_host)
    start(watch_guests)
    try:
        yield lists
    finally:
        done.set()
        for thread in threads:
            thread.join()


# By the address within the virtual network, whose key the test does not know before the end.
_WATCH_OPTIONS = ("BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR")


def _command_lines() -> Iterable[str]:
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue


def command_line(lab: Lab, *arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """Run the lab's own command."""
    return subprocess.run(
        [sys.executable, "-m", "lab", "--lab", lab.paths.name, *arguments],
        cwd=CHECKOUT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False,
    )  # fmt: skip


def serving(lab: Lab) -> Node:
    """Return the node that serves."""
    name = lab.status().serving
    assert name
    return by_name(lab.nodes(), name)


def peer(lab: Lab, node: Node) -> Node:
    """Return the other node."""
    return next(other for other in lab.nodes() if other.name != node.name)


def idle(lab: Lab) -> Node:
    """Return the node that does not serve."""
    return peer(lab, serving(lab))


def delete_machine(lab: Lab, node: str) -> None:
    """Delete a machine and its data disk, as somebody may do by hand in Azure.

    Raises:
        TimeoutError: the disk stays.
    """
    compute = _compute(lab, node)
    assert ask_azure(lab, "DELETE", f"{compute}/virtualMachines/{node}")[0] in (200, 202)

    def deleted() -> bool:
        # Refused as long as the machine has it.
        return ask_azure(lab, "DELETE", f"{compute}/disks/disk-{node}-data")[0] in (200, 202, 204)

    wait_until("the disk deleted", deleted, 60, every=1)


def is_on(lab: Lab, node: str) -> bool:
    """Tell whether the cloud takes a machine for running."""
    powers = {machine["name"]: machine["power"] for machine in cloud.status(lab.paths)["machines"]}
    return powers[node] == "running"


def start_machine(lab: Lab, node: str) -> None:
    """Start a machine that is off, as a person does with `az vm start`; one that was just killed is off in a moment.

    Raises:
        TimeoutError: the cloud takes it for running.
    """
    # What the cloud takes for running it would not start.
    wait_until(f"{node} off", lambda: not is_on(lab, node), 10)
    status, answer = ask_azure(lab, "POST", f"{_compute(lab, node)}/virtualMachines/{node}/start")
    assert status in (200, 202), answer


def _compute(lab: Lab, node: str) -> str:
    """Return the path below which Azure has a node's machine and disk."""
    group = next(machine["group"] for machine in cloud.status(lab.paths)["machines"] if machine["name"] == node)
    return f"/resourceGroups/{group}/providers/Microsoft.Compute"


def ask_azure(lab: Lab, method: str, path: str, body: object = None) -> tuple[int, Any]:
    """Ask the lab's Azure something, with all rights, as a person does with `az rest`, and wait until it is done.

    Args:
        lab: the lab, whose cloud runs.
        method: of HTTP.
        path: below the subscription's, such as "/resourceGroups/GROUP".
        body: sent as JSON.

    Returns:
        status and body of the answer.

    Raises:
        TimeoutError: what it has accepted does not come to an end.
    """
    variables = cloud.environment(lab.paths)
    context = ssl.create_default_context(cafile=variables["SSL_CERT_FILE"])
    base = f"https://{variables['ARM_METADATA_HOSTNAME']}"

    def ask(method: str, url: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, Any, str | None]:
        request = urllib.request.Request(url, method=method, data=body, headers=headers)
        try:
            with (
                namespace.inside(lab.paths.namespace),
                urllib.request.urlopen(request, context=context, timeout=60) as response,
            ):
                operation = response.headers.get("Azure-AsyncOperation")
                return response.status, json.loads(response.read() or "null"), operation
        except urllib.error.HTTPError as refusal:
            return refusal.code, json.loads(refusal.read() or "null"), None

    login = urllib.parse.urlencode(
        {
            "grant_type": "client_credentials",
            "client_id": variables["ARM_CLIENT_ID"],
            "client_secret": variables["ARM_CLIENT_SECRET"],
            "scope": "https://management.azure.com/.default",
        }
    )
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    _, token, _ = ask("POST", f"{base}/{variables['ARM_TENANT_ID']}/oauth2/v2.0/token", login.encode(), form)
    headers = {"Authorization": f"Bearer {token['access_token']}", "Content-Type": "application/json"}
    status, answer, operation = ask(
        method,
        f"{base}/subscriptions/{variables['ARM_SUBSCRIPTION_ID']}{path}?api-version=2024-07-01",
        None if body is None else json.dumps(body).encode(),
        headers,
    )
    if operation:
        done = ("Succeeded", "Failed", "Canceled")
        wait_until(
            f"the end of {method} {path}", lambda: ask("GET", operation, None, headers)[1]["status"] in done, 300
        )
    return status, answer


def kill_machine(lab: Lab, node: str) -> None:
    """Kill -9 every process of a machine: its power fails."""
    leader = int((lab.paths.machines / node / "process").read_text().split()[0])
    for pid in fabric.processes(lab.paths.namespace):
        with suppress(ProcessLookupError):
            if os.getsid(pid) == leader:
                os.kill(pid, signal.SIGKILL)


def bar(seconds: float) -> float:
    """Return a bar for a machine of the lab's own, raised where others keep the processors busy."""
    return seconds * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
