"""A MySQL on Azure that survives the loss of a machine."""

import signal

from components import outputs
from components.azure.addresses import Addresses, AddressesArgs
from components.azure.alerts import Alerts, AlertsArgs
from components.azure.backup import Backup, BackupArgs
from components.azure.encryption import Encryption, EncryptionArgs
from components.azure.endpoint import Endpoint, EndpointArgs
from components.azure.existing import find
from components.azure.fencing import Fencing, FencingArgs
from components.azure.network import Network, NetworkArgs
from components.azure.nodes import Nodes, NodesArgs
from components.azure.place import make_place
from components.azure.restore import Restore, RestoreArgs
from components.azure.tags import tag_everything
from components.azure.workspace import WorkspaceAccess, WorkspaceArgs
from components.cluster.cluster import Cluster
from components.entrance import make_entrance
from components.remote import ScriptContext
from components.settings import losses, recorded
from components.settings.load import load

if __name__ == "__main__":
    # The engine interrupts the program of an update that has failed: nothing of that after the error's own line.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

before = recorded.read()
settings = load(before=before)
existing = find(settings)
tag_everything(settings.names.tags)
tell_what_goes = losses.tell(before, settings.deleted_disks, settings.database.all_accounts)

place = make_place(settings.names, existing.group)
addresses = Addresses("addresses", AddressesArgs(place, settings, egress=existing.subnet_id is None))
subnet_id = existing.subnet_id or Network("network", NetworkArgs(place, settings, addresses.ways_out)).subnet_id
endpoint = Endpoint("endpoint", EndpointArgs(place, settings, addresses, subnet_id))
entrance = make_entrance(settings, endpoint.host)
key = settings.encryption.key
nodes = Nodes(
    "nodes",
    NodesArgs(
        place,
        nodes=settings.nodes,
        witness=settings.witness,
        machines=settings.machines,
        disks=settings.disks,
        ssh=settings.ssh,
        subnet_id=subnet_id,
        endpoint=endpoint,
        own_addresses=addresses.own,
        encryption_set_id=Encryption("encryption", EncryptionArgs(place, key)).set_id if key else None,
        witness_writes=existing.workspace is not None,
        existing=before.machines,
    ),
)
fencing = FencingArgs(place, machines=nodes.machines, existing_role_id=existing.role_id)
fence_device = Fencing("fencing", fencing).device if settings.fencing.fencing else None
if settings.alerts.are_sent:
    Alerts("alerts", AlertsArgs(place, settings.alerts, endpoint.balancer, nodes.machines))
backup, source = settings.backup, settings.backup.restore_from
backup_store = Backup("backup", BackupArgs(place, settings, nodes.machines)).store if backup.backup else None
restore_store = Restore("restore", RestoreArgs(source, backup.restore_to, nodes.machines)).store if source else None
workspace, witness = existing.workspace, nodes.witness_machine
access = WorkspaceArgs(workspace, settings.names.witness, witness) if workspace and witness else None
metrics_store = WorkspaceAccess("workspace", access).store if access else None
cluster = Cluster(
    "cluster",
    ScriptContext(settings, nodes.cluster_nodes, nodes.witness),
    fence_device=fence_device,
    backup_store=backup_store,
    restore_store=restore_store,
    metrics_store=metrics_store,
    entrance=entrance,
    ways_out=addresses.ways_out,
)
outputs.export(settings, entrance, nodes, fence_device, backup_store, cluster.monitoring)
tell_what_goes()
