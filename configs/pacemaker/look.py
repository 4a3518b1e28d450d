"""Tell how a node is, as JSON on standard output: what its own parts say, and no judgement.

Run as root on a node, by `python -m operations.turn`, for the cluster's status, and for the node's monitoring. Its
arguments are the facts that are wanted, all of them where there is none. What does not answer is null. A process is
started only for what no file tells.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

METADATA = "http://169.254.169.254/metadata/instance/compute?api-version=2021-02-01"
CIB = "/var/lib/pacemaker/cib/cib.xml"


def output(*command: str, good: "tuple[int, ...]" = (0,)) -> "str | None":
    """Return what a command prints; None where it fails or takes longer than 20 s."""
    try:
        run = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return run.stdout if run.returncode in good else None


def content(path: str) -> "str | None":
    """Return a file's text."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None


def compute() -> object:
    """Return what Azure says that this machine is."""
    import urllib.request  # costs more than all else here, and is not always wanted

    request = urllib.request.Request(METADATA, headers={"Metadata": "true"})
    try:
        # Never by a proxy: the address is the host's own.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=10) as answer:
            return json.load(answer)
    except (OSError, ValueError):
        return None


def file_systems() -> "list[dict[str, object]]":
    """Return how full each file system is, in percents as df(1) has them: of what is not kept back for root."""
    found: dict[str, dict[str, object]] = {}
    for line in (content("/proc/mounts") or "").splitlines():
        device, place, kind, options = line.split(" ")[:4]
        if not device.startswith("/dev/") and kind != "tmpfs":
            continue
        try:
            state = os.statvfs(place)
        except OSError:
            continue
        used, inodes = state.f_blocks - state.f_bfree, state.f_files - state.f_ffree
        found.setdefault(
            place if kind == "tmpfs" else device,  # mounted in a second place it is the same
            {
                "place": place,
                "percent": -(-100 * used // ((used + state.f_bavail) or 1)),
                "inodes_percent": -(-100 * inodes // (state.f_files or 1)),
                "read_only": "ro" in options.split(","),
            },
        )
    return list(found.values())


def certificates() -> str:
    """Return the server's certificates and its authority's, PEM; of the file that has its key nothing else."""
    text = "".join(content(path) or "" for path in _CERTIFICATES)
    return "".join(re.findall(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", text, re.DOTALL))


_CERTIFICATES = ("/etc/mysql/azure-mysql-ha-server.pem", "/etc/mysql/azure-mysql-ha-ca.pem")


def listens() -> bool:
    """Tell whether something listens at the database's port. The kernel lists what listens before what is connected."""
    for path in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            with Path(path).open(encoding="ascii") as lines:
                next(lines)
                for line in lines:
                    _, local, _, state, *_ = line.split()
                    if state != "0A":
                        break
                    if local.endswith(":0CEA"):  # 3306
                        return True
        except OSError:
            continue
    return False


def kernels() -> "dict[str, bool]":
    """Return the kernels that are installed, by release, and whether each has DRBD."""
    return {
        path.parent.name: any(re.search(r"/drbd\.ko\b", content(str(path.parent / name)) or "") for name in _MODULES)
        for path in Path("/lib/modules").glob("*/modules.dep")
    }


def peer_in_turn() -> bool:
    """Tell whether Azure changes the other node's machine now, as waits-alone.sh.j2 has it."""
    try:
        return time.time() - Path("/run/azure-mysql-ha/peer-in-turn").stat().st_mtime < _TURN_SECONDS
    except OSError:
        return False


_TURN_SECONDS = 1800


def watchdog() -> bool:
    """Tell whether sbd runs, which has the watchdog reset this machine if its cluster is not well."""
    pid = (content("/run/sbd.pid") or "").strip()
    return (content(f"/proc/{pid}/comm") or "").strip() == "sbd"


def tunnels() -> "dict[str, str | None]":
    """Return when the peer last answered in each tunnel for DRBD's traffic, as wg has it; null where it is down."""
    return {
        path.stem: output("wg", "show", path.stem, "latest-handshakes")
        for path in Path("/etc/wireguard").glob("drbd-*.conf")
    }


_STAYS_OFF = r'<node [^>/]*\buname="([^"]*)"[^>/]*>(?:(?!</node>).)*? name="stays-off" value="([^"]*)"'
_MODULES = ("modules.dep", "modules.builtin")

FACTS = {
    "compute": compute,
    "host": lambda: os.uname().nodename,
    "has_cluster": lambda: 'type="drbd"' in (content(CIB) or ""),
    "has_left": lambda: Path("/run/azure-mysql-ha/turn").exists(),
    "peer_in_turn": peer_in_turn,
    "crm_mon": lambda: output("crm_mon", "--one-shot", "--inactive", "--output-as=xml"),
    # What `crm resource move` leaves behind, which crm_mon does not show.
    "moves": lambda: re.findall(r'<rsc_location [^>]*\bid="(cli-prefer-[^"]*)"', content(CIB) or ""),
    # Which nodes a person wants to stay off, and since when: of a node that is off, crm_mon shows no attributes.
    "stays_off": lambda: dict(re.findall(_STAYS_OFF, content(CIB) or "", re.DOTALL)),
    # When the configuration on the disk was made: Pacemaker stops saving it for good when that has failed once.
    "saved": lambda: next(iter(re.findall(r'\bcib-last-written="([^"]*)"', content(CIB) or "")), None),
    "drbd": lambda: content("/proc/drbd"),
    "tunnels": tunnels,
    "file_systems": file_systems,
    "listens": listens,
    "certificates": certificates,
    "kernel": lambda: os.uname().release,
    "kernels": kernels,
    "watchdog": watchdog,
    "cannot_ask": lambda: content("/run/azure-mysql-ha/cannot-ask"),
    "time": time.time,
    # What the programs of the backup have noted: with the data, and on the node that has proved a base.
    "backup": lambda: content("/var/lib/mysql/data/azure-mysql-ha-backup.json"),
    "proof": lambda: content("/var/lib/azure-mysql-ha/verified.json"),
    # What azure-mysql-ha-verify has noted, where it ran.
    "verify": lambda: content("/var/lib/azure-mysql-ha/verify.json"),
    # It ends with 2 where there is no quorum.
    "quorum": lambda: output("corosync-quorumtool", "-s", good=(0, 2)),
    "qdevice": lambda: output("corosync-qdevice-tool", "-s"),
}


def tell(names: "Iterable[str]") -> str:
    """Return these facts as JSON."""
    return json.dumps({name: FACTS[name]() for name in names})


if __name__ == "__main__":
    print(tell(sys.argv[1:] or FACTS))
