"""Says what a machine lacks to be the lab's host, and installs what can be installed."""

import os
import platform
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

from lab.paths import LabPaths, cache_directory
from lab.shell import Progress, run, say

TUN = Path("/dev/net/tun")

# Program → Debian's package that has it.
PROGRAMS = {
    "bash": "bash",
    "bridge": "iproute2",
    "chroot": "coreutils",
    "ip": "iproute2",
    "mariadb": "mariadb-client",  # `make mysql`
    "mkfs.ext4": "e2fsprogs",
    "mmdebstrap": "mmdebstrap",
    "mount": "mount",
    "setpriv": "util-linux",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "unshare": "util-linux",
}

# The same, for what only tests need.
TEST_PROGRAMS = {
    "chromium": "chromium",  # opens the drills' report
    "promtool": "prometheus",  # asks alert rules, and a Prometheus asks a lab
    "zstd": "zstd",  # the nodes' programs of the backup
}

# Files → package; for the machines' package lists to be trusted.
FILES = {"/usr/share/keyrings/debian-archive-keyring.gpg": "debian-archive-keyring"}

# Measured: a guest's image with its tree 4.2 GB, half of it Azure's SDK, the kernel 0.2; twice an image while a newer
# one is made.
CACHE_GIB = 10
# Measured: two machines' disks 0.5 GB each after an hour, state and logs.
STATE_GIB = 3
# All machines' memory lives there: 1 GiB a node, 384 MiB a witness.
SHARED_MEMORY_GIB = 2.5


def _free_gib(folder: Path) -> float:
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free / 2**30


def _space(what: str, folder: Path, needed: float) -> list[str]:
    free = _free_gib(folder)
    return (
        [f"too little space for {what} in {folder}: {needed:g} GiB needed, {free:.1f} GiB free"]
        if free < needed
        else []
    )


def missing_packages(programs: Mapping[str, str] = PROGRAMS) -> list[str]:
    """Return the Debian packages of the programs and files that are not there.

    Args:
        programs: program and the package that has it.
    """
    path = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"
    missing = {package for program, package in programs.items() if shutil.which(program, path=path) is None}
    missing |= {package for file, package in FILES.items() if not Path(file).exists()}
    return sorted(missing)


def check(paths: LabPaths) -> list[str]:
    """Return one clear line for each thing that the lab lacks here; none if it can run."""
    lines: list[str] = []
    system, machine = platform.system(), platform.machine()
    if system != "Linux" or machine != "x86_64":
        lines.append(f"the lab's machines need Linux on x86-64; this is {system} on {machine}")
    if os.geteuid() != 0:
        lines.append(
            "not root: the lab makes a network namespace and mounts file systems; run it with sudo or in a root shell"
        )
    if not TUN.exists():
        lines.append(f"no {TUN}: load the module (modprobe tun), or give the container this device")
    else:
        try:
            os.close(os.open(TUN, os.O_RDWR))
        except OSError as error:
            lines.append(f"{TUN} cannot be opened: {error.strerror}")
    packages = missing_packages()
    if packages:
        lines.append(f"missing programs; install the packages: {' '.join(packages)}")
    have_image = any((cache_directory() / "images").glob("debian-*"))
    lines += _space("images", paths.cache, 5 if have_image else CACHE_GIB)
    lines += _space("the lab's state", paths.state, STATE_GIB)
    shared = Path("/dev/shm")
    lines += (
        _space("the machines' memory", shared, SHARED_MEMORY_GIB)
        if shared.exists()
        else ["no /dev/shm: mount a tmpfs there"]
    )
    return lines


def install(progress: Progress = say, programs: Mapping[str, str] = PROGRAMS) -> None:
    """Install the packages of missing programs with apt-get, if root on a machine of Debian's family; else nothing.

    Raises:
        CommandError: apt-get failed.
    """
    packages = missing_packages(programs)
    if not packages or os.geteuid() != 0 or shutil.which("apt-get") is None:
        return
    begin = time.monotonic()
    log = cache_directory() / "logs" / "preflight.log"
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    progress(f"installing {' '.join(packages)}")
    for argv in (["apt-get", "-q", "update"], ["apt-get", "-q", "-y", "--no-install-recommends", "install", *packages]):
        run(argv, label=" ".join(argv[:4]), log=log, progress=progress, environment=environment)
    progress(f"installed {' '.join(packages)}, {time.monotonic() - begin:.0f} s")
