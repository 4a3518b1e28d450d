"""What the cloud breaks on request, for drills."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address
from typing import Literal

from aiohttp import web

from lab.cloud import synfilter, zones
from lab.cloud.inventory import NETWORK, Inventory

Reach = Literal["ok", "unreachable"]


class Cut:
    """Whether the machines reach one of the platform's services; it outlasts the cloud process, and ends with the lab.

    Args:
        fact: where the store keeps it.
    """

    def __init__(self, inventory: Inventory, fact: str) -> None:
        self._inventory = inventory
        self._fact = fact
        self._listener: socket.socket | None = None
        self._mended = asyncio.Event()

    @property
    def reach(self) -> Reach:
        return "unreachable" if self._inventory.store.facts.get(self._fact) == "unreachable" else "ok"

    def guard(self, listener: socket.socket) -> None:
        """Take charge of the service's listening socket.

        Args:
            listener: bound; what machines send to it is dropped as long as the fault is on.
        """
        self._listener = listener
        self._filter()

    def set(self, reach: Reach) -> None:
        """Take the service away from the machines, or give it back; the engine and the tests always reach it.

        Args:
            reach: unreachable drops packets as a broken route does: callers wait, and are not refused.
        """
        self._inventory.store.facts[self._fact] = reach
        self._inventory.store.save()
        self._filter()
        if reach == "ok":
            self.release()

    def release(self) -> None:
        """End the connections of those that wait, who may ask anew."""
        self._mended.set()
        self._mended = asyncio.Event()

    def _networks(self) -> list[synfilter.Verdict]:
        return [
            (prefix, False)
            for network in self._inventory.of_type(NETWORK)
            for prefix in self._inventory.address_space(network)
        ]

    def _filter(self) -> None:
        if self._listener is None:
            return
        if self.reach == "ok":
            synfilter.attach(self._listener, synfilter.assemble([], otherwise=True))
        else:
            synfilter.attach(self._listener, synfilter.assemble(self._networks(), otherwise=True))

    def suffers(self, remote: str | None) -> bool:
        """Tell whether a caller is cut off now."""
        if self.reach == "ok" or remote is None:
            return False
        return any(IPv4Address(remote) in network for network, _ in self._networks())

    def is_stranded(self, remote: str | None) -> bool:
        """Tell whether a caller is a machine that has no way out of its network."""
        owner = self._inventory.machine_addresses().get(IPv4Address(remote)) if remote else None
        return owner is not None and self._inventory.egress_address(owner[1]) is None

    async def hold(self, request: web.Request) -> None:
        """Leave a caller that is cut off without an answer, and end its connection once the fault is repaired.

        The filter stops new connections only; those that stand would still be served.

        Raises:
            ConnectionResetError: the caller was cut off; its connection is no more.
        """
        if self.suffers(request.remote):
            await self._drop(request)

    async def _drop(self, request: web.Request) -> None:
        await self._mended.wait()
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError("cut off by a fault")

    @web.middleware
    async def middleware(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Hold every request of a caller that is cut off, or that has no way out of its network."""
        await self.hold(request)
        if self.is_stranded(request.remote):
            await self._drop(request)
        return await handler(request)


class Faults:
    """The faults that are on.

    Attributes:
        arm: Resource Manager, the login service and the tokens of the machines' identities.
        storage: the storage accounts.
        metrics: the endpoint that takes metrics.
    """

    def __init__(self, inventory: Inventory) -> None:
        self._store = inventory.store
        self.arm = Cut(inventory, "fault_arm")
        self.storage = Cut(inventory, "fault_storage")
        self.metrics = Cut(inventory, "fault_metrics")

    @property
    def zone(self) -> str:
        """The availability zone that is away; empty where none is."""
        return zones.away(self._store)

    def set_zone(self, zone: str) -> None:
        """Take a zone away, or bring all back, as far as the network goes; its machines are the caller's to end."""
        zones.set_away(self._store, zone)
        if not zone:
            self.arm.release()
            self.storage.release()
            self.metrics.release()

    @property
    def all(self) -> dict[str, str]:
        return {
            "arm": self.arm.reach,
            "storage": self.storage.reach,
            "metrics": self.metrics.reach,
            "zone": self.zone,
        }
