"""Keys of SSH and of the replication's tunnel, for tests."""

import functools
import subprocess
import tempfile
from pathlib import Path

from components.settings.tunnel import make_keys, read_tunnel


@functools.cache
def ssh_key(kind: str = "ed25519", passphrase: str = "", number: int = 0) -> str:
    """Make a private key with ssh-keygen, once per kind, passphrase and number.

    Args:
        kind: as ssh-keygen's -t has it.
        passphrase: empty for none.
        number: for several of them.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "key"
        bits = ["-b", "1024"] if kind == "rsa" else []  # quick to make
        command = ["ssh-keygen", "-q", "-t", kind, *bits, "-N", passphrase, "-C", "", "-f", str(file)]
        subprocess.run(command, check=True)
        return file.read_text()


def tunnel_keys(port: int) -> list[str]:
    """Make the keys of a tunnel with a port."""
    while read_tunnel(keys := make_keys()).port != port:
        pass
    return keys
