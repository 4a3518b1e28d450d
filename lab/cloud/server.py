"""The cloud as one process: what it opens, in which order, and how it ends."""

import asyncio
import contextlib
import fcntl
import logging
import os
import signal
import socket
from collections.abc import AsyncGenerator
from typing import Any

from aiohttp import web

from components import ports
from lab.cloud import authorization, certificates, control, dns, loopback, namespace, registration, resources
from lab.cloud.addresses import ARM, BLOB, DEFAULT_OUTBOUND, IMDS, METRICS, PLATFORM
from lab.cloud.arm import ResourceManager
from lab.cloud.balancer import Balancer
from lab.cloud.blob_service import BlobService
from lab.cloud.blob_store import BlobStore
from lab.cloud.faults import Cut, Faults
from lab.cloud.imds import MetadataService
from lab.cloud.inventory import MACHINE, Inventory
from lab.cloud.machines import UmlDriver
from lab.cloud.metrics_ingestion import MetricsIngestion
from lab.cloud.metrics_receiver import MetricsReceiver
from lab.cloud.network import LabFabric
from lab.cloud.operations import Operations
from lab.cloud.resource_id import parse
from lab.cloud.resources.virtual_machine.definition import define
from lab.cloud.resources.virtual_machine.power import observe, power_state
from lab.cloud.scheduled_events import ScheduledEvents
from lab.cloud.site import Site
from lab.cloud.state import Store
from lab.cloud.tokens import Tokens
from lab.paths import LabPaths

LOG = logging.getLogger("cloud")

_WATCH_SECONDS = 0.5
"""How often the machines are looked at: one that switches itself off is noticed within it."""


class AlreadyRunningError(RuntimeError):
    """The lab's cloud runs already."""


def _lock(paths: LabPaths) -> int:
    """Take the lab's lock, which ends with the process; return its descriptor."""
    descriptor = os.open(paths.cloud / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise AlreadyRunningError(f"the cloud of lab {paths.name!r} is already running") from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return descriptor


def serve(paths: LabPaths, loopback_port: int) -> None:
    """Run the cloud of a lab until it is told to stop.

    Args:
        loopback_port: port on the host's 127.0.0.1 that leads to the balancer's port 3306; where it is taken, another.

    Raises:
        AlreadyRunningError: it runs already.
        NamespaceError: the lab's namespace is not there.
    """
    for folder in (paths.state, paths.cloud, paths.machines):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
    lock = _lock(paths)
    store = Store(paths.cloud / "state.json")
    # A started cloud keeps its port over a restart: somebody may have it in a client's settings.
    listener = loopback.open_listener(int(store.facts.get("loopback_port", 0)) or loopback_port)
    store.facts["loopback_port"] = listener.getsockname()[1]
    registration.set_up(store)
    authorization.set_up(store)
    namespace.enter(paths.namespace)
    asyncio.run(_Cloud(paths, store, listener).run())
    os.close(lock)


class _Cloud:
    def __init__(self, paths: LabPaths, store: Store, listener: socket.socket) -> None:
        self._paths = paths
        self._store = store
        self._listener = listener
        self._inventory = Inventory(store)
        certificates.ensure(paths.cloud)
        self._tokens = Tokens.of_lab(paths.cloud / "token.key")
        self._balancer = Balancer(self._inventory, self._is_running)
        self._site = Site(
            store=store,
            fabric=LabFabric(paths.namespace),
            machines=UmlDriver(LOG.info),
            traffic=self._balancer,
            blobs=BlobStore(paths.state / "blobs", paths.cloud, self._tokens),
            disks=paths.state / "disks",
            machine_folders=paths.machines,
            ca_certificate=(paths.cloud / "ca.pem").read_text(),
        )
        self._operations = Operations(self._site)
        self._events = ScheduledEvents(self._site, self._operations)
        self._faults = Faults(self._inventory)
        self._metrics = MetricsReceiver(paths.state / "metrics")
        self._stop = asyncio.Event()

    def _is_running(self, name: str) -> bool:
        machine = next((m for m in self._inventory.of_type(MACHINE) if m.name == name), None)
        return machine is not None and self._site.machines.is_running(define(self._site, machine))

    async def run(self) -> None:
        """Serve until told to stop; machines go on without the cloud."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(self._site.blobs.close)
            await self._restore()
            stack.push_async_callback(self._balancer.close)
            arm = ResourceManager(self._site, self._tokens, self._operations, self._faults)
            runner = await stack.enter_async_context(_running(arm.application()))
            await self._open(runner, ARM, self._faults.arm)
            blobs = BlobService(self._inventory, self._site.blobs, self._tokens, self._faults.storage)
            # A blob that is compressed is passed on as it is.
            runner = await stack.enter_async_context(_running(blobs.application(), auto_decompress=False))
            await self._open(runner, BLOB, self._faults.storage)
            stack.push_async_callback(self._metrics.close)
            metrics = MetricsIngestion(self._inventory, self._metrics, self._tokens, self._faults.metrics)
            # Samples are passed on as they are packed.
            runner = await stack.enter_async_context(_running(metrics.application(), auto_decompress=False))
            await self._open(runner, METRICS, self._faults.metrics)
            metadata = MetadataService(self._site, self._tokens, self._events, self._faults)
            runner = await stack.enter_async_context(_running(metadata.application()))
            await web.TCPSite(runner, IMDS, 80).start()
            transport, _ = await loop.create_datagram_endpoint(
                lambda: dns.NameServer(*dns.lookup_in(self._inventory)), local_addr=(PLATFORM, 53)
            )
            stack.callback(transport.close)
            for task in (loopback.serve(self._listener, lambda: self._balancer.frontend(ports.MYSQL)), self._watch()):
                stack.push_async_callback(_cancel, asyncio.create_task(task))
            self._operations.resume()
            stack.push_async_callback(self._operations.close)
            commands = control.application(
                self._status,
                self._stop,
                self._inventory,
                self._events,
                self._faults,
                self._balancer.rewire,
                self._site.blobs,
            )
            # Last: who can ask finds everything ready.
            runner = await stack.enter_async_context(_running(commands))
            await control.listen(runner, self._paths.cloud / "control.sock")
            LOG.info("ready: ARM on https://%s, MySQL on 127.0.0.1:%d", ARM, self._listener.getsockname()[1])
            await self._stop.wait()
            LOG.info("stopping; machines go on")
        (self._paths.cloud / "control.sock").unlink(missing_ok=True)

    async def _open(self, runner: web.AppRunner, address: str, cut: Cut) -> None:
        listener = socket.create_server((address, 443), backlog=128)
        cut.guard(listener)
        await web.SockSite(runner, listener, ssl_context=certificates.context(self._paths.cloud)).start()

    async def _restore(self) -> None:
        """Bring back what the resources say and the namespace has no more, and look at the machines again."""
        await self._site.fabric.ensure_public_address(str(DEFAULT_OUTBOUND))
        for kind in resources.ALL:
            for resource in [resource for resource in self._store if resource.type == kind.type]:
                await kind.restore(self._site, resource)
        here = namespace.identity()
        if self._store.facts.get("namespace") not in (None, here):
            # The host has gone down with all that ran on it: like Azure's, the platform starts again what was on.
            for machine in list(self._inventory.of_type(MACHINE)):
                if machine.hidden["power"] == "running" and machine.hidden["provisioned"]:
                    LOG.info("%s was on before the lab's namespace was recreated: starting it", machine.name)
                    machine.hidden["boot_seconds"] = None
                    self._operations.begin("start", machine)
        self._store.facts["namespace"] = here
        self._store.save()
        await self._balancer.rewire()

    async def _watch(self) -> None:
        """See machines that switch themselves off or come up, and let the listeners know."""
        seen: dict[str, bool] = {}
        knocking: dict[str, asyncio.Task[bool]] = {}
        while True:
            try:
                changed = False
                for machine in list(self._inventory.of_type(MACHINE)):
                    running = self._site.machines.is_running(define(self._site, machine))
                    if seen.get(machine.key) != running:
                        changed = changed or machine.key in seen or running
                        seen[machine.key] = running
                        if not running and machine.hidden["power"] == "running" and machine.hidden.get("provisioned"):
                            LOG.info("%s has switched itself off", machine.name)
                            machine.hidden["power"] = "stopped"
                            self._store.save()
                    if running and machine.hidden.get("boot_seconds") is None:
                        # One that boots keeps the caller waiting.
                        knock = knocking.get(machine.key)
                        if knock is None or knock.done():
                            knocking[machine.key] = asyncio.create_task(observe(self._site, machine))
                if changed:
                    await self._balancer.rewire()
                self._events.tick()
            except Exception:
                LOG.exception("watching the machines")
            await asyncio.sleep(_WATCH_SECONDS)

    def _status(self) -> dict[str, Any]:
        host, port = self._listener.getsockname()
        return {
            "pid": os.getpid(),
            "loopback": {"host": host, "port": port},
            "machines": [
                {
                    "name": machine.name,
                    "group": parse(machine.id).group,
                    "zone": next(iter(machine.zones), ""),
                    "power": power_state(self._site, machine),
                    "provisioning": machine.provisioning,
                    "boot_seconds": machine.hidden.get("boot_seconds"),
                    "address": str(self._inventory.private_address(interfaces[0])) if interfaces else None,
                    "console": str(defined.directory / "console.log"),
                    "taps": [tap for tap, _ in defined.interfaces],
                }
                for machine in self._inventory.of_type(MACHINE)
                for interfaces, defined in [(self._inventory.interfaces_of(machine), define(self._site, machine))]
            ],
            "balancers": self._balancer.status(),
            "faults": self._faults.all,
        }


@contextlib.asynccontextmanager
async def _running(application: web.Application, **options: Any) -> AsyncGenerator[web.AppRunner]:
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1, **options)
    await runner.setup()
    try:
        yield runner
    finally:
        await runner.cleanup()


async def _cancel(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
