"""A guest's own server without a cluster around it, for the scripts that ask nothing else."""

import subprocess
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components import certificates
from components.settings import operating_system
from components.settings.operating_system import DatabaseServer
from lab import image
from lab.lab import wait_until
from operations import drift
from tests.support.recording import as_sent, record
from tests.support.stack_configuration import throw_away_secrets

NODE = "mysql-lab-1"

_SERVES = f"#!/bin/sh\necho 'resource mysql-server is running on: {NODE}'\n"

# In the guest's tree, whose /mnt is a folder of ours.
_BEGIN = """set -eu
ip link set lo up
mount --bind /mnt/bin /usr/local/bin
install --directory --owner=mysql --group=mysql /run/mysqld /mnt/log
directory=/mnt/data
mkdir "$directory"
chown mysql:mysql "$directory"
{initialize}
exec {program} --no-defaults --user=mysql --datadir="$directory" --socket={socket} --pid-file=/run/mysqld/mysqld.pid \
--log-error=/mnt/log/error.log --general-log=ON --general-log-file=/mnt/log/general.log \
--slow-query-log=ON --slow-query-log-file=/mnt/log/slow.log --long-query-time=0 \
--bind-address=127.0.0.1 --skip-name-resolve --server-id=1 --log-bin=binlog \
--innodb-flush-log-at-trx-commit=0 --innodb-buffer-pool-size=64M --performance-schema=OFF \
--ssl-ca=/mnt/ca.pem --ssl-cert=/mnt/server.pem --ssl-key=/mnt/server.pem --require-secure-transport=ON
"""


@dataclass(frozen=True)
class OwnServer:
    """A server that runs, in namespaces of its own, on the node that serves as far as scripts can see.

    Args:
        pid: its process.
        folder: all that it has written, its logs and data.
    """

    system: str
    pid: int
    folder: Path

    @property
    def database(self) -> DatabaseServer:
        return operating_system.load(self.system).database

    def inside(self, *command: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command where the server runs."""
        enter = ["nsenter", f"--target={self.pid}", "--mount", "--net", "--root", "--wd"]
        return subprocess.run(
            [*enter, *command], capture_output=True, text=True, timeout=120, check=False, **options
        )  # fmt: skip

    def sql(self, statements: str) -> list[str]:
        """Run SQL as root, and return its rows."""
        run = self.inside(*self._client("root"), "--raw", f"--socket={self.database.socket}", input=statements)
        assert run.returncode == 0, run.stderr
        return run.stdout.splitlines()

    def login(self, user: str, password: str, statements: str) -> str:
        """Run SQL as an account that comes over the network, and return all that is said."""
        run = self.inside(*self._over_the_network(user), input=statements, env={"MYSQL_PWD": password})
        return run.stdout + run.stderr

    @contextmanager
    def logged_in(self, user: str, password: str) -> Generator[subprocess.Popen[str]]:
        """Have an account logged in while the body runs; what it runs comes by standard input."""
        enter = ["nsenter", f"--target={self.pid}", "--mount", "--net", "--root", "--wd"]
        with subprocess.Popen(
            [*enter, *self._over_the_network(user), "--unbuffered"], env={"MYSQL_PWD": password}, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        ) as session:  # fmt: skip
            yield session

    def _client(self, user: str) -> list[str]:
        return [self.database.client, "--no-defaults", f"--user={user}", "--batch", "--skip-column-names"]

    def _over_the_network(self, user: str) -> list[str]:
        return [*self._client(user), "--host=127.0.0.1", "--protocol=tcp", *self.database.client_tls.split()]

    def run(self, name: str, changes: Mapping[str, Any], *, look: bool = False) -> subprocess.CompletedProcess[str]:
        """Run a script of the lab's stack.

        Args:
            name: its end, such as "accounts".
            changes: settings in place of those of the stack's file.
            look: whether it is to look only, as for `make drift`.
        """
        made = record("lab", {"operatingSystem": self.system, **changes})
        inputs = next(each.inputs for each in made if each.name == f"{NODE}-{name}")
        text: str = drift.looking(inputs["stdin"]) if look else inputs["stdin"]
        words = drift.LOOKING_LINE.split()[1:] if look else ["bash", "-s"]
        return self.inside(*words, input=text, env=as_sent(inputs["environment"]))


@contextmanager
def own_server(system: str, folder: Path) -> Generator[OwnServer]:
    """Make a guest's server as the program makes it, and have it run while the body runs.

    Args:
        system: one of `image.systems()`.
        folder: an empty one.
    """
    database, secrets = operating_system.load(system).database, throw_away_secrets()
    folder.chmod(0o755)
    (folder / "bin").mkdir()
    (folder / "bin/crm_resource").write_text(_SERVES)
    (folder / "bin/crm_resource").chmod(0o755)
    authority = certificates.read_authority(secrets["tlsAuthority"])
    key = certificates.read_key(secrets["tlsCertificate"])
    (folder / "ca.pem").write_text(authority.certificate)
    (folder / "server.pem").write_text(certificates.issue(authority, key, "server", ["127.0.0.1"]) + key.key)
    begin = _BEGIN.format(
        initialize="\n".join(database.initialize), program=database.program, socket=database.socket
    )  # fmt: skip
    command = ["unshare", "--net", *image.ensure(system).inside(["sh", "-c", begin], folder)]
    # It replaces whatever started it, and so is the process that is started here.
    with (folder / "begin.log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        server = OwnServer(system, process.pid, folder)

        def answers() -> bool:
            assert process.poll() is None, (folder / "begin.log").read_text()
            asked = server.inside("test", "-S", database.socket)
            return asked.returncode == 0 and server.inside(
                *(database.client, "--no-defaults", "--user=root", f"--socket={database.socket}", "-e", "select 1")
            ).returncode == 0  # fmt: skip

        try:
            wait_until("the server", answers, 180)
            yield server
        finally:
            process.terminate()
