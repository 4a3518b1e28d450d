"""A machine as an administrator reaches it: by SSH, its host key pinned, the private key in an agent."""

import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from operations.ssh_agent import Agent


@dataclass(frozen=True)
class Node:
    """One machine.

    Args:
        name: its host name, under which the agent knows its host key.
        login: the stack's own SSH command, such as "ssh -p 22 azureuser@203.0.113.4".
        prefix: what to run ssh with, such as `ip netns exec NAME`.
    """

    name: str
    login: str
    agent: Agent
    prefix: tuple[str, ...] = ()

    def ssh(self, *options: str) -> list[str]:
        """Return ssh's argument list up to the machine.

        Args:
            options: of ssh, which go before those that all have.
        """
        program, *arguments = shlex.split(self.login)
        return [
            *self.prefix, program, *self.agent.options, *options, f"-oHostKeyAlias={self.name}", "-oBatchMode=yes",
            "-oConnectTimeout=5", "-oLogLevel=ERROR", *arguments,
        ]  # fmt: skip

    def command(self, remote: str, *options: str) -> list[str]:
        """Return the argument list that runs a shell line as root on the machine.

        Args:
            remote: the shell line. It is seen in lists of processes, so no secret may be in it.
        """
        return [*self.ssh(*options), f"sudo bash -c {shlex.quote(remote)}"]

    def run(self, remote: str, *options: str, timeout: float = 60, check: bool = True, text: str = "") -> str:
        """Run a shell line as root on the machine and return what it prints.

        Raises:
            subprocess.CalledProcessError: it failed; its output is in the exception's text.
            subprocess.TimeoutExpired: it took longer.
        """
        run = subprocess.run(
            self.command(remote, *options), input=text, capture_output=True, text=True, timeout=timeout, check=False
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


def by_name(nodes: Sequence[Node], name: str) -> Node:
    return next(node for node in nodes if node.name == name)
