"""Keys for SSH, for as long as a program runs: private ones in the memory of an agent of its own, and in no file.

A program that is killed, with -9 too, takes its agent along.
"""

import atexit
import functools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Generator, Iterable, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from operations.error import OperationError

# Lives for as long as the program does: standard input ends when that does, however it does. A session of its own keeps
# it from what is sent to the program's process group. ssh-agent itself looks every 10 s whether the command that it was
# given is there still (parent_alive_interval in OpenSSH's ssh-agent.c), so it ends without this one, too.
_UNTIL_THE_PROGRAM_ENDS = 'echo ready; cat >/dev/null; kill "$SSH_AGENT_PID"; rm -rf "$1"'


class AgentError(OperationError):
    """There is no agent, or it does not take a key. The text is one line."""


@dataclass(frozen=True)
class Agent:
    """An agent of this program's own.

    Args:
        folder: of this user alone, and gone with the agent. Has the host keys, which are no secret.
    """

    folder: Path

    @property
    def socket(self) -> Path:
        """Where it listens."""
        return self.folder / "agent"

    @property
    def options(self) -> tuple[str, ...]:
        """Options by which ssh asks this agent and knows these host keys, and asks nothing of a person's."""
        return (
            "-F", "none", f"-oIdentityAgent={self.socket}", "-oIdentityFile=none",
            f"-oUserKnownHostsFile={self.folder / 'known_hosts'}", "-oGlobalKnownHostsFile=none",
            "-oStrictHostKeyChecking=yes",
        )  # fmt: skip


@contextmanager
def agent(private_keys: Iterable[str], host_keys: Mapping[str, str]) -> Generator[Agent]:
    """Have an agent with some keys.

    Args:
        private_keys: in OpenSSH's form, the one to be tried first before the others.
        host_keys: the machines' public keys in OpenSSH's form, by name.

    Yields:
        The agent. ssh-agent and ssh-add get nothing of this program's environment but PATH.

    Raises:
        AgentError: OpenSSH's client is missing, or a key is none.
    """
    own = Agent(Path(tempfile.mkdtemp(prefix="azure-mysql-ha-")))  # of mode 0700
    (own.folder / "known_hosts").write_text("".join(f"{name} {key}\n" for name, key in host_keys.items()))
    path = {"PATH": os.environ.get("PATH", os.defpath)}
    try:
        process = subprocess.Popen(
            ["ssh-agent", "-a", str(own.socket), "/bin/sh", "-c", _UNTIL_THE_PROGRAM_ENDS, "sh", str(own.folder)],
            env=path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            start_new_session=True,
        )  # fmt: skip
    except FileNotFoundError:
        shutil.rmtree(own.folder)
        raise AgentError("ssh-agent is missing: install the OpenSSH client") from None
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


_LASTING = ExitStack()
atexit.register(_LASTING.close)


@functools.cache
def lasting_agent(private_keys: tuple[str, ...], host_keys: tuple[tuple[str, str], ...]) -> Agent:
    """Return an agent that is there until this process ends, the same for the same keys.

    Args:
        host_keys: pairs of a machine's name and its public key in OpenSSH's form.
    """
    return _LASTING.enter_context(agent(private_keys, dict(host_keys)))


def _add(private_key: str, environment: dict[str, str]) -> None:
    run = subprocess.run(
        ["ssh-add", "-q", "-"],
        env=environment, input=f"{private_key.strip()}\n", capture_output=True, text=True, check=False,
    )  # fmt: skip
    if run.returncode != 0:
        raise AgentError(f"ssh-add: {' '.join(run.stderr.split()) or 'it does not accept the key'}")
