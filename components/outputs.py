"""What `pulumi stack output` tells of a cluster."""

import pulumi

from components import ports
from components.azure.nodes import Nodes
from components.backup_store import BackupStore
from components.entrance import Entrance
from components.fence_device import FenceDevice
from components.settings.disks import DisksSection
from components.settings.settings import Settings


def export(
    settings: Settings,
    entrance: Entrance,
    nodes: Nodes,
    fence_device: FenceDevice | None,
    backup_store: BackupStore | None,
    monitoring: pulumi.Output[dict[str, object]] | None,
) -> None:
    name, user = settings.database.database_name, settings.database.database_user
    server = settings.machines.operating_system.database
    pulumi.export("endpoint", {"host": entrance.address, "name": entrance.name, "port": ports.MYSQL})
    client, verifies = server.client.rpartition("/")[2], f"--ssl-ca=ca.pem {server.client_verifies}"
    pulumi.export(
        "connect",
        pulumi.Output.concat(f"{client} --host ", entrance.name, f" {verifies} --user {user} --password {name}"),
    )
    # What clients know the server by: `make ca > ca.pem`.
    pulumi.export("ca", entrance.authority)
    accounts = {each: vars(account) for each, account in settings.database.database_accounts.items()}
    pulumi.export("database", {"name": name, "user": user, "accounts": accounts})
    pulumi.export("ssh", nodes.ssh_commands)
    pulumi.export("witness", nodes.witness.name if nodes.witness else None)
    pulumi.export(
        "secrets",
        {"database password": _shown_by("databasePassword"), "SSH private key": _shown_by("sshPrivateKey")},
    )
    pulumi.export("protection", _protection(settings.disks))
    pulumi.export(
        "fencing",
        f"on: {fence_device.agent}, proved on each node"
        if fence_device
        else "OFF (fencing: off): in a network split both nodes can serve",
    )
    pulumi.export("monitoring", monitoring or "OFF (monitoring: false)")
    # With this, another stack's restoreFrom restores it.
    pulumi.export("backup", backup_store.account_id if backup_store else "OFF (backup: false)")


def _shown_by(secret: str) -> str:
    return f"pulumi config get azure-mysql-ha:{secret} --stack {pulumi.get_stack()}"


def _protection(disks: DisksSection) -> str:
    """Say how `pulumi destroy` is allowed: the engine's own refusal knows no setting of ours."""
    if not disks.protect_data:
        return "off: pulumi destroy deletes the data disks too"
    keys = ["deletionLock"] * disks.deletion_lock + ["protectData"]
    commands = [f"pulumi config set azure-mysql-ha:{key} false --stack {pulumi.get_stack()}" for key in keys]
    return f"on: before pulumi destroy, {', '.join(commands)}, then pulumi up"
