"""Tell how a node is, as JSON on standard output: what its own parts say, and no judgement.

Run as root on a node by `python -m components.turn`. What does not answer is null.
"""

import json
import subprocess
import urllib.request
from pathlib import Path

METADATA = "http://169.254.169.254/metadata/instance/compute?api-version=2021-02-01"


def output(*command: str) -> "str | None":
    """Return what a command prints; None where it fails or takes longer than a minute."""
    try:
        run = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return run.stdout if run.returncode == 0 else None


def compute() -> object:
    """Return what Azure says that this machine is."""
    request = urllib.request.Request(METADATA, headers={"Metadata": "true"})
    try:
        # Never by a proxy: the address is the host's own.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=10) as answer:
            return json.load(answer)
    except (OSError, ValueError):
        return None


def has_cluster() -> bool:
    """Tell whether Pacemaker's own file on this machine has the DRBD resource."""
    try:
        return 'type="drbd"' in Path("/var/lib/pacemaker/cib/cib.xml").read_text(encoding="utf-8")
    except OSError:
        return False


def percent() -> "str | None":
    """Return how far a resynchronisation is, such as "12.3"."""
    try:
        words = Path("/proc/drbd").read_text(encoding="utf-8").split()
    except OSError:
        return None
    return next((word.rstrip("%") for word in words if word.endswith("%")), None)


print(
    json.dumps(
        {
            "compute": compute(),
            "has_cluster": has_cluster(),
            "has_left": Path("/run/azure-mysql-ha/turn").exists(),
            "crm_mon": output("crm_mon", "--one-shot", "--inactive", "--output-as=xml"),
            "connection": output("drbdadm", "cstate", "r0"),
            "disks": output("drbdadm", "dstate", "r0"),
            "synced": percent(),
            "quorum": output("corosync-quorumtool", "-s"),
        }
    )
)
