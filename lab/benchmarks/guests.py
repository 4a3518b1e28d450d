"""Machines without a cloud: what the candidates beside our cluster run on."""

import functools
import json
import secrets
import subprocess
import time
import uuid
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from components import certificates, ports
from components.certificates import Authority
from components.places import MOUNT_POINT, TLS_AUTHORITY_FILE, TLS_FILE
from components.settings import operating_system, sshkeys, vm_size
from components.settings.data_disk import speed
from components.settings.server_size import ServerSize
from components.templates import render
from lab import fabric, image, kernel, tls
from lab.application import Client
from lab.cloud import catalogue, namespace
from lab.cloud.guest import GuestInterface, seed
from lab.engine import tracked_settings
from lab.lab import Lab, wait_until
from lab.machine import Interface, Machine, MachineSpec
from lab.seed import write_seed
from operations.ssh import Node
from operations.ssh_agent import lasting_agent

SUBNET = IPv4Network("10.32.0.0/24")
GATEWAY = SUBNET[1]

_BRIDGE = "bench"
_ADMIN = "azureuser"
_SCRIPTS = Path(__file__).parent
_SETTINGS = tracked_settings("lab")

SYSTEM = "debian-12"
"""What nodes run, ours and the others': Galera is a MariaDB."""

_BOOT_SECONDS = 180

ACCOUNT = ("app", secrets.token_urlsafe(18))
"""User and password of the database `app`."""


@functools.cache
def _authority() -> Authority:
    """Return the authority of all servers of this run."""
    return certificates.read_authority(certificates.make_authority())


def node_memory_mib() -> int:
    """Return what a node of our cluster has in the lab, in MiB."""
    size = catalogue.size(_SETTINGS["vmSize"])
    assert size
    return size.lab_memory_mib


def server_files(address: IPv4Address) -> dict[str, str]:
    """Return the files of a server at an address, with the settings of our cluster's, by path."""
    database = operating_system.load(SYSTEM).database
    given = {
        name: str(value).lower() if isinstance(value, bool) else value
        for name, value in _SETTINGS["mysqlOptions"].items()
    }
    size = ServerSize(
        memory_mib=vm_size.parse(_SETTINGS["vmSize"]).memory_mib,
        disk=speed(_SETTINGS["dataDiskSku"], _SETTINGS["dataDiskSizeGb"]),
        redo_log=database.redo_log,
        given=given,
    )
    context = {
        "database": database,
        "data_directory": f"{MOUNT_POINT}/data",
        "options": size.options,
        "ports": ports,
        "backup": False,
        "tls_file": TLS_FILE,
        "tls_authority_file": TLS_AUTHORITY_FILE,
    }
    key = certificates.read_key(certificates.make_key())
    user, password = ACCOUNT
    return {
        database.config_file: render("mysql/server.cnf.j2", context),
        TLS_FILE: certificates.issue(_authority(), key, "bench", [str(address)]) + key.key,
        TLS_AUTHORITY_FILE: _authority().certificate,
        "/root/server.sh": (_SCRIPTS / "server.sh").read_text(),
        "/root/accounts.sql": (
            f"create database app; create user '{user}'@'%' identified by '{password}';"
            f" grant all privileges on app.* to '{user}'@'%';\n"
        ),
    }


class Guest:
    """A machine in the lab's namespace, with the administrator's way into it.

    Args:
        lab: a lab without a cloud; its namespace is there.
        guest: the image, `SYSTEM` or `image.ARBITRATOR`.
        files: what is written at the first boot, by path; only root can read it.
        data_disk: whether it has a data disk, of the size of our cluster's.
    """

    def __init__(
        self,
        lab: Lab,
        *,
        name: str,
        address: IPv4Address,
        guest: str,
        memory_mib: int,
        files: Mapping[str, str],
        data_disk: bool,
    ) -> None:
        self.lab, self.name, self.address = lab, name, address
        number = int(address) - int(SUBNET.network_address)
        folder = lab.paths.machines
        folder.mkdir(parents=True, exist_ok=True)
        tap, mac = f"tap{number}", f"52:54:00:00:00:{number:02x}"
        fabric.add_bridge(lab.paths.namespace, _BRIDGE, f"{GATEWAY}/{SUBNET.prefixlen}")
        fabric.add_tap(lab.paths.namespace, tap, _BRIDGE)

        administrator, host = folder / "administrator", folder / f"{name}.host"
        for key in (administrator, host):
            if not key.exists():
                subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(key)], check=True)
        public = sshkeys.parse(host.read_text()).public
        keys = lasting_agent((administrator.read_text(),), ((name, public),))
        self.node = Node(name, f"ssh {_ADMIN}@{address}", keys, lab.prefix)
        told = {
            "ssh_deletekeys": True,
            "ssh_keys": {"ed25519_private": host.read_text(), "ed25519_public": public},
            "write_files": [
                {"path": path, "content": text, "permissions": "0644" if path.startswith("/etc/") else "0600"}
                for path, text in files.items()
            ],
        }
        texts = seed(
            vm_id=str(uuid.uuid4()),
            host_name=name,
            admin=_ADMIN,
            ssh_keys=(sshkeys.parse(administrator.read_text()).public,),
            ca_certificate="",
            custom_data=("#cloud-config\n" + json.dumps(told)).encode(),
            interface=GuestInterface(mac, address, SUBNET, GATEWAY),
        )
        write_seed(
            folder / f"{name}.seed",
            meta_data=texts.meta_data,
            user_data=texts.user_data,
            vendor_data=texts.vendor_data,
            network_config=texts.network_config,
        )
        disks: dict[int, Path] = {}
        if data_disk:
            disks[0] = folder / f"{name}.data"
            with disks[0].open("wb") as file:
                file.truncate(int(_SETTINGS["dataDiskSizeGb"]) << 30)
        self.machine = Machine(
            MachineSpec(
                name=name,
                directory=folder / name,
                image=image.ensure(guest, lab.progress),
                memory_mib=memory_mib,
                interfaces=(Interface(tap, mac),),
                data_disks=disks,
                seed=folder / f"{name}.seed",
            ),
            kernel.ensure(lab.progress),
        )

    @property
    def target(self) -> Client:
        user, password = ACCOUNT
        authority = tls.context(_authority().certificate, str(self.address))
        return Client(str(self.address), ports.MYSQL, user, password, "app", authority)

    def start(self) -> None:
        with namespace.inside(self.lab.paths.namespace):
            self.machine.start()

    def wait(self) -> None:
        """Wait until it lets in, and its first boot is over.

        Raises:
            TimeoutError: not within 3 minutes; the text names its console.
        """
        begin = time.monotonic()
        wait_until(
            f"{self.name} lets in ({self.machine.console})", lambda: self.node.run("echo yes", check=False),
            _BOOT_SECONDS,
        )  # fmt: skip
        self.node.run("cloud-init status --wait", timeout=_BOOT_SECONDS, check=False)
        self.lab.progress(f"{self.name}: up after {time.monotonic() - begin:.0f} s")

    def sql(self, statement: str) -> str:
        """Return what a statement answers to the server's root; empty where there is no server."""
        return self.node.run(f'mariadb --batch --skip-column-names --execute="{statement}"', check=False).strip()

    def keep_journal(self) -> None:
        """Keep what it tells where it survives `down`."""
        self.lab.paths.logs.mkdir(parents=True, exist_ok=True)
        try:
            journal = self.node.run("journalctl --no-pager; cat /var/log/mysql/error.log", check=False)
        except subprocess.TimeoutExpired as error:
            journal = f"cannot be asked: {error}\n"
        (self.lab.paths.logs / f"{self.name}-journal.log").write_text(journal)
