"""What the tests of whole clusters have in common."""

import ctypes
import json
import os
import signal
import ssl
import subprocess
import sys
import threading
import urllib.parse
import urllib.request
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pymysql

from tests.lab import fabric
from tests.lab.cloud import client as cloud
from tests.lab.engine import Engine
from tests.lab.lab import Lab
from tests.lab.nodes import Node, by_name
from tests.lab.paths import CHECKOUT

LABS: list[Lab] = []
"""The labs whose logs are gathered when a test fails."""

SECRETS = ("sshPrivateKey", "sshHostKeys", "clusterSshKey", "databasePassword", "corosyncKey", "drbdSecret")


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


def query(lab: Lab, *statements: str, timeout: int = 10) -> list[tuple[Any, ...]]:
    """Run statements as the application, through the endpoint's port on the loopback.

    Args:
        lab: the lab.
        statements: SQL; committed at the end.
        timeout: seconds for each step.

    Returns:
        The rows of the last one.
    """
    outputs, loopback = lab.outputs(), cloud.status(lab.paths)["loopback"]
    options = (lab.paths.pulumi / "client.cnf").read_text()
    password = next(line for line in options.splitlines() if line.startswith("password="))[10:-1]
    connection = pymysql.connect(
        host=loopback["host"], port=loopback["port"], user=outputs["database"]["user"], password=password,
        database=outputs["database"]["name"], connect_timeout=timeout, read_timeout=timeout, write_timeout=timeout,
    )  # fmt: skip
    with connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        rows = list(cursor.fetchall())
        connection.commit()
        return rows


def answers(lab: Lab) -> bool:
    """Tell whether the endpoint answers a query."""
    try:
        return query(lab, "select 1", timeout=5) == [(1,)]
    except pymysql.Error:
        return False


def is_well(lab: Lab) -> bool:
    """Tell whether both nodes are members with good data, one of them serves, and the endpoint answers."""
    now = lab.status()
    return (
        now.serving is not None
        and all(node.online and not node.standby for node in now.nodes)
        and all((node.drbd_connection, node.drbd_disk) == ("Connected", "UpToDate") for node in now.nodes)
        and answers(lab)
    )


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
            [*node.command("", "-o", "SendEnv=HA_*")[:-1], self.line],
            input=self.text, env={**os.environ, **self.variables}, capture_output=True, text=True, timeout=timeout,
            check=False,
        )  # fmt: skip


def scripts(engine: Engine) -> list[Script]:
    """Return the scripts in the stack's state, each after those that it depends on."""
    found: list[Script] = []
    for resource in engine.export()["resources"]:
        if resource["type"] == "command:remote:Command":
            inputs = {key: _clear(value) for key, value in resource["inputs"].items()}
            text = inputs["stdin"]
            node = next(line.split()[2] for line in text.splitlines() if line.startswith("# Node "))
            name = resource["urn"].split("::")[-1]
            found.append(Script(name, node, inputs["create"], text, inputs.get("environment") or {}))
    return found


def _clear(value: Any) -> Any:
    """Return a value of the exported state without the marks of secrets."""
    if isinstance(value, dict):
        properties = cast(dict[str, Any], value)
        if "plaintext" in properties:
            return json.loads(properties["plaintext"])
        return {key: _clear(inner) for key, inner in properties.items()}
    return value


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
        [sys.executable, "-m", "tests.lab", "--lab", lab.paths.name, *arguments],
        cwd=CHECKOUT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False,
    )  # fmt: skip


def serving(lab: Lab) -> Node:
    """Return the node that serves."""
    name = lab.status().serving
    assert name
    return by_name(lab.nodes(), name)


@contextmanager
def inside(lab: Lab) -> Generator[None]:
    """Let this thread be in the lab's namespace."""
    setns = ctypes.CDLL(None, use_errno=True).setns  # os.setns is new in Python 3.12
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{lab.paths.namespace}", os.O_RDONLY)
    try:
        assert setns(there, 0) == 0
        yield
    finally:
        assert setns(here, 0) == 0
        os.close(here)
        os.close(there)


def start_machine(lab: Lab, node: str) -> None:
    """Start a machine that is off, as a person does with `az vm start`."""
    variables = cloud.environment(lab.paths)
    context = ssl.create_default_context(cafile=variables["SSL_CERT_FILE"])
    base = f"https://{variables['ARM_METADATA_HOSTNAME']}"

    def ask(path: str, body: bytes, headers: dict[str, str]) -> Any:
        request = urllib.request.Request(f"{base}{path}", method="POST", data=body, headers=headers)
        with urllib.request.urlopen(request, context=context, timeout=30) as response:
            return json.loads(response.read() or "null")

    login = urllib.parse.urlencode(
        {
            "grant_type": "client_credentials",
            "client_id": variables["ARM_CLIENT_ID"],
            "client_secret": variables["ARM_CLIENT_SECRET"],
            "scope": "https://management.azure.com/.default",
        }
    )
    group = next(machine["group"] for machine in cloud.status(lab.paths)["machines"] if machine["name"] == node)
    path = (
        f"/subscriptions/{variables['ARM_SUBSCRIPTION_ID']}/resourceGroups/{group}"
        f"/providers/Microsoft.Compute/virtualMachines/{node}/start?api-version=2024-07-01"
    )
    with inside(lab):
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        token = ask(f"/{variables['ARM_TENANT_ID']}/oauth2/v2.0/token", login.encode(), form)["access_token"]
        ask(path, b"", {"Authorization": f"Bearer {token}"})


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
