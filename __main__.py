"""A MySQL on Azure that survives the loss of a machine."""

import pulumi
from pulumi_azure_native import resources

from components.cluster import Cluster, ClusterArgs
from components.endpoint import MYSQL_PORT, Endpoint, EndpointArgs
from components.network import Network, NetworkArgs
from components.nodes import Nodes, NodesArgs
from components.settings import load
from components.tags import tag_everything

settings = load()
tag_everything(settings.tags)
# An address is of one zone or of all three; two would be none of Azure's.
address_zones = ("1", "2", "3") if len(settings.zones or ()) > 1 else settings.zones or ()
ssh_ports = {node.name: node.ssh_port for node in settings.nodes} if settings.ssh.access == "nat-rules" else {}

group = resources.ResourceGroup(
    "group",
    resource_group_name=f"rg-{settings.cluster_name}",
    location=settings.location,
)
network = Network(
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
    ),
)
endpoint = Endpoint(
    "endpoint",
    EndpointArgs(
        cluster_name=settings.cluster_name,
        location=settings.location,
        resource_group_name=group.name,
        resource_group_id=group.id,
        subnet_id=network.subnet_id,
        private_address=settings.network.endpoint_address,
        probe_port=settings.endpoint.probe_port,
        ssh_ports=ssh_ports,
        zones=address_zones,
    ),
)
nodes = Nodes(
    "nodes",
    NodesArgs(
        cluster_name=settings.cluster_name,
        location=settings.location,
        resource_group_name=group.name,
        nodes=settings.nodes,
        zones=settings.zones,
        vm_size=settings.vm.size,
        image=settings.operating_system.image,
        os_disk_sku=settings.vm.os_disk_sku,
        data_disk_size_gib=settings.data_disk.size_gib,
        data_disk_sku=settings.data_disk.sku,
        protect_data=settings.data_disk.protect,
        admin_user=settings.vm.admin_user,
        ssh_public_key=settings.ssh.public_key,
        ssh_private_key=settings.ssh.private_key,
        ssh_access=settings.ssh.access,
        ssh_ports=ssh_ports,
        subnet_id=network.subnet_id,
        pool_id=endpoint.pool_id,
        ssh_rule_ids=endpoint.ssh_rule_ids,
        endpoint_host=endpoint.host,
        public=settings.endpoint.public,
    ),
)
first, second = nodes.cluster_nodes
cluster = Cluster("cluster", ClusterArgs(nodes=(first, second), settings=settings, endpoint_host=endpoint.host))

database = settings.database
secret_hint = "pulumi config get azure-mysql-ha:"
pulumi.export("endpoint", {"host": endpoint.host, "port": MYSQL_PORT})
pulumi.export(
    "connect",
    pulumi.Output.concat("mysql --host ", endpoint.host, f" --user {database.user} --password {database.name}"),
)
pulumi.export("database", {"name": database.name, "user": database.user})
pulumi.export("ssh", nodes.ssh_commands)
pulumi.export(
    "secrets",
    {
        "database password": f"{secret_hint}databasePassword",
        "SSH private key": f"{secret_hint}sshPrivateKey",
    },
)
pulumi.export("fencing", "off (stonith-enabled=false): a network split can let both nodes serve")
