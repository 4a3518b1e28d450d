"""Long-running operations: what goes on after a request has been answered, and survives the cloud's own end."""

import asyncio
import logging
import time
import uuid
from collections.abc import Callable, Coroutine
from typing import Any

from lab.cloud import resources
from lab.cloud.errors import ArmError
from lab.cloud.inventory import GROUP, MACHINE
from lab.cloud.model import Json, Resource, now
from lab.cloud.resource_id import parse
from lab.cloud.resources.base import Kind
from lab.cloud.resources.virtual_machine.power import act
from lab.cloud.site import Site
from lab.cloud.state import Operation

LOG = logging.getLogger("cloud.operations")

Work = Callable[[], Coroutine[Any, Any, None]]


class Operations:
    """Runs operations, one at a time for each resource."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._locks: dict[str, asyncio.Lock] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def begin(self, verb: str, resource: Resource, caller: str = "") -> Operation:
        """Start an operation.

        Args:
            verb: write, delete, start, powerOff, powerOffAbrupt, restart or deallocate.
            resource: what it works on, as the store has it now.
            caller: object id of who asks; empty for the platform itself.
        """
        operation = Operation(str(uuid.uuid4()), verb, resource.id, caller=caller, began_at=time.time())
        self._site.store.add_operation(operation)
        self._launch(operation)
        return operation

    def resume(self) -> None:
        """Go on with what was under way when the cloud ended."""
        for operation in self._site.store.unfinished():
            LOG.info("resuming %s of %s", operation.verb, operation.resource)
            self._launch(operation)

    async def wait(self, operation: Operation, seconds: float) -> bool:
        """Wait a while for an operation; tell whether it has finished."""
        task = self._tasks.get(operation.id)
        if task is not None:
            await asyncio.wait({task}, timeout=seconds)
        return operation.status != "InProgress"

    async def close(self) -> None:
        """Leave all operations as they are: a later start of the cloud goes on with them."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _launch(self, operation: Operation) -> None:
        task = asyncio.create_task(self._run(operation), name=f"{operation.verb} {operation.resource}")
        self._tasks[operation.id] = task
        task.add_done_callback(lambda _: self._tasks.pop(operation.id, None))

    async def _run(self, operation: Operation) -> None:
        error: ArmError | None = None
        try:
            await self._work(operation)
        except ArmError as refused:
            error = refused
        except Exception as failure:
            LOG.exception("%s of %s", operation.verb, operation.resource)
            error = ArmError(500, "InternalServerError", f"{type(failure).__name__}: {failure}")
        operation.ended, operation.ended_at = now(), time.time()
        if error is None:
            operation.status = "Succeeded"
        else:
            LOG.warning("%s of %s failed: %s", operation.verb, operation.resource, error)
            operation.status, operation.http_status = "Failed", error.status
            operation.error = error.body()["error"]
        self._site.store.save()

    def _lock(self, key: str) -> asyncio.Lock:
        return self._locks.setdefault(key.lower(), asyncio.Lock())

    async def _work(self, operation: Operation) -> None:
        kind, resource = self._find(operation.resource)
        if resource is None or kind is None:
            return
        if operation.verb == "write":
            await self._write(kind, resource)
        elif operation.verb == "delete" and kind.type == GROUP:
            await self._delete_group(kind, resource)
        elif operation.verb == "delete":
            await self._delete(kind, resource)
        else:
            abrupt = operation.verb == "powerOffAbrupt"
            action = "powerOff" if abrupt else operation.verb
            async with self._lock(resource.key):
                current = self._site.inventory.get(resource.id, MACHINE)
                if current is not None:
                    await act(self._site, current, action, abrupt)
            await self._site.traffic.rewire()

    def _find(self, identity: str) -> tuple[Kind | None, Resource | None]:
        target = parse(identity)
        kind = resources.kind_of(GROUP if not target.namespace else target.type)
        return kind, kind.locate(self._site.store, target) if kind is not None else None

    async def _write(self, kind: Kind, resource: Resource) -> None:
        state = "Failed"
        try:
            async with self._lock(resource.key):
                current = kind.locate(self._site.store, parse(resource.id))
                if current is None or current.provisioning == "Deleting":
                    raise ArmError(409, "OperationPreempted", f"{resource.id} was deleted meanwhile.")
                await kind.apply(self._site, current)
            await self._site.traffic.rewire()
            await kind.settle(self._site, current)
            state = "Succeeded"
        except asyncio.CancelledError:
            state = resource.provisioning
            raise
        finally:
            current = kind.locate(self._site.store, parse(resource.id))
            if current is not None and current.provisioning != "Deleting":
                current.provisioning = state
                self._site.store.save()

    async def _delete(self, kind: Kind, resource: Resource) -> None:
        async with self._lock(resource.key):
            current = kind.locate(self._site.store, parse(resource.id))
            if current is None:
                return
            await kind.remove(self._site, current)
            kind.discard(self._site.store, current)
            # Role assignments on it go with it.
            for extension in [r for r in self._site.store if r.key.startswith(f"{current.key}/providers/")]:
                self._site.store.discard(extension.id)
            await kind.removed(self._site, current)
        await self._site.traffic.rewire()

    async def _delete_group(self, kind: Kind, group: Resource) -> None:
        """Delete what is in a group, users before what they use; what another group uses stops it."""
        inventory = self._site.inventory
        try:
            for member_kind in reversed(resources.ALL):
                members = [member for member in inventory.members(group) if member.type == member_kind.type]
                for member in members:
                    member_kind.check_removal(inventory, member)
                    member.provisioning = "Deleting"
                await asyncio.gather(*(self._delete(member_kind, member) for member in members))
        except BaseException:
            group.provisioning = "Succeeded"
            raise
        kind.discard(self._site.store, group)


def shown(operation: Operation) -> Json:
    """Return an operation as a client polls it."""
    answer: Json = {"name": operation.id, "status": operation.status, "startTime": operation.started}
    if operation.ended:
        answer["endTime"] = operation.ended
    if operation.error:
        answer["error"] = operation.error
    return answer
