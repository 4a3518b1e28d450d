"""The machines' kernel: the newest User-Mode Linux that can be had.

It comes from Debian's package, with the C library of the same distribution: unstable's kernel needs a
newer one than a stable host has.  `images/run-kernel.sh` brings the two together.
"""

import fcntl
import hashlib
import json
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

from lab.paths import cache_directory
from lab.shell import CommandError, Progress, run, say

RECIPE = Path(__file__).parent / "images" / "kernel.yaml"
START = Path(__file__).parent / "images" / "run-kernel.sh"

# Changes when this file lays out the folder in another way.
_LAYOUT = "3"


@dataclass(frozen=True)
class Kernel:
    """A User-Mode Linux kernel.

    Args:
        release: as `uname -r` says in the guest.
        command: how to run it; the kernel's arguments follow. The process keeps its number until it is the kernel.
        modules: folder that becomes /lib/modules/<release>.
        arguments: what this kernel wants on every machine's command line.
        origin: the suite it is from.
    """

    release: str
    command: tuple[str, ...]
    modules: Path
    arguments: tuple[str, ...]
    origin: str


def _key() -> str:
    return hashlib.sha256(_LAYOUT.encode() + RECIPE.read_bytes() + START.read_bytes()).hexdigest()[:12]


def _load(folder: Path) -> Kernel | None:
    try:
        facts = cast(dict[str, Any], json.loads((folder / "kernel.json").read_text()))
    except (OSError, ValueError):
        return None
    release = str(facts["release"])
    return Kernel(
        release=release,
        command=(
            # `slave`: what the host unmounts goes away here too, so that a machine keeps no other
            # lab's network namespace alive.
            *("unshare", "--mount", "--propagation", "slave", str(folder / "run")),
        ),
        modules=folder / "modules" / release,
        arguments=tuple(str(argument) for argument in facts["arguments"]),
        origin=str(facts["origin"]),
    )


def _fetch(source: dict[str, Any], packages: list[str], folder: Path, log: Path, progress: Progress) -> None:
    suite = str(source["suite"])
    extracted = folder / "extracted"
    options = ['--aptopt=Acquire::Check-Valid-Until "false"'] if source.get("ignore_valid_until") else []
    run(
        [
            *("unshare", "--mount", "--propagation", "slave", "mmdebstrap", "--mode=root"),
            *("--variant=extract", "--architectures=amd64", f"--include={','.join(packages)}"),
            '--aptopt=APT::Install-Recommends "false"',
            *options,
            suite,
            str(extracted),
        ],
        label=f"kernel: fetching Debian {suite}'s User-Mode Linux",
        log=log,
        progress=progress,
    )
    shutil.copy2(extracted / "usr" / "bin" / "linux.uml", folder / "linux")
    shutil.copy(START, folder / "run")
    # Before the merge of /usr was complete, the C library's package had /lib.
    lib = next(
        path
        for path in (extracted / "usr/lib/x86_64-linux-gnu", extracted / "lib/x86_64-linux-gnu")
        if (path / "libc.so.6").exists()
    )
    (folder / "lib").mkdir()
    for library in lib.glob("*.so*"):
        shutil.copy2(library, folder / "lib" / library.name)
    shutil.copytree(extracted / "usr" / "lib" / "uml" / "modules", folder / "modules", symlinks=True)
    shutil.rmtree(extracted)

    (modules,) = (folder / "modules").iterdir()
    if not any(modules.rglob("drbd.ko*")):
        raise CommandError(f"kernel: {suite}'s User-Mode Linux {modules.name} has no drbd module")
    facts = {"release": modules.name, "origin": suite, "arguments": list[str]()}
    (folder / "kernel.json").write_text(json.dumps(facts))
    kernel = _load(folder)
    assert kernel is not None
    words = subprocess.run([*kernel.command, "--help"], capture_output=True, text=True, timeout=60, check=False)
    if "User Mode Linux" not in words.stdout:
        raise CommandError(
            f"kernel: {suite}'s User-Mode Linux does not run here: {words.stderr.strip() or words.stdout}"
        )
    if "\nseccomp=" in words.stdout:
        # A fork costs 8 ms with it, 14 without.
        facts["arguments"] = ["seccomp=on"]
        (folder / "kernel.json").write_text(json.dumps(facts))


def ensure(progress: Progress = say) -> Kernel:
    """Return the kernel, made at first use and kept in the cache.

    Raises:
        CommandError: none of the sources has one that runs here.
    """
    cache = cache_directory() / "kernels"
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / _key()
    with (cache / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        kernel = _load(folder)
        if kernel is not None:
            return kernel
        begin = time.monotonic()
        recipe = cast(dict[str, Any], yaml.safe_load(RECIPE.read_text()))
        log = cache_directory() / "logs" / "kernel.log"
        log.unlink(missing_ok=True)
        failures: list[str] = []
        for source in cast(list[dict[str, Any]], recipe["sources"]):
            for orphan in cache.glob(".new-*"):
                shutil.rmtree(orphan)
            new = cache / f".new-{folder.name}"
            new.mkdir()
            progress(f"kernel: fetching Debian {source['suite']}'s User-Mode Linux")
            try:
                _fetch(source, cast(list[str], recipe["packages"]), new, log, progress)
            except CommandError as error:
                failures.append(str(error))
                progress(f"kernel: {source['suite']}'s is not available: {str(error).splitlines()[-1].strip()}")
                continue
            new.rename(folder)
            kernel = _load(folder)
            assert kernel is not None
            progress(f"kernel: {kernel.release} from Debian {kernel.origin}, {time.monotonic() - begin:.0f} s")
            # The folders of other recipes stay while machines may run on them; they are few and small.
            return kernel
    raise CommandError("kernel: no User-Mode Linux is available:\n" + "\n".join(failures))
