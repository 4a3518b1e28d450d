"""The fabric as the cloud uses it: calls of `lab.fabric`, off the event loop and one after the other."""

import asyncio
import json
import subprocess
from collections.abc import Callable
from ipaddress import IPv4Interface
from typing import Any

from lab import fabric


class LabFabric:
    """Bridges, taps and addresses in a lab's namespace. Every call may be repeated."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._lock = asyncio.Lock()

    async def _do(self, call: Callable[[], None]) -> None:
        async with self._lock:
            await asyncio.to_thread(call)

    async def ensure_bridge(self, bridge: str, addresses: list[str]) -> None:
        """Make a bridge, and see that it has these addresses (`10.0.0.1/24`) and no others."""

        def do() -> None:
            for address in addresses:
                fabric.add_bridge(self._namespace, bridge, address)
            there = self._addresses(bridge) if addresses or self._is_link(bridge) else []
            for address in there:
                if address not in addresses:
                    self._ip("address", "delete", address, "dev", bridge)

        await self._do(do)

    async def remove_bridge(self, bridge: str) -> None:
        await self._do(lambda: fabric.remove_bridge(self._namespace, bridge))

    async def ensure_tap(self, tap: str, bridge: str) -> None:
        await self._do(lambda: fabric.add_tap(self._namespace, tap, bridge))

    async def remove_tap(self, tap: str) -> None:
        await self._do(lambda: fabric.remove_tap(self._namespace, tap))

    async def ensure_public_address(self, address: str) -> None:
        await self._do(lambda: fabric.add_public_address(self._namespace, address))

    async def remove_public_address(self, address: str) -> None:
        await self._do(lambda: fabric.remove_public_address(self._namespace, address))

    def _ip(self, *words: str) -> str:
        command = ["ip", "-n", self._namespace, *words]
        return subprocess.run(command, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL).stdout

    def _is_link(self, bridge: str) -> bool:
        return any(link.get("ifname") == bridge for link in json.loads(self._ip("-json", "link", "show")))

    def _addresses(self, bridge: str) -> list[str]:
        links: list[dict[str, Any]] = json.loads(self._ip("-json", "address", "show", "dev", bridge))
        return [
            str(IPv4Interface(f"{entry['local']}/{entry['prefixlen']}"))
            for link in links
            for entry in link.get("addr_info", [])
            if entry.get("family") == "inet"
        ]
