"""The lab's command line and tests talk to the cloud process with this."""

import contextlib
import fcntl
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypedDict

from components.checkout import CHECKOUT
from lab.cloud.addresses import ARM
from lab.paths import LabPaths

LOOPBACK_PORT = 13306
"""Port on the host's 127.0.0.1 that leads to MySQL, where it is free."""

_READY_SECONDS = 30
_STOP_SECONDS = 20


class CloudError(RuntimeError):
    """The cloud process does not do what is asked; the text is for the user."""


class Loopback(TypedDict):
    """The endpoint on the host's loopback."""

    host: str
    port: int


class MachineStatus(TypedDict):
    """A machine.

    `zone` is its availability zone, empty for none; `power` is running, stopped, deallocated or starting;
    `boot_seconds` from power to SSH, None before that;
    `taps` are the interfaces' ends in the lab's network.
    """

    name: str
    group: str
    zone: str
    power: str
    provisioning: str
    boot_seconds: float | None
    address: str | None
    console: str
    taps: list[str]


class BackendStatus(TypedDict):
    """A machine behind a balancing rule."""

    vm: str
    address: str
    healthy: bool


class BalancerStatus(TypedDict):
    """A balancing rule."""

    frontend: str
    port: int
    rule: str
    flows: int
    backends: list[BackendStatus]


class Faults(TypedDict):
    """What drills have broken; `zone`: the zone that is away, or empty; the others: ok or unreachable."""

    arm: str
    storage: str
    metrics: str
    zone: str


class PowerAction(TypedDict):
    """A power action on a machine.

    `action` is start, powerOff, powerOffAbrupt (skipShutdown), restart or deallocate; `machine` is its name; `caller`
    is the name of the machine whose identity asked, engine, platform, or an object id; `began` and `ended` are seconds
    of the epoch, `ended` None while it goes on; `status` is InProgress, Succeeded or Failed.
    """

    action: str
    machine: str
    caller: str
    began: float
    ended: float | None
    status: str


class Status(TypedDict):
    """What the cloud says of itself."""

    pid: int
    loopback: Loopback
    machines: list[MachineStatus]
    balancers: list[BalancerStatus]
    faults: Faults


def ca_file(paths: LabPaths) -> Path:
    """Return the certificate of the lab's CA: the value of SSL_CERT_FILE; there once the cloud has started."""
    return paths.cloud / "ca.pem"


def environment(paths: LabPaths) -> dict[str, str]:
    """Return the variables by which Azure's clients find this cloud and log in to it."""
    from lab.cloud import tokens

    return {
        "ARM_CLIENT_ID": tokens.CLIENT_ID,
        "ARM_CLIENT_SECRET": tokens.CLIENT_SECRET,
        "ARM_TENANT_ID": tokens.TENANT,
        "ARM_SUBSCRIPTION_ID": tokens.SUBSCRIPTION,
        "ARM_METADATA_HOSTNAME": ARM,
        "SSL_CERT_FILE": str(ca_file(paths)),
    }


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=10)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        # A Unix socket's path has at most 107 bytes; one through the folder's descriptor is short.
        folder = os.open(self._path.parent, os.O_PATH | os.O_DIRECTORY)
        try:
            self.sock.connect(f"/proc/self/fd/{folder}/{self._path.name}")
        finally:
            os.close(folder)


def _ask(paths: LabPaths, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    connection = _Connection(paths.cloud / "control.sock")
    try:
        connection.request(method, path, None if body is None else json.dumps(body))
        response = connection.getresponse()
        answer = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise CloudError(f"the cloud of lab {paths.name!r} does not answer: {error}") from None
    finally:
        connection.close()
    if response.status != 200:
        reason = answer.decode(errors="replace")
        raise CloudError(f"the cloud of lab {paths.name!r} answers {response.status} to {method} {path}: {reason}")
    return json.loads(answer)


def status(paths: LabPaths) -> Status:
    return _ask(paths, "GET", "/status")


def set_faults(
    paths: LabPaths,
    *,
    arm: Literal["ok", "unreachable"] | None = None,
    storage: Literal["ok", "unreachable"] | None = None,
    metrics: Literal["ok", "unreachable"] | None = None,
    zone: str | None = None,
) -> Faults:
    """Break something, or repair it; what is not named stays as it is.

    Args:
        arm: unreachable cuts the machines off from Resource Manager, the login service and their identities' tokens:
            packets are dropped, so callers wait.  The engine and the tests are not concerned.
        storage: unreachable cuts the machines off from the storage accounts, in the same way.
        metrics: the same for the endpoint that takes metrics.
        zone: availability zone whose part of the network is away, and whose machines do not start; empty for none.
    """
    asked = {"arm": arm, "storage": storage, "metrics": metrics, "zone": zone}
    return _ask(paths, "POST", "/faults", {name: value for name, value in asked.items() if value is not None})


def spoil(paths: LabPaths, account: str, blob: str, content: str | None = None) -> None:
    """Write over a blob behind the back of all that protects it.

    Args:
        blob: CONTAINER/NAME.
        content: what it is then; None deletes it.
    """
    _ask(paths, "POST", "/spoil", {"account": account, "blob": blob, "content": content})


def announce_event(paths: LabPaths, machine: str, not_before: float) -> str:
    """Announce a reboot to a machine, and to those of its availability set.

    Args:
        not_before: seconds from now to the time at which it starts without approval.

    Raises:
        CloudError: there is no such machine, or the cloud does not run.
    """
    return str(_ask(paths, "POST", "/scheduled-events", {"vm": machine, "not_before": not_before})["EventId"])


def withdraw_event(paths: LabPaths, event: str) -> None:
    """Take back a scheduled event.

    Raises:
        CloudError: there is none, it has started, or the cloud does not run.
    """
    _ask(paths, "DELETE", f"/scheduled-events/{event}")


def scheduled_events(paths: LabPaths) -> list[dict[str, Any]]:
    """Return the scheduled events of all machines, as the machines see them; those that are over are gone."""
    return _ask(paths, "GET", "/scheduled-events")


def power_actions(paths: LabPaths) -> list[PowerAction]:
    """Return the power actions that somebody has asked for, oldest first; the last 100 operations at least are known.

    Azure has these in its Activity Log.
    """
    return _ask(paths, "GET", "/activity")


def is_running(paths: LabPaths) -> bool:
    """Tell whether the cloud process is there, ready or not: it holds the lab's lock."""
    return _holder(paths) is not None


def _holder(paths: LabPaths) -> int | None:
    try:
        descriptor = os.open(paths.cloud / "lock", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.pread(descriptor, 32, 0).decode()
        return int(text) if text.isdecimal() else -1
    else:
        return None
    finally:
        os.close(descriptor)


def start(
    paths: LabPaths, progress: Callable[[str], None] | None = None, *, loopback_port: int = LOOPBACK_PORT
) -> Status:
    """Start the cloud process in the background and wait until it is ready; one that runs is left as it is.

    Must be called in the host's network namespace: that is where the loopback port will be.

    Args:
        loopback_port: port on 127.0.0.1; where it is taken, another.

    Raises:
        CloudError: it ends, or is not ready in time; the text has the end of its log.
    """
    process: subprocess.Popen[bytes] | None = None
    paths.cloud.mkdir(mode=0o700, parents=True, exist_ok=True)
    log = paths.cloud / "cloud.log"
    if not is_running(paths):
        (paths.cloud / "control.sock").unlink(missing_ok=True)
        with log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "lab.cloud", "--lab", paths.name, "--loopback-port", str(loopback_port)],
                cwd=CHECKOUT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
    deadline = time.monotonic() + _READY_SECONDS
    while True:
        with contextlib.suppress(CloudError):
            answer = status(paths)
            if progress is not None:
                progress(f"lab cloud: ready, process {answer['pid']}")
            return answer
        if process is not None and process.poll() is not None:
            raise CloudError(f"the lab cloud does not start:\n{_tail(log)}")
        if time.monotonic() > deadline:
            raise CloudError(f"the lab cloud is not ready after {_READY_SECONDS} s:\n{_tail(log)}")
        time.sleep(0.05)


def stop(paths: LabPaths) -> None:
    """End the cloud process where it runs; machines go on.  One that does not answer is killed."""
    with contextlib.suppress(CloudError):
        _ask(paths, "POST", "/stop")
    deadline = time.monotonic() + _STOP_SECONDS
    while (pid := _holder(paths)) is not None:
        if time.monotonic() > deadline:
            if pid <= 0:
                raise CloudError(f"the cloud of lab {paths.name!r} does not stop")
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            deadline += _STOP_SECONDS
        time.sleep(0.05)


def _tail(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError:
        return "(no log)"
    return "\n".join(f"  {line}" for line in lines[-15:])
