"""Azure's scheduled events: what the platform is about to do to a machine, announced to it before.

An event is announced through the control socket; the lab has only reboots.  It starts when a machine approves it, or
when its time has come: the machine is restarted.  When that is done, the event is gone.

Source: learn.microsoft.com/azure/virtual-machines/linux/scheduled-events.
"""

import logging
import time
import uuid
from email.utils import formatdate
from typing import TypedDict

from lab.cloud.fields import reference
from lab.cloud.inventory import MACHINE
from lab.cloud.model import Json, Resource
from lab.cloud.operations import Operations
from lab.cloud.resource_id import key_of
from lab.cloud.site import Site

LOG = logging.getLogger("cloud.events")


class Event(TypedDict):
    """An event as the state file has it.

    `machine` is an identity, `not_before` and `started` are seconds of the epoch, `operation` is the restart's id.
    """

    id: str
    machine: str
    not_before: float
    started: float | None
    operation: str | None


class ScheduledEvents:
    def __init__(self, site: Site, work: Operations) -> None:
        self._site = site
        self._operations = work

    @property
    def _facts(self) -> Json:
        return self._site.store.facts.setdefault("scheduled_events", {"incarnation": 1, "events": []})

    @property
    def _events(self) -> list[Event]:
        events: list[Event] = self._facts["events"]
        return events

    def _changed(self) -> None:
        # Whoever polls compares this number only.
        self._facts["incarnation"] += 1
        self._site.store.save()

    def _machine(self, event: Event) -> Resource | None:
        return self._site.inventory.get(event["machine"], MACHINE)

    def announce(self, machine: Resource, seconds: float) -> Json:
        """Announce a reboot.

        Args:
            seconds: from now to the time at which it starts without approval.  Azure gives 10 to 15 minutes at least.
        """
        event = Event(
            id=str(uuid.uuid4()).upper(),
            machine=machine.id,
            not_before=time.time() + seconds,
            started=None,
            operation=None,
        )
        self._events.append(event)
        self._changed()
        LOG.info("reboot of %s announced, at the latest in %g s", machine.name, seconds)
        return self._shown(event)

    def withdraw(self, identity: str) -> bool:
        """Take back an event that has not started; tell whether there was one."""
        for event in self._events:
            if event["id"].lower() == identity.lower() and event["started"] is None:
                self._events.remove(event)
                self._changed()
                LOG.info("event %s withdrawn", identity)
                return True
        return False

    def all(self) -> list[Json]:
        return [self._shown(event) for event in self._events]

    def document(self, machine: Resource) -> Json:
        """Return what a machine is told: its own events, and those of its availability set."""
        return {
            "DocumentIncarnation": self._facts["incarnation"],
            "Events": [self._shown(event) for event in self._events if self._concerns(event, machine)],
        }

    def approve(self, machine: Resource, identities: list[str]) -> bool:
        """Start events at once, at a machine's word.

        Args:
            machine: the one that asks; it need not be the one that the event is about.
        """
        wanted = {identity.lower() for identity in identities}
        found = [event for event in self._events if event["id"].lower() in wanted and self._concerns(event, machine)]
        for event in found:
            if event["started"] is None:
                LOG.info("%s approved by %s", event["id"], machine.name)
                self._start(event)
        return len(found) == len(wanted)

    def tick(self) -> None:
        """Start what is due, and end what is done; to be called a few times a second."""
        for event in list(self._events):
            machine = self._machine(event)
            if machine is None:
                self._events.remove(event)
                self._changed()
            elif event["started"] is None:
                if time.time() >= event["not_before"]:
                    self._start(event)
            else:
                operation = self._site.store.operation(event["operation"] or "")
                if operation is None or operation.status != "InProgress":
                    self._finish(event)

    def _start(self, event: Event) -> None:
        machine = self._machine(event)
        event["started"] = time.time()
        if machine is not None:
            event["operation"] = self._operations.begin("restart", machine).id
        LOG.info("%s starts", event["id"])
        self._changed()

    def _finish(self, event: Event) -> None:
        self._events.remove(event)
        self._changed()
        LOG.info("%s is done", event["id"])

    def _concerns(self, event: Event, machine: Resource) -> bool:
        about = self._machine(event)
        if about is None:
            return False
        own_set = key_of(reference(machine.properties, "availabilitySet"))
        together = own_set != "" and own_set == key_of(reference(about.properties, "availabilitySet"))
        return about.key == machine.key or together

    def _shown(self, event: Event) -> Json:
        machine = self._machine(event)
        started = event["started"] is not None
        return {
            "EventId": event["id"],
            "EventStatus": "Started" if started else "Scheduled",
            "EventType": "Reboot",
            "ResourceType": "VirtualMachine",
            "Resources": [machine.name] if machine is not None else [],
            "NotBefore": "" if started else formatdate(event["not_before"], usegmt=True),
            "Description": "Reboot announced by the lab.",
            "EventSource": "Platform",
            "DurationInSeconds": -1,
        }
