"""Public addresses: where clients find a public endpoint, and what the machines come from when they leave."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import network

from components.azure.deletion_lock import deletion_lock
from components.azure.place import Place
from components.settings.settings import Settings


@dataclass(frozen=True)
class AddressesArgs:
    """Which public addresses there are.

    Args:
        place: where they are made.
        settings: the stack's.
        egress: whether the machines' way out is this stack's business.
    """

    place: Place
    settings: Settings
    egress: bool


class Addresses(pulumi.ComponentResource):
    """All public addresses of the cluster.

    Attributes:
        endpoint: where clients find MySQL; None for an internal endpoint.
        own: each machine's own, by its name; empty if they have none.
        egress: what all machines come from when they leave; None if they have their own, or others see to that.
        ways_out: networks, in CIDR form, that the machines come from when they leave, as far as this stack knows.
    """

    endpoint: network.PublicIPAddress | None
    own: dict[str, network.PublicIPAddress]
    egress: network.PublicIPAddress | None
    ways_out: list[pulumi.Output[str]]

    def __init__(self, name: str, args: AddressesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("azure-mysql-ha:index:Addresses", name, None, opts)
        self._place, settings = args.place, args.settings
        cluster, zones = args.place.cluster_name, settings.machines.zones_of_address
        is_public = settings.endpoint.is_public
        label = settings.dns_label
        self.endpoint = self._make("endpoint-address", f"pip-{cluster}", zones, label) if is_public else None
        if self.endpoint and settings.disks.deletion_lock:
            deletion_lock("endpoint-address-lock", azure_name=f"pip-{cluster}", scope=self.endpoint.id, parent=self)
        has_own = is_public and settings.ssh.ssh_access == "node-addresses"
        self.own = {
            machine.name: self._make(f"{machine.name}-address", f"pip-{machine.name}", [machine.zone or ""])
            for machine in (settings.everyone if has_own else ())
        }
        has_egress = args.egress and not has_own
        self.egress = self._make("egress-address", f"pip-{cluster}-egress", zones) if has_egress else None
        leaving = [*self.own.values(), *([self.egress] if self.egress else [])]
        self.ways_out = [address.ip_address.apply(lambda ip: f"{ip or '0.0.0.0'}/32") for address in leaving]
        self.register_outputs({})

    def _make(
        self, name: str, azure_name: str, zones: Sequence[str], label: str | None = None
    ) -> network.PublicIPAddress:
        return network.PublicIPAddress(
            name,
            public_ip_address_name=azure_name,
            resource_group_name=self._place.group_name,
            location=self._place.location,
            # The one SKU that goes with a Standard load balancer.
            sku=network.PublicIPAddressSkuArgs(name=network.PublicIPAddressSkuName.STANDARD),
            public_ip_allocation_method=network.IPAllocationMethod.STATIC,
            # One zone, or all three. One of no zone is in a zone that nobody is told (azure.microsoft.com/updates,
            # "zone-behavior-change").
            zones=[zone for zone in zones if zone] or None,
            dns_settings=network.PublicIPAddressDnsSettingsArgs(domain_name_label=label) if label else None,
            opts=pulumi.ResourceOptions(parent=self),
        )
