"""Where the engine finds the plug-in."""

import hashlib
import importlib.metadata
import pickle
import shlex
import shutil
import stat
import tempfile
from pathlib import Path

from components.checkout import CHECKOUT

_EXECUTABLE = "pulumi-resource-azure-native"
_SDK = "pulumi-azure-native"
_DERIVED_BY = ("schema.py", "sdk.py")


def version() -> str:
    """Return the version that the plug-in reports: the installed SDK's, since that asks for its like."""
    return importlib.metadata.version(_SDK)


def install(home: Path, python: Path | None = None) -> None:
    """Lay the plug-in into a PULUMI_HOME, as `pulumi plugin install` would, so that the engine finds it in silence.

    Beside it goes the description of the resource types, derived from the SDK: to derive it at each start would take
    the time of importing the SDK. What is there already of this version is replaced in one step; an engine that runs
    meanwhile is not disturbed.

    Args:
        home: the folder that PULUMI_HOME names; made if it is not there.
        python: interpreter that has the project's packages; the checkout's .venv by default.
    """
    plugins = home / "plugins"
    plugins.mkdir(parents=True, exist_ok=True)
    target = plugins / f"resource-azure-native-v{version()}"
    interpreter = python or CHECKOUT / ".venv" / "bin" / "python"
    sources = b"".join((Path(__file__).parent / name).read_bytes() for name in _DERIVED_BY)
    description = f"types-{hashlib.sha256(sources).hexdigest()[:16]}.pickle"
    script = (
        "#!/bin/sh\n"
        "# Made by lab/azure_native/plugin.py: the project's stand-in for the azure-native plug-in.\n"
        # Without compiled modules the start takes a second more.
        "unset PYTHONDONTWRITEBYTECODE\n"
        f"PYTHONPATH={shlex.quote(str(CHECKOUT))} PYTHONSAFEPATH=1 exec {shlex.quote(str(interpreter))} "
        f'-m lab.azure_native "${{0%/*}}/{description}" "$@"\n'
    )
    executable = target / _EXECUTABLE
    if executable.is_file() and executable.read_text() == script:
        return
    from .sdk import resource_types  # imports the whole SDK

    new = Path(tempfile.mkdtemp(prefix=".azure-native-", dir=plugins))
    try:
        new.chmod(0o755)
        (new / description).write_bytes(pickle.dumps(resource_types()))
        (new / _EXECUTABLE).write_text(script)
        (new / _EXECUTABLE).chmod(stat.S_IRWXU | stat.S_IRGRP | stat.S_IXGRP | stat.S_IROTH | stat.S_IXOTH)
        if target.is_dir():
            (new / description).replace(target / description)
            (new / _EXECUTABLE).replace(executable)
        else:
            new.rename(target)
    finally:
        shutil.rmtree(new, ignore_errors=True)
