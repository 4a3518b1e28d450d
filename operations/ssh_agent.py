"""Private keys for SSH, for as long as a program runs: in the memory of an agent of its own, and in no file.

A program that is killed, with -9 too, takes its agent along.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# Lives for as long as the program does: standard input ends when that does, however it does. A session of its own keeps
# it from what is sent to the program's process group. ssh-agent itself looks every 10 s whether the command that it was
# given is there still (parent_alive_interval in OpenSSH's ssh-agent.c), so it ends without this one, too.
_UNTIL_THE_PROGRAM_ENDS = 'echo ready; cat >/dev/null; kill "$SSH_AGENT_PID"; rm -rf "$1"'


class AgentError(Exception):
    """There is no agent, or it does not take a key. The text is one line."""


@dataclass(frozen=True)
class Agent:
    """An agent of this program's own.

    Args:
        folder: of this user alone, and gone with the agent: for what else ssh needs, and is no secret.
    """

    folder: Path

    @property
    def socket(self) -> Path:
        """Where it listens."""
        return self.folder / "agent"

    @property
    def options(self) -> tuple[str, ...]:
        """Options by which ssh asks this agent, and nothing of a person: neither files nor an agent."""
        return ("-F", "none", f"-oIdentityAgent={self.socket}", "-oIdentityFile=none")


@contextmanager
def agent(private_keys: Iterable[str]) -> Generator[Agent]:
    """Have an agent with some keys.

    Args:
        private_keys: in OpenSSH's form, the one to be tried first before the others.

    Yields:
        The agent. ssh-agent and ssh-add get nothing of this program's environment but PATH.

    Raises:
        AgentError: OpenSSH's client is missing, or a key is none.
    """
    own = Agent(Path(tempfile.mkdtemp(prefix="azure-mysql-ha-")))  # of mode 0700
    path = {"PATH": os.environ.get("PATH", os.defpath)}
    try:
        process = subprocess.Popen(
            ["ssh-agent", "-a", str(own.socket), "/bin/sh", "-c", _UNTIL_THE_PROGRAM_ENDS, "sh", str(own.folder)],
            env=path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            start_new_session=True,
        )  # fmt: skip
    except FileNotFoundError:
        own.folder.rmdir()
        raise AgentError("ssh-agent is missing: install OpenSSH's client") from None
    assert process.stdin and process.stdout and process.stderr
    with process:
        try:
            if not process.stdout.readline():
                shutil.rmtree(own.folder)
                raise AgentError(f"ssh-agent: {process.stderr.read().strip()}")
            for key in dict.fromkeys(private_keys):
                _add(key, {**path, "SSH_AUTH_SOCK": str(own.socket)})
            yield own
        finally:
            process.stdin.close()


def _add(private_key: str, environment: dict[str, str]) -> None:
    run = subprocess.run(
        ["ssh-add", "-q", "-"],
        env=environment, input=f"{private_key.strip()}\n", capture_output=True, text=True, check=False,
    )  # fmt: skip
    if run.returncode != 0:
        raise AgentError(f"ssh-add: {' '.join(run.stderr.split()) or 'the key is not taken'}")
