"""The machines of the cluster: Azure on the one side, ClusterNode on the other."""

import base64
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pulumi
import pulumi_command as command
from pulumi_azure_native import compute, network

from components.azure.address import public_address
from components.azure.deletion_lock import deletion_lock
from components.remote import ClusterNode, Machine
from components.settings.load import MachineSettings, WitnessSettings
from components.settings.operating_system import Image
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
        witness: the witness's, and its size; None for a cluster without one.
        zones: availability zones in use; None for an availability set.
        vm_size: Azure's name of the size, such as "Standard_D2s_v5".
        image: what the machines boot.
        image_version: its version, or "latest".
        os_disk_sku: SKU of the operating system's disk.
        data_disk_size_gib: size of each data disk, in GiB.
        data_disk_sku: SKU of the data disks.
        protect_data: whether Pulumi refuses to delete the data disks.
        lock_data: whether Azure does, whoever asks.
        disk_encryption_set_id: the set whose key encrypts all disks; None for Azure's own keys.
        accelerated_networking: whether the nodes' traffic goes past the host's switch.
        admin_user: the account that SSH logs in to.
        ssh_public_key: public key of that account, in OpenSSH's form.
        ssh_private_key: its private half, secret.
        ssh_previous_public_key: the public key before, while it is being changed; None otherwise.
        ssh_previous_private_key: its private half, secret.
        ssh_access: "nat-rules" for one address with a port per node, "node-addresses" for an address per node.
        ssh_ports: frontend port per node name, for "nat-rules".
        subnet_id: the nodes' subnet.
        pool_id: the balancer's pool.
        ssh_rule_ids: inbound NAT rule per node name, for "nat-rules".
        endpoint_host: address of the NAT rules.
        public: whether node addresses are public ones.
        existing: names of the machines that were there before this update.
    """

    cluster_name: str
    location: str
    resource_group_name: pulumi.Input[str]
    nodes: Sequence[MachineSettings]
    witness: WitnessSettings | None
    zones: Sequence[str] | None
    vm_size: str
    image: Image
    image_version: str
    os_disk_sku: str
    data_disk_size_gib: int
    data_disk_sku: str
    protect_data: bool
    lock_data: bool
    disk_encryption_set_id: pulumi.Input[str] | None
    accelerated_networking: bool
    admin_user: str
    ssh_public_key: str
    ssh_private_key: pulumi.Input[str]
    ssh_previous_public_key: str | None
    ssh_previous_private_key: pulumi.Input[str] | None
    ssh_access: Literal["nat-rules", "node-addresses"]
    ssh_ports: Mapping[str, int]
    subnet_id: pulumi.Input[str]
    pool_id: pulumi.Input[str]
    ssh_rule_ids: Mapping[str, pulumi.Input[str]]
    endpoint_host: pulumi.Input[str]
    public: bool
    existing: Collection[str]


@dataclass(frozen=True)
class _Door:
    """How a machine is reached by SSH.

    Args:
        host: address to connect to.
        port: its port.
        address: the public address of the machine's own, if it has one.
    """

    host: pulumi.Output[str]
    port: int
    address: network.PublicIPAddress | None


class Nodes(pulumi.ComponentResource):
    """Two virtual machines in an availability set or in zones, each with a data disk of its own; and the witness.

    Attributes:
        cluster_nodes: what the configuration of the cluster knows of them.
        machines: the nodes' virtual machines, by node name.
        witness: what it knows of the witness; None if there is none.
        ssh_commands: how a person logs in, by machine name.
    """

    cluster_nodes: list[ClusterNode]
    machines: dict[str, compute.VirtualMachine]
    witness: Machine | None
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
        self.machines = {}
        self.ssh_commands = {}
        machines = [*args.nodes, *([args.witness.machine] if args.witness else [])]
        doors = {machine.name: self._make_door(machine, args) for machine in machines}
        self.witness = self._make_witness(args.witness, args, doors) if args.witness else None
        for node in args.nodes:
            self._make_node(node, args, doors, availability_set)
        self.register_outputs({})

    def _make_door(self, machine: MachineSettings, args: NodesArgs) -> _Door:
        if args.ssh_access == "nat-rules":
            return _Door(pulumi.Output.from_input(args.endpoint_host), args.ssh_ports[machine.name], None)
        if not args.public:
            return _Door(pulumi.Output.from_input(machine.private_address), 22, None)
        address = public_address(
            f"{machine.name}-address",
            azure_name=f"pip-{machine.name}",
            resource_group_name=args.resource_group_name,
            location=args.location,
            parent=self,
            zones=[machine.zone] if machine.zone else None,
        )
        return _Door(address.ip_address.apply(lambda ip: ip or ""), 22, address)

    def _make_turn(self, node: MachineSettings, args: NodesArgs, doors: Mapping[str, _Door]) -> command.local.Command:
        """Make what Azure's restart or replacement of a node's machine waits for: operations/turn.

        It does nothing when it is made. Whatever restarts or replaces the machine is among its variables, and changes
        it before it changes the machine.
        """
        first, second = args.nodes
        machines = {
            each.name: {
                "host": doors[each.name].host,
                "port": str(doors[each.name].port),
                "user": args.admin_user,
                "host_key": each.host_key.public,
            }
            for each in args.nodes
        }
        image, exists = args.image, node.name in args.existing
        return command.local.Command(  # pyright: ignore[reportUnknownMemberType]
            f"{node.name}-turn",
            update="exec .venv/bin/python -m operations.turn",
            environment={
                "HA_NODE": node.name,
                "HA_PEER": second.name if node == first else first.name,
                "HA_FIRST": "yes" if node == first else "no",
                "HA_VM_SIZE": args.vm_size,
                "HA_IMAGE": ":".join((image.publisher, image.offer, image.sku, args.image_version)),
                "HA_OS_DISK_SKU": args.os_disk_sku,
                "HA_SSH": pulumi.Output.json_dumps(machines),
                "HA_SSH_PRIVATE_KEY": args.ssh_private_key,
                # While a new key is not yet on the machines, the one before opens them.
                "HA_SSH_PREVIOUS_PRIVATE_KEY": args.ssh_previous_private_key or "",
            },
            add_previous_output_in_env=False,
            opts=pulumi.ResourceOptions(
                parent=self,
                # A turn wants the witness's vote: what is done to the witness's machine is done before.
                depends_on=self.witness.ready if self.witness and exists else None,
                # A machine that is not there takes nothing along when it is made.
                ignore_changes=None if exists else ["environment"],
            ),
        )

    def _make_node(
        self,
        node: MachineSettings,
        args: NodesArgs,
        doors: Mapping[str, _Door],
        availability_set: compute.AvailabilitySet | None,
    ) -> None:
        disk_name = f"disk-{node.name}-data"
        data_disk = compute.Disk(
            f"{node.name}-data",
            disk_name=disk_name,
            resource_group_name=args.resource_group_name,
            location=args.location,
            creation_data=compute.CreationDataArgs(create_option=compute.DiskCreateOption.EMPTY),
            disk_size_gb=args.data_disk_size_gib,
            sku=compute.DiskSkuArgs(name=args.data_disk_sku),
            encryption=compute.EncryptionArgs(
                type=compute.EncryptionType.ENCRYPTION_AT_REST_WITH_CUSTOMER_KEY,
                disk_encryption_set_id=args.disk_encryption_set_id,
            )
            if args.disk_encryption_set_id
            else None,
            zones=[node.zone] if node.zone else None,
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect_data),
        )
        if args.lock_data:
            deletion_lock(f"{node.name}-data-lock", azure_name=disk_name, scope=data_disk.id, parent=self)
        virtual, machine = self._make_machine(
            node,
            args,
            doors[node.name],
            vm_size=args.vm_size,
            accelerated_networking=args.accelerated_networking,
            turn=self._make_turn(node, args, doors),
            # Fencing lets each node stop and start the other as itself, with no password to keep.
            identity=compute.VirtualMachineIdentityArgs(type=compute.ResourceIdentityType.SYSTEM_ASSIGNED),
            availability_set=availability_set,
            data_disk=data_disk,
            pool_ids=[args.pool_id],
        )
        self.machines[node.name] = virtual
        self.cluster_nodes.append(
            ClusterNode(
                name=machine.name,
                private_address=machine.private_address,
                connection=machine.connection,
                host_key=machine.host_key,
                machine_id=virtual.vm_id,
                ready=machine.ready,
                previous_connection=machine.previous_connection,
                data_disk_lun=DATA_DISK_LUN,
            )
        )

    def _make_witness(self, witness: WitnessSettings, args: NodesArgs, doors: Mapping[str, _Door]) -> Machine:
        # Outside of the availability set on purpose. It has two racks, both of them a node's: a rack that fails would
        # take a node and the witness along, two of three votes. Alone, the witness is anywhere in the data centre.
        _, machine = self._make_machine(witness.machine, args, doors[witness.machine.name], vm_size=witness.vm_size)
        return machine

    def _make_machine(
        self,
        node: MachineSettings,
        args: NodesArgs,
        door: _Door,
        *,
        vm_size: str,
        accelerated_networking: bool = False,
        turn: pulumi.Resource | None = None,
        identity: compute.VirtualMachineIdentityArgs | None = None,
        availability_set: compute.AvailabilitySet | None = None,
        data_disk: compute.Disk | None = None,
        pool_ids: Sequence[pulumi.Input[str]] = (),
    ) -> tuple[compute.VirtualMachine, Machine]:
        """Make one machine with its interface, and what leads SSH to it.

        Args:
            node: its name, address, zone and host key.
            args: what is the same for all machines.
            door: how SSH reaches it.
            vm_size: Azure's name of its size.
            accelerated_networking: whether its traffic goes past the host's switch.
            turn: what waits until it may be restarted or replaced; None for a machine that may at any time.
            identity: as whom it may speak to Azure; None for as nobody.
            availability_set: the set that it joins, if any.
            data_disk: attached at `DATA_DISK_LUN`, if any.
            pool_ids: the balancer's pools that it joins.
        """
        child = pulumi.ResourceOptions(parent=self)
        zones = [node.zone] if node.zone else None

        ssh_rule = args.ssh_rule_ids.get(node.name)
        pools = [network.BackendAddressPoolArgs(id=id_) for id_ in pool_ids]
        interface = network.NetworkInterface(
            f"{node.name}-interface",
            network_interface_name=f"nic-{node.name}",
            resource_group_name=args.resource_group_name,
            location=args.location,
            enable_accelerated_networking=accelerated_networking,
            ip_configurations=[
                network.NetworkInterfaceIPConfigurationArgs(
                    name="primary",
                    primary=True,
                    subnet=network.SubnetArgs(id=args.subnet_id),
                    private_ip_address=node.private_address,
                    private_ip_allocation_method=network.IPAllocationMethod.STATIC,
                    public_ip_address=network.PublicIPAddressArgs(id=door.address.id) if door.address else None,
                    load_balancer_backend_address_pools=pools or None,
                    load_balancer_inbound_nat_rules=[network.InboundNatRuleArgs(id=ssh_rule)] if ssh_rule else None,
                )
            ],
            opts=child,
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
            identity=identity,
            hardware_profile=compute.HardwareProfileArgs(vm_size=vm_size),
            os_profile=compute.OSProfileArgs(
                computer_name=node.name,
                admin_username=args.admin_user,
                custom_data=user_data.apply(lambda text: base64.b64encode(text.encode()).decode()),
                linux_configuration=compute.LinuxConfigurationArgs(
                    disable_password_authentication=True,
                    ssh=compute.SshConfigurationArgs(
                        public_keys=[
                            compute.SshPublicKeyArgs(
                                path=f"/home/{args.admin_user}/.ssh/authorized_keys", key_data=public_key
                            )
                            for public_key in (args.ssh_public_key, args.ssh_previous_public_key)
                            if public_key
                        ]
                    ),
                ),
            ),
            storage_profile=compute.StorageProfileArgs(
                image_reference=compute.ImageReferenceArgs(
                    publisher=args.image.publisher,
                    offer=args.image.offer,
                    sku=args.image.sku,
                    version=args.image_version,
                ),
                os_disk=compute.OSDiskArgs(
                    name=f"osdisk-{node.name}",
                    create_option=compute.DiskCreateOptionTypes.FROM_IMAGE,
                    managed_disk=compute.ManagedDiskParametersArgs(
                        storage_account_type=args.os_disk_sku,
                        disk_encryption_set=compute.DiskEncryptionSetParametersArgs(id=args.disk_encryption_set_id)
                        if args.disk_encryption_set_id
                        else None,
                    ),
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
                ]
                if data_disk
                else None,
            ),
            network_profile=compute.NetworkProfileArgs(
                network_interfaces=[compute.NetworkInterfaceReferenceArgs(id=interface.id, primary=True)]
            ),
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[turn] if turn else None,
                # Its name, its address and its disk can belong to one machine at a time.
                delete_before_replace=True,
                # What Azure refuses to change on a machine that exists. The data disk stays, and goes to the new one.
                replace_on_changes=["storageProfile.imageReference", "storageProfile.osDisk.managedDisk"],
                # Custom data and key are read at the first boot only; Azure refuses to change them on a machine that
                # exists. A node that is made anew needs the witness's daemon, and the other node's turn waits for that
                # node: so a witness takes a new image only when it alone is made anew (operations/lost-witness.md).
                ignore_changes=[
                    "osProfile.customData",
                    "osProfile.linuxConfiguration.ssh",
                    *([] if turn else ["storageProfile.imageReference"]),
                ],
            ),
        )

        def connection(private_key: pulumi.Input[str]) -> command.remote.ConnectionArgs:
            return command.remote.ConnectionArgs(
                host=door.host,
                port=door.port,
                user=args.admin_user,
                private_key=private_key,
                host_key=node.host_key.public,
                dial_error_limit=_DIALS,
            )

        self.ssh_commands[node.name] = pulumi.Output.concat(
            "ssh -p ", str(door.port), " ", args.admin_user, "@", door.host
        )
        return machine, Machine(
            name=node.name,
            private_address=node.private_address,
            connection=connection(args.ssh_private_key),
            host_key=node.host_key.public,
            machine_id=machine.vm_id,
            ready=(machine,),
            previous_connection=connection(args.ssh_previous_private_key) if args.ssh_previous_private_key else None,
        )
