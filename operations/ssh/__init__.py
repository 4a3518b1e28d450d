"""The nodes of a lab's cluster as an administrator reaches them: by SSH through the endpoint, keys pinned."""

import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Node:
    """One node.

    Args:
        name: its host name.
        login: the stack's own SSH command, such as "ssh -p 22 azureuser@203.0.113.4".
        key: file with the administrator's private key, or with its public half where an agent has the other.
        known_hosts: file with the nodes' host keys, by node name.
        prefix: what to run ssh with, such as `ip netns exec NAME`.
    """

    name: str
    login: str
    key: Path
    known_hosts: Path
    prefix: tuple[str, ...] = ()

    def command(self, remote: str, *options: str) -> list[str]:
        """Return the argument list that runs a shell line as root on the node."""
        ssh, *arguments = shlex.split(self.login)
        return [
            *self.prefix, ssh, "-i", str(self.key), "-o", f"UserKnownHostsFile={self.known_hosts}",
            "-o", f"HostKeyAlias={self.name}", "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes",
            "-o", "ConnectTimeout=5", "-o", "LogLevel=ERROR", *options, *arguments,
            f"sudo bash -c {shlex.quote(remote)}",
        ]  # fmt: skip

    def run(self, remote: str, *, timeout: float = 60, check: bool = True, text: str = "") -> str:
        """Run a shell line as root on the node and return what it prints.

        Args:
            remote: the shell line.
            timeout: seconds.
            check: whether a failure is an error.
            text: what it reads from its standard input.

        Raises:
            subprocess.CalledProcessError: it failed; its output is in the exception's text.
            subprocess.TimeoutExpired: it took longer.
        """
        run = subprocess.run(
            self.command(remote), input=text, capture_output=True, text=True, timeout=timeout, check=False
        )
        if check and run.returncode != 0:
            error = subprocess.CalledProcessError(run.returncode, remote, run.stdout, run.stderr)
            error.add_note(f"on {self.name}: {run.stderr.strip()}")
            raise error
        return run.stdout

    def lets_in(self) -> bool:
        """Tell whether one can log in now; one that dies meanwhile does not."""
        try:
            return bool(self.run("id", timeout=20, check=False))
        except subprocess.TimeoutExpired:
            return False


def write_known_hosts(path: Path, host_keys: Mapping[str, str]) -> None:
    """Write a known_hosts file.

    Args:
        path: the file.
        host_keys: public key in OpenSSH's form, by node name.
    """
    path.write_text("".join(f"{name} {key}\n" for name, key in host_keys.items()))


def by_name(nodes: Sequence[Node], name: str) -> Node:
    """Return the node of that name."""
    return next(node for node in nodes if node.name == name)
