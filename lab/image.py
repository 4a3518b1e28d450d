"""The guests' disks, made from Debian's packages, once, and kept in the cache.

A guest is an operating system of configs/os that has a recipe in lab/images. `python -m lab.image debian-12` makes one.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

from components.settings import operating_system as operating_systems
from lab import kernel as kernels
from lab.kernel import Kernel
from lab.paths import cache_directory
from lab.shell import CommandError, Progress, run, say

RECIPES = Path(__file__).parent / "images"
ARBITRATOR = "arbitrator"
"""A guest that is no node: Galera's arbitrator, of lab/benchmarks."""

_ONLY_NIGHTLY = "only_nightly"
"""In a guest's file, of its tests and no part of the recipe: whether each change does without them."""

# Changes when this file builds something else from the same recipe.
_BUILD = "1"

_OFFLINE_PACKAGES = "var/lib/offline-packages"

# $1 the tree, $2 packages.  Runs while the tree still has the lists of the mirror's packages.
_DOWNLOAD = f"""set -eu
rm -f "$1"/var/cache/apt/archives/*.deb
chroot "$1" apt-get -y -q --no-install-recommends --download-only install $2
mkdir -p "$1/{_OFFLINE_PACKAGES}"
mv "$1"/var/cache/apt/archives/*.deb "$1/{_OFFLINE_PACKAGES}/"
cd "$1/{_OFFLINE_PACKAGES}"
for package in *.deb; do
  chroot "$1" dpkg-deb --field "/{_OFFLINE_PACKAGES}/$package"
  echo "Filename: ./$package"
  echo "Size: $(stat -c %s "$package")"
  echo "SHA256: $(sha256sum "$package" | cut -d' ' -f1)"
  echo
done > Packages
"""

# $1 the tree, $2 a folder of the caller's, then the command.
_INSIDE = """set -eu
tree=$1; work=$2; shift 2
mount --bind "$tree" "$tree"
mount -o remount,bind,ro "$tree"
mount -t proc proc "$tree/proc"
mount --bind /dev "$tree/dev"
mount -t tmpfs tmpfs "$tree/run"
mount -t tmpfs tmpfs "$tree/tmp"
mount -t tmpfs tmpfs "$tree/root"
mount --bind "$work" "$tree/mnt"
exec chroot "$tree" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 "$@"
"""


class NotInstallableError(CommandError):
    """The packages of a guest cannot be installed."""


@dataclass(frozen=True)
class Image:
    """A guest's root file system.

    Args:
        operating_system: one of `systems()`, or `ARBITRATOR`.
        disk: ext4 file system, raw; the base below each machine's copy-on-write disk, never written.
        tree: the same as a folder, with the packages installed that a fresh guest only has as files:
            for checks of rendered configuration by the programs that read it.
    """

    operating_system: str
    disk: Path
    tree: Path

    def inside(self, argv: Sequence[str], work: Path) -> list[str]:
        """Return the command that runs `argv` in the tree, read-only, in a mount namespace of its own.

        Args:
            work: a folder of the host that it sees as /mnt, writable.
        """
        return [
            *("unshare", "--mount", "--propagation", "private", "sh", "-c", _INSIDE, "sh"),
            *(str(self.tree), str(work), *argv),
        ]


def systems() -> list[str]:
    """Return the operating systems that nodes of a lab can run, sorted."""
    return [name for name in operating_systems.names() if (RECIPES / f"{name}.yaml").exists()]


def everyday_systems() -> list[str]:
    """Return those of `systems()` that the tests of each change run, sorted; the others are left to the nightly run."""
    return [name for name in systems() if not _read(name).get(_ONLY_NIGHTLY)]


def _read(name: str) -> dict[str, Any]:
    return cast(dict[str, Any], yaml.safe_load((RECIPES / f"{name}.yaml").read_text()))


def recipe(operating_system: str) -> dict[str, Any]:
    """Return what a guest is made of: the common recipe and its own; lists are joined.

    Args:
        operating_system: one of `systems()`, or `ARBITRATOR`.

    Raises:
        ValueError: there is no such guest.
    """
    if operating_system not in (*systems(), ARBITRATOR):
        raise ValueError(f"no guest {operating_system!r}: expected one of {', '.join(systems())}")
    whole, own = _read("common"), _read(operating_system)
    own.pop(_ONLY_NIGHTLY, None)
    for key, value in own.items():
        whole[key] = whole[key] + value if isinstance(value, list) and key in whole else value
    return whole


def _overlay() -> list[Path]:
    root = RECIPES / "rootfs"
    return sorted(path.relative_to(root) for path in root.rglob("*") if path.is_symlink() or path.is_file())


def key(operating_system: str, kernel_release: str) -> str:
    """Return the hash over everything that goes into a guest's image, the versions of Debian's packages excepted."""
    digest = hashlib.sha256()

    def add(*parts: str | bytes) -> None:
        for part in parts:
            data = part.encode() if isinstance(part, str) else part
            digest.update(len(data).to_bytes(8, "big") + data)

    add(_BUILD, _DOWNLOAD, kernel_release, yaml.safe_dump(recipe(operating_system), sort_keys=True))
    for path in _overlay():
        file = RECIPES / "rootfs" / path
        add(str(path), str(file.readlink()) if file.is_symlink() else file.read_bytes())
    return digest.hexdigest()[:12]


def _chroot(tree: Path, *argv: str) -> None:
    done = subprocess.run(
        ["chroot", str(tree), *argv], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )
    if done.returncode != 0:
        raise CommandError(f"image: {' '.join(argv)} in {tree}: {done.stderr.strip()}")


def _bootstrap(parts: dict[str, Any], tree: Path, label: str, log: Path, progress: Progress) -> None:
    packages = cast(list[str], parts["packages"])
    hook = log.with_suffix(".hook")
    hook.write_text("#!/bin/sh\n" + _DOWNLOAD)
    hook.chmod(0o755)
    offline = " ".join(cast(list[str], parts["offline_packages"]))
    options = ['--aptopt=Acquire::Check-Valid-Until "false"'] if parts.get("ignore_valid_until") else []
    run(
        [
            # What it mounts dies with it, even if it is killed.
            *("unshare", "--mount", "--propagation", "slave", "mmdebstrap", "--mode=root"),
            *("--variant=minbase", "--architectures=amd64", f"--include={','.join(packages)}"),
            '--aptopt=APT::Install-Recommends "false"',
            "--dpkgopt=force-unsafe-io",
            *(f"--dpkgopt=path-exclude={path}" for path in cast(list[str], parts["excluded_paths"])),
            *options,
            f"--customize-hook='{hook}' \"$1\" '{offline}'",
            str(parts["suite"]),
            str(tree),
        ],
        label=label,
        log=log,
        progress=progress,
    )
    hook.unlink()


def _furnish(parts: dict[str, Any], tree: Path, kernel: Kernel) -> None:
    """Make a guest of a plain Debian."""
    for relative in _overlay():
        target = tree / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        shutil.copy2(RECIPES / "rootfs" / relative, target, follow_symlinks=False)
        if not target.is_symlink():
            target.chmod(0o644)
        os.chown(target, 0, 0, follow_symlinks=False)
    for sources in (tree / "etc/apt/sources.list.d").glob("*"):
        sources.unlink()
    for host_key in (tree / "etc/ssh").glob("ssh_host_*"):
        host_key.unlink()
    (tree / "var/lib/dbus/machine-id").unlink(missing_ok=True)

    units = [unit for unit in cast(list[str], parts["disabled_units"]) if _has_unit(tree, unit)]
    _chroot(tree, "systemctl", "--quiet", "disable", *units)
    _chroot(tree, "systemctl", "--quiet", "enable", *cast(list[str], parts["enabled_units"]))
    for folder, names in (("system", "masked_units"), ("system-generators", "masked_generators")):
        for name in cast(list[str], parts[names]):
            mask = tree / "etc/systemd" / folder / name
            mask.parent.mkdir(exist_ok=True)
            mask.unlink(missing_ok=True)
            mask.symlink_to("/dev/null")

    _prefer(parts, tree)
    modules = tree / "usr/lib/modules" / kernel.release
    modules.parent.mkdir(exist_ok=True)
    shutil.copytree(kernel.modules, modules, symlinks=True)
    _chroot(tree, "depmod", kernel.release)
    for stamp in ("etc/.updated", "var/.updated"):
        (tree / stamp).touch()  # nothing is to be brought up to date at boot


def _prefer(parts: dict[str, Any], tree: Path) -> None:
    """Put programs of other packages in place of the distribution's, which stay beside them as NAME.distrib."""
    programs = [
        f"{folder}/{program.name}"
        for folder in cast(list[str], parts.get("preferred_programs", []))
        for program in sorted((tree / folder[1:]).iterdir())
        if not program.is_dir() and program.name not in parts["but_not"]
    ]
    for program in programs:
        for replaced in (f"/usr/{folder}/{Path(program).name}" for folder in ("bin", "sbin")):
            if (tree / replaced[1:]).exists():
                _chroot(tree, "dpkg-divert", "--quiet", "--local", "--rename", "--add", replaced)
                (tree / replaced[1:]).symlink_to(program)


def _has_unit(tree: Path, unit: str) -> bool:
    return any(
        (tree / folder / unit).exists() for folder in ("usr/lib/systemd/system", "lib/systemd/system", "etc/init.d")
    )


def _build(operating_system: str, kernel: Kernel, new: Path, progress: Progress) -> None:
    parts = recipe(operating_system)
    log = cache_directory() / "logs" / f"image-{operating_system}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.unlink(missing_ok=True)
    tree = new / "tree"
    label = f"image {operating_system}"
    progress(f"{label}: installing Debian {parts['suite']} (log: {log})")
    try:
        _bootstrap(parts, tree, label, log, progress)
    except CommandError as error:
        raise NotInstallableError(*error.args) from error
    _furnish(parts, tree, kernel)

    disk = new / "disk.ext4"
    with disk.open("wb") as file:
        file.truncate(int(parts["disk_gib"]) << 30)
    run(
        # No time for the unused: the guest's kernel initialises tables when it needs them.
        [
            *("mkfs.ext4", "-q", "-F", "-m", "0", "-L", "root"),
            *("-E", "lazy_itable_init=1,lazy_journal_init=1", "-d", str(tree), str(disk)),
        ],
        label=f"{label}: file system",
        log=log,
        progress=progress,
    )
    disk.chmod(0o444)

    offline = [f"/{_OFFLINE_PACKAGES}/{deb.name}" for deb in sorted((tree / _OFFLINE_PACKAGES).glob("*.deb"))]
    policy = tree / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    _chroot(tree, "env", "DEBIAN_FRONTEND=noninteractive", "dpkg", "--install", *offline)
    policy.unlink()


def ensure(operating_system: str, progress: Progress = say) -> Image:
    """Return a guest's image, made at first use and kept in the cache; only the newest of each guest is kept.

    Raises:
        ValueError: there is no such guest.
        NotInstallableError: its packages cannot be installed; the message names the log.
        CommandError: it cannot be built otherwise.
    """
    recipe(operating_system)
    kernel = kernels.ensure(progress)
    cache = cache_directory() / "images"
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / f"{operating_system}-{key(operating_system, kernel.release)}"
    image = Image(operating_system, folder / "disk.ext4", folder / "tree")
    with (cache / f".lock-{operating_system}").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            begin = time.monotonic()
            new = cache / f".new-{operating_system}"
            shutil.rmtree(new, ignore_errors=True)
            new.mkdir()
            try:
                _build(operating_system, kernel, new, progress)
            except BaseException:
                shutil.rmtree(new, ignore_errors=True)
                raise
            new.rename(folder)
            size = sum(file.stat().st_blocks for file in (image.disk,)) * 512 / 1e6
            progress(f"image {operating_system}: {time.monotonic() - begin:.0f} s, disk {size:.0f} MB")
        for old in cache.glob(f"{operating_system}-*"):
            # Machines keep their own link to their base.
            if old != folder:
                shutil.rmtree(old)
    return image


def main(arguments: Sequence[str]) -> int:
    for operating_system in arguments or everyday_systems():
        print(ensure(operating_system, say).disk)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
