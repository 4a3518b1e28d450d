"""The Pulumi tool chain: found on this machine, or built from Go modules.

The engine and the language host are always Pulumi's.  Where `pulumi` is on PATH,
it is used with its own language host, and the command provider is installed by
it.  Elsewhere both are built: the engine of the pinned version, the language
host of the last version whose module can be had (`host/go.mod`), started by
`host/launch.sh`, which bridges the versions.  Where the command provider cannot
be downloaded, this folder's `command/` takes its place; `Toolchain.stand_ins`
names it then.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.paths import cache_directory
from lab.shell import CommandError, Progress, run

SOURCE = Path(__file__).resolve().parent
"""The folder of go.mod, of the language host's own module, and of the stand-in's sources."""

COMMAND_VERSION = "1.2.1"
"""The version of the command provider; the same as in requirements.txt."""

_VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)(?:[-+].*)?")
_SDK_VERSION_VARIABLE = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version"
_HOST_FILES = ("host/go.mod", "host/go.sum", "host/launch.sh")
# Not beside the CLI: the engine would warn that it uses a plug-in that it found on PATH.
_COMMAND = "plugins/pulumi-resource-command"
_BUILD_SPACE = 5 << 30  # bytes that a cold build needs, mostly Go's own caches


class ToolchainError(Exception):
    """No tool chain can be had; the text is for the user."""


@dataclass(frozen=True)
class Toolchain:
    """Where the engine and what it starts are.

    Args:
        bin: the folder to put first on PATH; holds the language host and its exec script.
        version: the CLI's version, without a leading v.
        stand_ins: the parts that are this project's own and not Pulumi's.
    """

    pulumi: Path
    bin: Path
    command_plugin: Path
    version: str
    stand_ins: tuple[str, ...] = ()


def parse_version(text: str) -> tuple[int, int, int]:
    """Return major, minor and patch of a version as `pulumi version` prints it.

    Raises:
        ValueError: the text is not a version.
    """
    match = _VERSION.fullmatch(text.strip())
    if not match:
        raise ValueError(f"not a version: {text.strip()!r}")
    return int(match[1]), int(match[2]), int(match[3])


def is_fitting(version: str, pinned: str) -> bool:
    """Tell whether a CLI of this version can stand for the pinned one: same major, no older minor."""
    try:
        found = parse_version(version)
    except ValueError:
        return False
    wanted = parse_version(pinned)
    return found[0] == wanted[0] and found[1] >= wanted[1]


def pinned_version(go_mod: Path = SOURCE / "go.mod") -> str:
    """Return the version of the CLI that go.mod pins, without a leading v.

    Raises:
        ToolchainError: go.mod names none.
    """
    return _required_module(go_mod, "pkg")


def host_version(go_mod: Path = SOURCE / "host" / "go.mod") -> str:
    """Return the version of the language host that its go.mod pins, without a leading v.

    Raises:
        ToolchainError: go.mod names none.
    """
    return _required_module(go_mod, "sdk")


def _required_module(go_mod: Path, name: str) -> str:
    module = f"github.com/pulumi/pulumi/{name}/v3"
    match = re.search(rf"^(?:require)?\s*{re.escape(module)} v(\S+)", go_mod.read_text(), re.MULTILINE)
    if not match:
        raise ToolchainError(f"{go_mod}: no version of {module}")
    return match[1]


def cache_key(parts: Sequence[str], go_version: str, source: Path = SOURCE) -> str:
    """Return the name under which a build is kept: a digest of everything that goes into it.

    Args:
        parts: what is built, of "pulumi", "host" and "command".
        go_version: what `go version` prints.
    """
    digest = hashlib.sha256()
    for text in (*parts, _COMMAND, go_version):
        digest.update(text.encode() + b"\0")
    built = (*source.glob("go.*"), *source.glob("command/*.go"), *(source / name for name in _HOST_FILES))
    for file in sorted(built):
        digest.update(str(file.relative_to(source)).encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def ensure(progress: Progress) -> Toolchain:
    """Return a tool chain, building what is missing; under a second when nothing is.

    Args:
        progress: called with a line for the user, about every 15 seconds while building.

    Raises:
        ToolchainError: neither a fitting pulumi nor a new enough go is there, or a build failed.
    """
    pinned = pinned_version()
    if found := _find_pulumi(pinned):
        pulumi, version = found
        plugin = _install_command_plugin(pulumi, version, progress)
        if plugin:
            return Toolchain(pulumi, pulumi.parent, plugin, version)
        built = _build(("command",), pinned, progress)
        return Toolchain(pulumi, pulumi.parent, built / _COMMAND, version, ("command provider",))
    built = _build(("pulumi", "host", "command"), pinned, progress)
    return Toolchain(built / "pulumi", built, built / _COMMAND, pinned, ("command provider",))


def link_plugin(home: Path, name: str, version: str, executable: Path) -> None:
    """Make a resource plug-in known to an engine, as `pulumi plugin install` would; may be repeated.

    Args:
        version: its version without a leading v; the one that the Python SDK asks for.
        executable: what the engine runs with its own address as argument.
    """
    folder = home / "plugins" / f"resource-{name}-v{version}"
    folder.mkdir(parents=True, exist_ok=True)
    link = folder / f"pulumi-resource-{name}"
    temporary = folder / f".{link.name}.{os.getpid()}"
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(executable.resolve())
    temporary.replace(link)


def prepare_home(home: Path, toolchain: Toolchain) -> None:
    """Make a PULUMI_HOME that holds the command provider; may be repeated."""
    link_plugin(home, "command", COMMAND_VERSION, toolchain.command_plugin)


def engine_environment(home: Path, toolchain: Toolchain) -> dict[str, str]:
    """Return what the engine needs in its environment to run offline from a prepared home.

    The back end, the passphrase and what providers need are the caller's to add.
    """
    path = os.pathsep.join([str(toolchain.bin), os.environ.get("PATH", os.defpath)])
    return {
        "PATH": path,
        "PULUMI_HOME": str(home),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
    }


def _find_pulumi(pinned: str) -> tuple[Path, str] | None:
    """Return a fitting CLI from PATH that has its language host beside it, and its version."""
    on_path = shutil.which("pulumi")
    if not on_path:
        return None
    pulumi = Path(on_path).resolve()
    if not all((pulumi.parent / f"pulumi-language-python{end}").exists() for end in ("", "-exec")):
        return None
    environment = os.environ | {"PULUMI_SKIP_UPDATE_CHECK": "true"}
    try:
        run = subprocess.run(
            [pulumi, "version"], env=environment, capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    version = run.stdout.strip().removeprefix("v")
    return (pulumi, version) if is_fitting(version, pinned) else None


def _install_command_plugin(pulumi: Path, version: str, progress: Progress) -> Path | None:
    """Have the CLI fetch the real command provider into the cache; None where it cannot be reached."""
    home = cache_directory() / "toolchain" / f"plugins-{version}"
    name = f"resource-command-v{COMMAND_VERSION}"
    plugin = home / "plugins" / name / "pulumi-resource-command"
    with _locked(home.with_suffix(".lock")):
        # The engine marks an unfinished download with a file of that name.
        if plugin.exists() and not (home / "plugins" / f"{name}.partial").exists():
            return plugin
        progress(f"tool chain: asking pulumi {version} for its command provider {COMMAND_VERSION}")
        environment = os.environ | {"PULUMI_HOME": str(home), "PULUMI_SKIP_UPDATE_CHECK": "true"}
        try:
            subprocess.run(
                [pulumi, "plugin", "install", "resource", "command", COMMAND_VERSION],
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=120,
                check=True,
            )
        except (OSError, subprocess.SubprocessError):
            progress("tool chain: the command provider cannot be downloaded; building a stand-in")
            return None
        return plugin if plugin.exists() else None


def _build(parts: Sequence[str], pinned: str, progress: Progress) -> Path:
    """Return the folder of the built parts, building them if no earlier call did."""
    go = shutil.which("go")
    wanted = _required_go()
    if not go:
        raise ToolchainError(
            f"tool chain: neither pulumi {pinned} or newer nor go {wanted} or newer is on PATH: install one of them"
        )
    go_version = _output([go, "version"])
    if _go_number(go_version) < _go_number(f"go{wanted}"):
        raise ToolchainError(f"tool chain: {go} is {go_version!r}: {wanted} or newer is needed, or a pulumi {pinned}")

    root = cache_directory() / "toolchain"
    key = cache_key(parts, go_version)
    done = root / key
    if done.is_dir():
        return done
    root.mkdir(parents=True, exist_ok=True)
    progress(f"tool chain: go build of {', '.join(parts)} ({pinned}); takes minutes, but only once")
    with _locked(root / f"{key}.lock"):
        if done.is_dir():  # another run built it while this one waited
            return done
        for stale in root.glob(f"{key}.tmp-*"):  # of builds that were killed
            shutil.rmtree(stale, ignore_errors=True)
        _check_space(go)
        made = Path(tempfile.mkdtemp(prefix=f"{key}.tmp-", dir=root))
        try:
            log = root / f"{key}.log"
            log.unlink(missing_ok=True)
            for part in parts:
                _build_part(go, part, pinned, made, log, progress)
            made.chmod(0o755)
            made.rename(done)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    return done


def _build_part(go: str, part: str, pinned: str, into: Path, log: Path, progress: Progress) -> None:
    """Build one executable, and put beside it what it needs to run."""
    folder, package, target, variable = {
        "pulumi": (".", "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi", "pulumi", f"{_SDK_VERSION_VARIABLE}=v{pinned}"),
        "host": (
            "host",
            "github.com/pulumi/pulumi/sdk/v3/python/cmd/pulumi-language-python",
            "host/pulumi-language-python",
            f"{_SDK_VERSION_VARIABLE}=v{host_version()}",
        ),
        "command": (".", "./command", _COMMAND, f"main.version={COMMAND_VERSION}"),
    }[part]
    name = Path(target).name
    build = [go, "build", "-C", folder, "-trimpath", "-ldflags", f"-s -w -X {variable}", "-o", str(into / target)]
    start, what = time.monotonic(), f"tool chain: building {name}"
    try:
        run([*build, package], label=what, log=log, progress=progress, environment=_go_environment(), folder=SOURCE)
    except CommandError as error:
        raise ToolchainError(str(error)) from None
    progress(f"{what} took {time.monotonic() - start:.0f} s")
    if part == "host":
        # The exec script is the one of the engine's version, which is the Python SDK's too.
        sdk = Path(_output([go, "list", "-m", "-f", "{{.Dir}}", "github.com/pulumi/pulumi/sdk/v3"]))
        _put(sdk / "python" / "cmd" / f"{name}-exec", into / "host" / f"{name}-exec")
        _put(SOURCE / "host" / "launch.sh", into / name)


def _put(source: Path, executable: Path) -> None:
    shutil.copyfile(source, executable)
    executable.chmod(0o755)


def _go_environment() -> Mapping[str, str]:
    """The settings of every build: exactly go.sum's modules, this Go, no C."""
    ours = {"GOFLAGS": "-mod=readonly -buildvcs=false", "GOTOOLCHAIN": "local", "GOWORK": "off", "CGO_ENABLED": "0"}
    return os.environ | ours


def _output(command: Sequence[str]) -> str:
    run = subprocess.run(command, cwd=SOURCE, env=_go_environment(), capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise ToolchainError(f"tool chain: {' '.join(command)}: {_last_line(run.stderr)}")
    return run.stdout.strip()


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1].strip() if lines else "no message"


def _required_go() -> str:
    """The Go version that go.mod asks for."""
    match = re.search(r"^go (\S+)", (SOURCE / "go.mod").read_text(), re.MULTILINE)
    if not match:
        raise ToolchainError("tool chain: go.mod names no Go version")
    return match[1]


def _go_number(text: str) -> tuple[int, ...]:
    """Go's version out of what `go version` prints, as numbers; a development build counts as newest."""
    match = re.search(r"\bgo(\d+(?:\.\d+)*)", text)
    return tuple(int(each) for each in match[1].split(".")) if match else (1 << 16,)


def _check_space(go: str) -> None:
    for folder in (_output([go, "env", "GOMODCACHE"]), _output([go, "env", "GOCACHE"])):
        existing = Path(folder)
        while not existing.exists():
            existing = existing.parent
        free = shutil.disk_usage(existing).free
        if free < _BUILD_SPACE:
            raise ToolchainError(
                f"tool chain: {free >> 20} MiB free under {folder}: {_BUILD_SPACE >> 20} MiB are needed to build"
            )


@contextmanager
def _locked(file: Path) -> Generator[None]:
    """Hold a lock among processes; the kernel releases it with its holder, however that ends."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
