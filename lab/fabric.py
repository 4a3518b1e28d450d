"""The lab's network: one namespace, in it a bridge for each virtual network and a tap for each interface.

Everything is asked for again without harm, and gone with the namespace.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from lab.cloud.addresses import ARM, BLOB, IMDS, METRICS, OUTSIDE, PLATFORM, PUBLIC_POOL

PREFIX = "mha-"

SERVICES = (ARM, BLOB, METRICS)


class FabricError(RuntimeError):
    """The network cannot be made or taken away as asked; the message says why."""


def _check(name: str) -> None:
    if not name.startswith(PREFIX) or not name[len(PREFIX) :].isalnum():
        raise FabricError(
            f"network namespace {name!r}: only those of the lab, {PREFIX}<letters and digits>, are touched"
        )


def _run(*argv: str, missing_ok: str = "") -> str:
    done = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode != 0 and not (missing_ok and missing_ok in done.stderr):
        raise FabricError(f"{' '.join(argv)}: {done.stderr.strip()}")
    return done.stdout


def _ip_in(name: str, *arguments: str, missing_ok: str = "") -> str:
    _check(name)
    return _run("ip", "-n", name, *arguments, missing_ok=missing_ok)


def _set_isolated(name: str, tap: str, value: str) -> None:
    _check(name)
    _run("bridge", "-n", name, "link", "set", "dev", tap, "isolated", value)


def run_inside(name: str, argv: Sequence[str]) -> list[str]:
    """Return the command that runs `argv` in the namespace."""
    _check(name)
    return ["ip", "netns", "exec", name, *argv]


def exists(name: str) -> bool:
    """Tell whether the namespace is there."""
    _check(name)
    return Path("/run/netns", name).exists()


def create(name: str) -> None:
    """Make the namespace with the addresses of the world around a virtual network; one that is there is completed.

    Args:
        name: `mha-` and the lab's name, see `LabPaths.namespace`.
    """
    _check(name)
    if not exists(name):
        _run("ip", "netns", "add", name)
    _ip_in(name, "link", "set", "lo", "up")
    for address in (IMDS, PLATFORM, OUTSIDE, *SERVICES):
        _ip_in(name, "address", "replace", f"{address}/32", "dev", "lo")
    # Who connects to a public address, and binds no other, comes from outside: also to one that is not there.
    _ip_in(name, "route", "replace", str(PUBLIC_POOL), "dev", "lo", "src", OUTSIDE)
    for address in SERVICES:
        add_public_address(name, address)
    resolver(name).parent.mkdir(parents=True, exist_ok=True)
    resolver(name).write_text(f"nameserver {PLATFORM}\n")


def resolver(name: str) -> Path:
    """Return what `ip netns exec` puts in the place of /etc/resolv.conf."""
    return Path("/etc/netns", name, "resolv.conf")


def add_public_address(name: str, address: str) -> None:
    """Make an address of `PUBLIC_POOL` one of the namespace's: it can be bound, and be reached by all in it.

    Connections to it that bind no source come from `OUTSIDE` (an address on an interface
    would be its own source).
    """
    _ip_in(name, "route", "replace", *_local_route(address))


def remove_public_address(name: str, address: str) -> None:
    """Take away what `add_public_address` made; one that is not there is no error."""
    _ip_in(name, "route", "delete", *_local_route(address), missing_ok="No such process")


def _local_route(address: str) -> list[str]:
    return ["local", f"{address}/32", "dev", "lo", "table", "local", "src", OUTSIDE]


def _links(name: str) -> set[str]:
    lines = _ip_in(name, "-brief", "link", "show").splitlines()
    return {line.split()[0].partition("@")[0] for line in lines}


# What every machine on Azure finds as its gateway's. Without one of its own, a bridge has its lowest port's: with that
# port it would change, and the machines would send to the one that is gone until they ask again, half a minute later.
_GATEWAY_MAC = "12:34:56:78:9a:bc"


def add_bridge(name: str, bridge: str, address_with_prefix: str) -> None:
    """Make a virtual network's bridge, with the gateway's address.

    Args:
        bridge: name of the bridge, at most 15 characters.
        address_with_prefix: for example "10.0.0.1/24".
    """
    if bridge not in _links(name):
        made = f"{bridge} address {_GATEWAY_MAC} type bridge stp_state 0 forward_delay 0 mcast_snooping 0"
        _ip_in(name, "link", "add", *made.split())
    _ip_in(name, "address", "replace", address_with_prefix, "dev", bridge)
    _ip_in(name, "link", "set", bridge, "up")


def remove_bridge(name: str, bridge: str) -> None:
    """Delete a bridge; one that is not there is no error."""
    _ip_in(name, "link", "delete", bridge, missing_ok="Cannot find device")


def add_tap(name: str, tap: str, bridge: str) -> None:
    """Make a tap device as a port of a bridge.

    Args:
        tap: name of the device, at most 15 characters.
    """
    if tap not in _links(name):
        _ip_in(name, "tuntap", "add", "dev", tap, "mode", "tap")
    _ip_in(name, "link", "set", tap, "master", bridge)
    _ip_in(name, "link", "set", tap, "up")


def remove_tap(name: str, tap: str) -> None:
    """Delete a tap device; one that is not there is no error."""
    _ip_in(name, "link", "delete", tap, missing_ok="Cannot find device")


def isolate(name: str, tap: str) -> None:
    """Part a port from all other isolated ports; the gateway and other ports still reach it.

    Isolate the taps of both nodes to cut the cluster in two while both keep their clients.
    """
    _set_isolated(name, tap, "on")


def unisolate(name: str, tap: str) -> None:
    """Undo `isolate`."""
    _set_isolated(name, tap, "off")


def processes(name: str) -> list[int]:
    """Return the numbers of the processes in the namespace; none if it does not exist."""
    if not exists(name):
        return []
    return [int(pid) for pid in _run("ip", "netns", "pids", name).split()]


def _signal(pids: Sequence[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def end_processes(name: str, grace_seconds: float = 10.0) -> None:
    """End every process in the namespace, by number: by request, and what is left after the grace by force.

    Raises:
        FabricError: the caller itself is in it, or a process stays.
    """
    pids = processes(name)
    if os.getpid() in pids:
        raise FabricError(f"{name} cannot be emptied from inside")
    _signal(pids, signal.SIGTERM)
    # A stopped process hears only when it goes on.
    _signal(pids, signal.SIGCONT)
    deadline = time.monotonic() + grace_seconds
    while (pids := processes(name)) and time.monotonic() < deadline:
        time.sleep(0.05)
    deadline = time.monotonic() + 10.0
    while pids := processes(name):
        _signal(pids, signal.SIGKILL)
        if time.monotonic() > deadline:
            raise FabricError(f"{name}: processes {pids} do not end")
        time.sleep(0.05)


def remove(name: str, grace_seconds: float = 10.0) -> None:
    """Take the namespace away with all that is in it: processes, bridges, taps; one that is not there is no error.

    Args:
        grace_seconds: time that processes get to end by themselves, in seconds.

    Raises:
        FabricError: not one of the lab's, the caller itself is in it, or a process stays.
    """
    _check(name)
    shutil.rmtree(resolver(name).parent, ignore_errors=True)
    if not exists(name):
        return
    try:
        end_processes(name, grace_seconds)
    except FabricError:
        # A name without a namespace, left by a crash between the two, has no processes to list.
        if os.path.ismount(f"/run/netns/{name}"):
            raise
    _run("ip", "netns", "delete", name)
