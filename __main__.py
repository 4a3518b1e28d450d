"""A MySQL on Azure that survives the loss of a machine."""

import pulumi
from pulumi_azure_native import resources

from components.azure.encryption import Encryption, EncryptionArgs
from components.azure.endpoint import MYSQL_PORT, Endpoint, EndpointArgs
from components.azure.existing import find
from components.azure.fencing import Fencing, FencingArgs
from components.azure.network import Network, NetworkArgs
from components.azure.nodes import Nodes, NodesArgs
from components.azure.tags import tag_everything
from components.cluster.cluster import Cluster, ClusterArgs
from components.settings import losses, recorded
from components.settings.load import load

before = recorded.read()
settings = load(before=before)
existing = find(settings)
tag_everything(settings.tags)
tell_what_goes = losses.tell(before, settings.data_disk.deleted)
# An address is of one zone or of all three; two would be none of Azure's.
address_zones = ("1", "2", "3") if len(settings.zones or ()) > 1 else settings.zones or ()

group = existing.group or resources.ResourceGroup(
    "group",
    resource_group_name=f"rg-{settings.cluster_name}",
    location=settings.location,
)
subnet_id = (
    existing.subnet_id
    or Network(
        "network",
        NetworkArgs(
            cluster_name=settings.cluster_name,
            location=settings.location,
            resource_group_name=group.name,
            address_space=settings.network.address_space,
            subnet=settings.network.subnet,
            admin_cidrs=settings.ssh.admin_cidrs,
            client_cidrs=settings.endpoint.client_cidrs,
            probe_port=settings.endpoint.probe_port,
            node_addresses=[node.private_address for node in settings.nodes],
            witness_address=settings.witness.machine.private_address if settings.witness else None,
        ),
    ).subnet_id
)
endpoint = Endpoint(
    "endpoint",
    EndpointArgs(
        cluster_name=settings.cluster_name,
        location=settings.location,
        resource_group_name=group.name,
        resource_group_id=group.id,
        subnet_id=subnet_id,
        private_address=settings.network.endpoint_address,
        probe_port=settings.endpoint.probe_port,
        ssh_ports=settings.ssh.ports,
        lock_address=settings.deletion_lock,
        zones=address_zones,
    ),
)
encryption = (
    Encryption(
        "encryption",
        EncryptionArgs(
            cluster_name=settings.cluster_name,
            location=settings.location,
            resource_group_name=group.name,
            subscription_id=settings.encryption.vault.subscription,
            key_url=settings.encryption.key_url,
            key_id=settings.encryption.key_id,
        ),
    )
    if settings.encryption
    else None
)
nodes = Nodes(
    "nodes",
    NodesArgs(
        cluster_name=settings.cluster_name,
        location=settings.location,
        resource_group_name=group.name,
        nodes=settings.nodes,
        witness=settings.witness,
        zones=settings.zones,
        vm_size=settings.vm.size,
        image=settings.operating_system.image,
        image_version=settings.vm.image_version,
        os_disk_sku=settings.vm.os_disk_sku,
        data_disk_size_gib=settings.data_disk.size_gib,
        data_disk_sku=settings.data_disk.sku,
        protect_data=settings.data_disk.protect,
        lock_data=settings.deletion_lock,
        disk_encryption_set_id=encryption.set_id if encryption else None,
        accelerated_networking=settings.vm.accelerated_networking,
        admin_user=settings.vm.admin_user,
        ssh_public_key=settings.ssh.public_key,
        ssh_private_key=settings.ssh.private_key,
        ssh_previous_public_key=settings.ssh.previous_public_key,
        ssh_previous_private_key=settings.ssh.previous_private_key,
        ssh_access=settings.ssh.access,
        ssh_ports=settings.ssh.ports,
        subnet_id=subnet_id,
        pool_id=endpoint.pool_id,
        ssh_rule_ids=endpoint.ssh_rule_ids,
        endpoint_host=endpoint.host,
        public=settings.endpoint.public,
        existing=before.machines,
    ),
)
fencing = (
    Fencing(
        "fencing",
        FencingArgs(
            settings.cluster_name,
            resource_group_id=group.id,
            machines=nodes.machines,
            existing_role_id=existing.role_id,
        ),
    )
    if settings.fencing.enabled
    else None
)
first, second = nodes.cluster_nodes
cluster = Cluster(
    "cluster",
    ClusterArgs(
        nodes=(first, second),
        witness=nodes.witness,
        settings=settings,
        fence_device=fencing.device if fencing else None,
        endpoint_host=endpoint.host,
    ),
)

database = settings.database
secret_hint = "pulumi config get azure-mysql-ha:"
pulumi.export("endpoint", {"host": endpoint.host, "port": MYSQL_PORT})
pulumi.export(
    "connect",
    pulumi.Output.concat("mysql --host ", endpoint.host, f" --user {database.user} --password {database.name}"),
)
pulumi.export("database", {"name": database.name, "user": database.user})
pulumi.export("ssh", nodes.ssh_commands)
pulumi.export("witness", nodes.witness.name if nodes.witness else None)
pulumi.export(
    "secrets",
    {
        "database password": f"{secret_hint}databasePassword",
        "SSH private key": f"{secret_hint}sshPrivateKey",
    },
)
# The engine's own refusal knows no setting of ours.
pulumi.export(
    "protection",
    "on: before pulumi destroy, pulumi config set azure-mysql-ha:protectData false, then pulumi up"
    if settings.data_disk.protect
    else "off: pulumi destroy deletes the data disks too",
)
pulumi.export(
    "fencing",
    f"on: {fencing.device.agent}, proved on each node"
    if fencing
    else "OFF (fencing: off): a network split can let both nodes serve",
)
tell_what_goes()
