"""The machines of the cluster: Azure on the one side, ClusterNode on the other."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import compute, network

from components.azure.data_disk import make_data_disk
from components.azure.endpoint import Endpoint
from components.azure.machine import DATA_DISK_LUN, MachineArgs, NodeParts, make_machine
from components.azure.place import Place
from components.azure.ssh_endpoint import SshEndpoint, ssh_endpoint_of
from components.azure.turn import make_turn
from components.remote import ClusterNode, Machine
from components.settings.disks import DisksSection
from components.settings.machines import MachinesSection
from components.settings.settings import MachineSettings
from components.settings.ssh import SshSection
from components.ssh_look import SshLook


@dataclass(frozen=True)
class NodesArgs:
    """What the nodes are made of.

    Args:
        own_addresses: public addresses of the machines' own, by name; empty if they have none.
        encryption_set_id: the set whose key encrypts all disks; None for Azure's own keys.
        witness_writes: whether the witness writes metrics, for which it asks Azure as itself.
        existing: names of the machines that were there before this update.
    """

    place: Place
    nodes: Sequence[MachineSettings]
    witness: MachineSettings | None
    machines: MachinesSection
    disks: DisksSection
    ssh: SshSection
    subnet_id: pulumi.Input[str]
    endpoint: Endpoint
    own_addresses: Mapping[str, network.PublicIPAddress]
    encryption_set_id: pulumi.Input[str] | None
    witness_writes: bool
    existing: Collection[str]


class Nodes(pulumi.ComponentResource):
    """Two virtual machines in an availability set or in zones, each with a data disk of its own; and the witness.

    Attributes:
        machines: the nodes' virtual machines, by node name.
        witness_machine: the witness's; None for a cluster without one.
        ssh_commands: how a person logs in, by machine name.
    """

    cluster_nodes: tuple[ClusterNode, ClusterNode]
    machines: dict[str, compute.VirtualMachine]
    witness_machine: compute.VirtualMachine | None
    witness: Machine | None
    ssh_commands: dict[str, pulumi.Output[str]]

    def __init__(self, name: str, args: NodesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("azure-mysql-ha:index:Nodes", name, None, opts)
        self._args = args
        availability_set = None if args.machines.zones else self._make_availability_set(name, args.place)
        everyone = [*([args.witness] if args.witness else []), *args.nodes]
        self._ssh_endpoints = {machine.name: self._ssh_endpoint(machine) for machine in everyone}
        self.ssh_commands = {machine: endpoint.ssh_command for machine, endpoint in self._ssh_endpoints.items()}
        self.machines, self.witness_machine = {}, None
        self.witness = self._make_witness(args.witness) if args.witness else None
        first, second = (self._make_node(node, availability_set) for node in args.nodes)
        self.cluster_nodes = first, second
        self.register_outputs({})

    def _make_availability_set(self, name: str, place: Place) -> compute.AvailabilitySet:
        return compute.AvailabilitySet(
            f"{name}-availability-set",
            availability_set_name=f"avail-{place.cluster_name}",
            resource_group_name=place.group_name,
            location=place.location,
            # Two racks for two nodes. "Aligned" keeps their managed disks apart as well.
            platform_fault_domain_count=2,
            platform_update_domain_count=5,
            sku=compute.SkuArgs(name="Aligned"),
            # Azure fills it in as machines join: not a drift.
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["virtualMachines"]),
        )

    def _ssh_endpoint(self, machine: MachineSettings) -> SshEndpoint:
        args = self._args
        own_address = args.own_addresses.get(machine.name)
        return ssh_endpoint_of(machine, args.ssh, endpoint_host=args.endpoint.host, own_address=own_address)

    def _machine_args(self, settings: MachineSettings, *, has_identity: bool) -> MachineArgs:
        args = self._args
        return MachineArgs(
            place=args.place,
            settings=settings,
            machines=args.machines,
            ssh=args.ssh,
            ssh_endpoint=self._ssh_endpoints[settings.name],
            subnet_id=args.subnet_id,
            endpoint=args.endpoint,
            encryption_set_id=args.encryption_set_id,
            has_identity=has_identity,
        )

    def _make_witness(self, witness: MachineSettings) -> Machine:
        # Outside of the availability set on purpose. It has two racks, both of them a node's: a rack that fails would
        # take a node and the witness along, two of three votes. Alone, the witness is anywhere in the data centre.
        self.witness_machine = make_machine(self._machine_args(witness, has_identity=self._args.witness_writes), self)
        return self._seen_by_ssh(witness, self.witness_machine)

    def _make_node(self, node: MachineSettings, availability_set: compute.AvailabilitySet | None) -> ClusterNode:
        args = self._args
        data_disk = make_data_disk(node, args.place, args.disks, encryption_set_id=args.encryption_set_id, parent=self)
        exists = node.name in args.existing
        turn = make_turn(
            node,
            args.nodes,
            args.machines,
            args.ssh,
            ssh_endpoints=self._ssh_endpoints,
            exists=exists,
            # A turn wants the witness's vote: what is done to the witness's machine is done before.
            after=self.witness.ready if self.witness and exists else (),
            parent=self,
        )
        machine = make_machine(
            self._machine_args(node, has_identity=True), self, NodeParts(turn, data_disk, availability_set)
        )
        self.machines[node.name] = machine
        return ClusterNode(**vars(self._seen_by_ssh(node, machine)), data_disk_lun=DATA_DISK_LUN)

    def _seen_by_ssh(self, settings: MachineSettings, machine: compute.VirtualMachine) -> Machine:
        endpoint, ssh = self._ssh_endpoints[settings.name], self._args.ssh
        previous = ssh.ssh_previous_private_key
        return Machine(
            name=settings.name,
            private_address=settings.private_address,
            connection=endpoint.connection(ssh.ssh_private_key.private),
            host_key=settings.host_key.public,
            machine_id=machine.vm_id,
            ready=(machine,),
            previous_connection=endpoint.connection(previous.private) if previous else None,
            hooks=SshLook(settings.name).hook(),
        )
