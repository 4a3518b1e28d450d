"""The machines of the cluster: Azure on the one side, ClusterNode on the other."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pulumi
import pulumi_command as command
from pulumi_azure_native import compute, network

from components.address import public_address
from components.operating_system import Image
from components.remote import ClusterNode
from components.settings import NodeSettings
from components.templates import render

DATA_DISK_LUN = 0

# A machine that has just been made needs a while before it lets anybody in: at most 5 s between dials, so 10 minutes.
_DIALS = 120


@dataclass(frozen=True)
class NodesArgs:
    """What the nodes are made of.

    Args:
        cluster_name: part of every name.
        location: Azure region.
        resource_group_name: where they are made.
        nodes: the nodes' names, addresses, zones and host keys.
        zones: availability zones in use; None for an availability set.
        vm_size: Azure's name of the size, such as "Standard_D2s_v5".
        image: what the machines boot.
        os_disk_sku: SKU of the operating system's disk.
        data_disk_size_gib: size of each data disk, in GiB.
        data_disk_sku: SKU of the data disks.
        protect_data: whether Pulumi refuses to delete the data disks.
        admin_user: the account that SSH logs in to.
        ssh_public_key: public key of that account, in OpenSSH's form.
        ssh_private_key: its private half, secret.
        ssh_access: "nat-rules" for one address with a port per node, "node-addresses" for an address per node.
        ssh_ports: frontend port per node name, for "nat-rules".
        subnet_id: the nodes' subnet.
        pool_id: the balancer's pool.
        ssh_rule_ids: inbound NAT rule per node name, for "nat-rules".
        endpoint_host: address of the NAT rules.
        public: whether node addresses are public ones.
    """

    cluster_name: str
    location: str
    resource_group_name: pulumi.Input[str]
    nodes: Sequence[NodeSettings]
    zones: Sequence[str] | None
    vm_size: str
    image: Image
    os_disk_sku: str
    data_disk_size_gib: int
    data_disk_sku: str
    protect_data: bool
    admin_user: str
    ssh_public_key: str
    ssh_private_key: pulumi.Input[str]
    ssh_access: Literal["nat-rules", "node-addresses"]
    ssh_ports: Mapping[str, int]
    subnet_id: pulumi.Input[str]
    pool_id: pulumi.Input[str]
    ssh_rule_ids: Mapping[str, pulumi.Input[str]]
    endpoint_host: pulumi.Input[str]
    public: bool


class Nodes(pulumi.ComponentResource):
    """Two virtual machines in an availability set or in zones, each with a data disk of its own.

    Attributes:
        cluster_nodes: what the configuration of the cluster knows of them.
        ssh_commands: how a person logs in, by node name.
    """

    cluster_nodes: list[ClusterNode]
    ssh_commands: dict[str, pulumi.Output[str]]

    def __init__(self, name: str, args: NodesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("azure-mysql-ha:index:Nodes", name, None, opts)
        availability_set = None
        if args.zones is None:
            availability_set = compute.AvailabilitySet(
                f"{name}-availability-set",
                availability_set_name=f"avail-{args.cluster_name}",
                resource_group_name=args.resource_group_name,
                location=args.location,
                # Two racks for two nodes. "Aligned" keeps their managed disks apart as well.
                platform_fault_domain_count=2,
                platform_update_domain_count=5,
                sku=compute.SkuArgs(name="Aligned"),
                # Azure fills it in as machines join: not a drift.
                opts=pulumi.ResourceOptions(parent=self, ignore_changes=["virtualMachines"]),
            )
        self.cluster_nodes = []
        self.ssh_commands = {}
        for node in args.nodes:
            self._make_node(node, args, availability_set)
        self.register_outputs({})

    def _make_node(self, node: NodeSettings, args: NodesArgs, availability_set: compute.AvailabilitySet | None) -> None:
        child = pulumi.ResourceOptions(parent=self)
        zones = [node.zone] if node.zone else None

        address = None
        if args.ssh_access == "node-addresses" and args.public:
            address = public_address(
                f"{node.name}-address",
                azure_name=f"pip-{node.name}",
                resource_group_name=args.resource_group_name,
                location=args.location,
                parent=self,
                zones=zones,
            )
        ssh_rule = args.ssh_rule_ids.get(node.name)
        interface = network.NetworkInterface(
            f"{node.name}-interface",
            network_interface_name=f"nic-{node.name}",
            resource_group_name=args.resource_group_name,
            location=args.location,
            ip_configurations=[
                network.NetworkInterfaceIPConfigurationArgs(
                    name="primary",
                    primary=True,
                    subnet=network.SubnetArgs(id=args.subnet_id),
                    private_ip_address=node.private_address,
                    private_ip_allocation_method=network.IPAllocationMethod.STATIC,
                    public_ip_address=network.PublicIPAddressArgs(id=address.id) if address else None,
                    load_balancer_backend_address_pools=[network.BackendAddressPoolArgs(id=args.pool_id)],
                    load_balancer_inbound_nat_rules=[network.InboundNatRuleArgs(id=ssh_rule)] if ssh_rule else None,
                )
            ],
            opts=child,
        )
        data_disk = compute.Disk(
            f"{node.name}-data",
            disk_name=f"disk-{node.name}-data",
            resource_group_name=args.resource_group_name,
            location=args.location,
            creation_data=compute.CreationDataArgs(create_option=compute.DiskCreateOption.EMPTY),
            disk_size_gb=args.data_disk_size_gib,
            sku=compute.DiskSkuArgs(name=args.data_disk_sku),
            zones=zones,
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect_data),
        )
        user_data = pulumi.Output.secret(node.host_key.private).apply(
            lambda private_key: render(
                "host/user-data.yaml.j2",
                {"host_key_private": private_key, "host_key_public": node.host_key.public},
            )
        )
        machine = compute.VirtualMachine(
            node.name,
            vm_name=node.name,
            resource_group_name=args.resource_group_name,
            location=args.location,
            zones=zones,
            availability_set=compute.SubResourceArgs(id=availability_set.id) if availability_set else None,
            # Fencing lets each node stop and start the other as itself, with no password to keep.
            identity=compute.VirtualMachineIdentityArgs(type=compute.ResourceIdentityType.SYSTEM_ASSIGNED),
            hardware_profile=compute.HardwareProfileArgs(vm_size=args.vm_size),
            os_profile=compute.OSProfileArgs(
                computer_name=node.name,
                admin_username=args.admin_user,
                custom_data=user_data.apply(lambda text: base64.b64encode(text.encode()).decode()),
                linux_configuration=compute.LinuxConfigurationArgs(
                    disable_password_authentication=True,
                    ssh=compute.SshConfigurationArgs(
                        public_keys=[
                            compute.SshPublicKeyArgs(
                                path=f"/home/{args.admin_user}/.ssh/authorized_keys", key_data=args.ssh_public_key
                            )
                        ]
                    ),
                ),
            ),
            storage_profile=compute.StorageProfileArgs(
                image_reference=compute.ImageReferenceArgs(
                    publisher=args.image.publisher,
                    offer=args.image.offer,
                    sku=args.image.sku,
                    version=args.image.version,
                ),
                os_disk=compute.OSDiskArgs(
                    name=f"osdisk-{node.name}",
                    create_option=compute.DiskCreateOptionTypes.FROM_IMAGE,
                    managed_disk=compute.ManagedDiskParametersArgs(storage_account_type=args.os_disk_sku),
                    delete_option=compute.DiskDeleteOptionTypes.DELETE,
                ),
                data_disks=[
                    compute.DataDiskArgs(
                        lun=DATA_DISK_LUN,
                        create_option=compute.DiskCreateOptionTypes.ATTACH,
                        managed_disk=compute.ManagedDiskParametersArgs(id=data_disk.id),
                        delete_option=compute.DiskDeleteOptionTypes.DETACH,
                        # A write that the host's cache has acknowledged may be lost with the host.
                        caching=compute.CachingTypes.NONE,
                    )
                ],
            ),
            network_profile=compute.NetworkProfileArgs(
                network_interfaces=[compute.NetworkInterfaceReferenceArgs(id=interface.id, primary=True)]
            ),
            opts=pulumi.ResourceOptions(
                parent=self,
                # Its name, its address and its disk can belong to one machine at a time.
                delete_before_replace=True,
                # Read at the first boot only; Azure refuses to change it on a machine that exists.
                ignore_changes=["osProfile.customData"],
            ),
        )

        if args.ssh_access == "nat-rules":
            host, port = pulumi.Output.from_input(args.endpoint_host), args.ssh_ports[node.name]
        else:
            host, port = pulumi.Output.from_input(node.private_address), 22
            if address:
                host = address.ip_address.apply(lambda ip: ip or "")
        self.cluster_nodes.append(
            ClusterNode(
                name=node.name,
                private_address=node.private_address,
                connection=command.remote.ConnectionArgs(
                    host=host,
                    port=port,
                    user=args.admin_user,
                    private_key=args.ssh_private_key,
                    host_key=node.host_key.public,
                    dial_error_limit=_DIALS,
                ),
                host_key=node.host_key.public,
                data_disk_lun=DATA_DISK_LUN,
                machine_id=machine.vm_id,
                ready=(machine,),
            )
        )
        self.ssh_commands[node.name] = pulumi.Output.concat("ssh -p ", str(port), " ", args.admin_user, "@", host)
