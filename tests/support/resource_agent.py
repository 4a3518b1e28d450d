"""A resource agent of Pacemaker's, run outside of a cluster."""

import os
import subprocess
from pathlib import Path


def run(folder: Path, action: str, timeout_ms: int) -> tuple[int, str]:
    """Do what Pacemaker has an agent do.

    Args:
        folder: has the script, `agent`, and the programs that it starts in place of the machine's.
        action: such as "start".
        timeout_ms: the action's time-out, of which Pacemaker tells it.

    Returns:
        Its exit code, and what it says is wrong.
    """
    environment = {
        **os.environ,
        "PATH": f"{folder}:{os.environ['PATH']}",
        "OCF_RESKEY_CRM_meta_timeout": str(timeout_ms),
    }
    run = subprocess.run(
        ["bash", str(folder / "agent"), action],
        env=environment, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    return run.returncode, run.stderr.strip()
