"""Makes the plan real: listeners, probes and flows, as a Standard Load Balancer behaves.

What a client sees (see Azure's pages on health probes, TCP reset and idle time-outs):

- A security group that refuses, no healthy backend, a machine that is off: the SYN is dropped, and the client waits.
- A flow that stands goes on when the probe fails ("all probes down, all TCP flows continue"), also while the machine
  is off: nobody tells the client, whose own time-outs must.  It ends with a reset when the machine is started again
  and does not know it, or when rule, pool or machine go away.
- A flow that rests too long is ended with a reset on both sides where the rule says enableTcpReset, else silently.
- One difference stays: the proxy has accepted before it knows whether the machine listens, so a closed port shows
  as a reset after the connection, not as a refusal of it.
- Another: behind an internal frontend, a machine sees the frontend's address where the client is in its own network.
  Security groups go by the client's own all the same.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from lab.cloud import plan, synfilter
from lab.cloud.flow import Flow, vanish
from lab.cloud.inventory import Inventory
from lab.cloud.plan import Backend, Listener, Probe
from lab.cloud.probes import Prober

LOG = logging.getLogger("cloud.balancer")

_BACKLOG = 512
_SWEEP_SECONDS = 5.0


def hashed(client: tuple[str, int], listener: Listener, count: int) -> int:
    """Return which of so many backends a flow goes to: the same for ever for the same flow."""
    value = 0x811C9DC5
    for word in (int(IPv4Address(client[0])), int(listener.address), listener.port, client[1]):
        for byte in word.to_bytes(4, "big"):
            value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return (value >> 16 ^ value) % count


@dataclass
class _Open:
    """A listener that is open."""

    spec: Listener
    socket: socket.socket
    accepting: asyncio.Task[None] | None = None
    flows: dict[Flow, Backend] = field(default_factory=dict[Flow, Backend])
    filter: Any = None


class Balancer:
    """All listeners of the cloud."""

    def __init__(self, inventory: Inventory, is_running: Callable[[str], bool]) -> None:
        self._inventory = inventory
        self._is_running = is_running
        self._open: dict[tuple[IPv4Address, int], _Open] = {}
        self._probers: dict[Probe, Prober] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._sweeper: asyncio.Task[None] | None = None
        self._wiring = asyncio.Lock()

    async def rewire(self) -> None:
        """Look at all resources again, and let listeners, probes and filters be as they say."""
        async with self._wiring:
            await self._rewire()

    async def _rewire(self) -> None:
        if self._sweeper is None:
            self._sweeper = asyncio.create_task(self._sweep(), name="idle flows")
        wanted = {(spec.address, spec.port): spec for spec in plan.listeners(self._inventory)}
        await self._close([self._open.pop(key) for key in list(self._open) if key not in wanted])
        self._reprobe({b.probe for spec in wanted.values() for b in spec.backends if b.probe is not None})
        for key, spec in wanted.items():
            entry = self._open.get(key)
            if entry is None:
                entry = self._listen(spec)
                if entry is None:
                    continue
                self._open[key] = entry
            entry.spec = spec
            left = {backend.interface for backend in spec.backends if backend.machine}
            for flow, backend in list(entry.flows.items()):
                if backend.interface not in left:
                    flow.abort()
        self.refilter()

    def refilter(self) -> None:
        """Let every listener see the packets that it should see now."""
        for entry in self._open.values():
            allowed = plan.verdicts(self._inventory, entry.spec, self._usable(entry.spec))
            if allowed != entry.filter:
                synfilter.attach(entry.socket, synfilter.assemble(*allowed))
                entry.filter = allowed

    def health(self, backend: Backend) -> bool:
        """Tell whether a backend may get new flows."""
        # A machine that is off counts at once.  On Azure its probe must fail first, and until then the client's SYN
        # goes nowhere; here the SYN would be answered, so it is better dropped.
        running = bool(backend.machine) and self._is_running(backend.machine)
        return running and (backend.probe is None or self._probers[backend.probe].healthy)

    def status(self) -> list[dict[str, Any]]:
        """Return the balancing rules with the health of their backends."""
        return [
            {
                "frontend": str(entry.spec.address),
                "port": entry.spec.port,
                "rule": entry.spec.name.rpartition("/")[2],
                "flows": len(entry.flows),
                "backends": [
                    {"vm": backend.machine, "address": str(backend.address), "healthy": self.health(backend)}
                    for backend in entry.spec.backends
                ],
            }
            for entry in self._open.values()
            if entry.spec.balanced
        ]

    def frontend(self, port: int) -> tuple[str, int] | None:
        """Return address and port of the first balancing rule with that frontend port."""
        for entry in self._open.values():
            if entry.spec.balanced and entry.spec.port == port:
                return str(entry.spec.address), port
        return None

    async def close(self) -> None:
        if self._sweeper is not None:
            self._sweeper.cancel()
        await self._close(list(self._open.values()))
        self._open.clear()
        self._reprobe(set())
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- listeners

    def _usable(self, spec: Listener) -> list[Backend]:
        return [backend for backend in spec.backends if self.health(backend)]

    def _listen(self, spec: Listener) -> _Open | None:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((str(spec.address), spec.port))
            # Nobody may come in before the filter is there.
            synfilter.attach(sock, synfilter.assemble([], otherwise=False))
            sock.listen(_BACKLOG)
        except OSError as error:
            sock.close()
            LOG.error("%s:%d of %s cannot be opened: %s", spec.address, spec.port, spec.name, error)
            return None
        entry = _Open(spec, sock)
        entry.accepting = asyncio.create_task(self._accept(entry), name=f"{spec.address}:{spec.port}")
        return entry

    async def _close(self, entries: list[_Open]) -> None:
        accepting = [entry.accepting for entry in entries if entry.accepting is not None]
        for task in accepting:
            task.cancel()
        # The event loop must have let go of a socket before it is closed.
        await asyncio.gather(*accepting, return_exceptions=True)
        for entry in entries:
            entry.socket.close()
            for flow in list(entry.flows):
                flow.abort()

    async def _accept(self, entry: _Open) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, client = await loop.sock_accept(entry.socket)
            except OSError as error:
                LOG.warning("%s:%d: %s", entry.spec.address, entry.spec.port, error)
                await asyncio.sleep(0.1)
                continue
            connection.setblocking(False)
            task = asyncio.create_task(self._serve(entry, connection, client))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def choose(self, spec: Listener, client: tuple[str, int]) -> tuple[str, Backend] | None:
        """Choose where a client's flow goes.

        Returns:
            the source address that the backend sees, and the backend; None where the flow has no way.
        """
        seen = plan.translated(self._inventory, spec, IPv4Address(client[0]))
        usable = self._usable(spec)
        if seen is None or not usable:
            return None
        backend = usable[hashed(client, spec, len(usable))]
        if not spec.public and backend.address == IPv4Address(client[0]):
            return None
        if not plan.admits(self._inventory, spec, backend, IPv4Network(seen)):
            return None
        if not spec.public and IPv4Address(client[0]) in self._inventory.machine_addresses():
            # The answer to a neighbour's address would go to the neighbour, past the proxy.
            return str(spec.address), backend
        return str(seen), backend

    async def _serve(self, entry: _Open, connection: socket.socket, client: tuple[str, int]) -> None:
        chosen = self.choose(entry.spec, client)
        if chosen is None:
            vanish(connection)
            return
        source, backend = chosen
        flow = Flow(source, (str(backend.address), backend.port))
        entry.flows[flow] = backend
        try:
            await flow.run(connection)
        finally:
            entry.flows.pop(flow, None)

    # --- probes and idle flows

    def _reprobe(self, wanted: set[Probe]) -> None:
        for probe in [probe for probe in self._probers if probe not in wanted]:
            self._probers.pop(probe).close()
        for probe in wanted:
            if probe not in self._probers:
                self._probers[probe] = Prober(probe, self._probe_admitted, self.refilter)

    def _probe_admitted(self, probe: Probe) -> bool:
        return plan.probe_admitted(self._inventory, probe)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            for entry in list(self._open.values()):
                for flow in list(entry.flows):
                    if flow.rest(_SWEEP_SECONDS) >= entry.spec.idle_seconds:
                        with contextlib.suppress(OSError):
                            flow.expire(entry.spec.reset)
