"""What a lab has left on this machine, which should be nothing once it is down."""

import os
from pathlib import Path

from lab import fabric
from lab.lab import Lab


def find(lab: Lab) -> list[str]:
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
    if fabric.resolver(lab.paths.namespace).exists():
        found.append(f"file {fabric.resolver(lab.paths.namespace)}")
    if lab.paths.state.exists():
        found.append(f"files in {lab.paths.state}")
    return found
