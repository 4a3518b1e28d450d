"""The guests' name server at 168.63.129.16: the platform's names, and the machines'.

It answers A and PTR queries over UDP, and everything else at once with "no such name": nothing in a guest waits for a
time-out because the lab has no way to the world's name servers.
"""

import asyncio
import logging
import struct
from collections.abc import Callable
from ipaddress import AddressValueError, IPv4Address
from typing import cast

from lab.cloud.addresses import ARM, BLOB, IMDS, METRICS
from lab.cloud.blob_service import HOST_SUFFIX
from lab.cloud.fields import section, text
from lab.cloud.guest import SEARCH_DOMAIN
from lab.cloud.inventory import (
    COLLECTION_ENDPOINT,
    DNS_RECORD,
    MACHINE,
    PRIVATE_ZONE,
    PUBLIC_ADDRESS,
    STORAGE_ACCOUNT,
    Inventory,
)
from lab.cloud.model import Resource
from lab.cloud.resources.workspace import host_of

LOG = logging.getLogger("cloud.dns")

PLATFORM_NAMES = {
    "management.azure.com": IPv4Address(ARM),
    "login.microsoftonline.com": IPv4Address(ARM),
    "prices.azure.com": IPv4Address(ARM),
    "metadata.azure.internal": IPv4Address(IMDS),
}

_A, _PTR, _ANY = 1, 12, 255
_INTERNET = 1
_NO_ERROR, _FORMAT_ERROR, _NO_SUCH_NAME, _NOT_IMPLEMENTED = 0, 1, 3, 4
_LIFE_SECONDS = 10

Lookup = Callable[[str], IPv4Address | None]
LookupFrom = Callable[[str, IPv4Address], IPv4Address | None]
"""A lookup for who asks: private DNS zones are known in the networks that they are linked to, and nowhere else."""

ReverseLookup = Callable[[IPv4Address], str | None]


def lookup_in(inventory: Inventory) -> tuple[LookupFrom, ReverseLookup]:
    """Return the questions that the resources answer: name to address, and address to name."""

    def names() -> dict[str, IPv4Address]:
        found = dict(PLATFORM_NAMES)
        for account in inventory.of_type(STORAGE_ACCOUNT):
            found[f"{account.name}{HOST_SUFFIX}"] = IPv4Address(BLOB)
        for endpoint in inventory.of_type(COLLECTION_ENDPOINT):
            found[host_of(endpoint)] = IPv4Address(METRICS)
        for address in inventory.of_type(PUBLIC_ADDRESS):
            if name := text(section(address.properties, "dnsSettings"), "fqdn"):
                found[name] = IPv4Address(address.properties["ipAddress"])
        for machine in inventory.of_type(MACHINE):
            interfaces = inventory.interfaces_of(machine)
            if interfaces:
                name = str(machine.properties["osProfile"]["computerName"]).lower()
                address = inventory.private_address(interfaces[0])
                found[name] = found[f"{name}.{SEARCH_DOMAIN}"] = address
        return found

    def zones(asker: IPv4Address) -> list[Resource]:
        """Return the private zones that are linked to the asker's network, the longest name first."""
        found = inventory.machine_addresses().get(asker)
        links = inventory.links_of(inventory.network_of(found[1])[0].id) if found else []
        linked = [zone for link in links if (zone := inventory.get(link.id.rsplit("/", 2)[0], PRIVATE_ZONE))]
        return sorted(linked, key=lambda zone: -len(zone.name))

    def forward(name: str, asker: IPv4Address) -> IPv4Address | None:
        name = name.lower()
        for zone in zones(asker):
            suffix = f".{zone.name.lower()}"
            if f".{name}".endswith(suffix):
                # What a linked zone does not know, nobody else is asked for.
                record = f"{zone.id}/A/{f'.{name}'.removesuffix(suffix).lstrip('.') or '@'}"
                return _address_of(inventory.get(record, DNS_RECORD))
        return names().get(name)

    def reverse(address: IPv4Address) -> str | None:
        return next((n for n, a in names().items() if a == address and n.endswith(SEARCH_DOMAIN)), None)

    return forward, reverse


def _address_of(record: Resource | None) -> IPv4Address | None:
    return IPv4Address(record.properties["aRecords"][0]["ipv4Address"]) if record else None


def _read_name(packet: bytes, offset: int) -> tuple[str, int]:
    """Read a question's name, which is never compressed; return it and the offset after it."""
    labels: list[str] = []
    while True:
        length = packet[offset]
        offset += 1
        if length == 0:
            return ".".join(labels), offset
        if length > 63 or offset + length > len(packet):
            raise ValueError("not a plain name")
        labels.append(packet[offset : offset + length].decode("ascii", errors="replace"))
        offset += length


def _written(name: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def _reverse_address(name: str) -> IPv4Address | None:
    if not name.lower().endswith(".in-addr.arpa"):
        return None
    try:
        return IPv4Address(".".join(reversed(name.split(".")[:-2])))
    except AddressValueError:
        return None


def answer(query: bytes, forward: Lookup, reverse: ReverseLookup) -> bytes | None:
    """Return the answer to a query.

    Returns:
        the answer's message; None where the query is not even a header.
    """
    if len(query) < 12:
        return None
    identity, flags, questions = struct.unpack_from("!HHH", query)
    head = 0x8000 | (flags & 0x0100) | 0x0080  # answer, recursion desired as asked, recursion available
    if flags & 0x8000:
        return None
    if flags & 0x7800 or questions != 1:
        return struct.pack("!HHHHHH", identity, head | _NOT_IMPLEMENTED, 0, 0, 0, 0)
    try:
        name, end = _read_name(query, 12)
        kind, class_ = struct.unpack_from("!HH", query, end)
    except (ValueError, IndexError, struct.error):
        return struct.pack("!HHHHHH", identity, head | _FORMAT_ERROR, 0, 0, 0, 0)
    question = query[12 : end + 4]
    records: list[tuple[int, bytes]] = []
    known = False
    asked = _reverse_address(name)
    if asked is not None:
        found_name = reverse(asked)
        known = found_name is not None
        if found_name is not None and kind in (_PTR, _ANY):
            records.append((_PTR, _written(found_name)))
    else:
        address = forward(name)
        known = address is not None
        if address is not None and kind in (_A, _ANY) and class_ == _INTERNET:
            records.append((_A, address.packed))
    # A known name without a record of that type (AAAA) is no error: the resolver goes on with what there is.
    code = _NO_ERROR if known else _NO_SUCH_NAME
    message = struct.pack("!HHHHHH", identity, head | code, 1, len(records), 0, 0) + question
    for type_, data in records:
        message += struct.pack("!HHHIH", 0xC00C, type_, _INTERNET, _LIFE_SECONDS, len(data)) + data
    return message


class NameServer(asyncio.DatagramProtocol):
    """The server's socket."""

    def __init__(self, forward: LookupFrom, reverse: ReverseLookup) -> None:
        self._forward = forward
        self._reverse = reverse
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        try:
            asker = IPv4Address(addr[0])
            reply = answer(data, lambda name: self._forward(name, asker), self._reverse)
        except Exception:
            LOG.exception("query from %s", addr[0])
            return
        if reply is not None and self._transport is not None:
            self._transport.sendto(reply, addr)
