"""The interface to the virtual machines."""

import asyncio
import contextlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from lab import image, kernel
from lab.cloud.addresses import PLATFORM
from lab.cloud.guest import Seed
from lab.image import Image
from lab.kernel import Kernel
from lab.machine import LUNS, Interface, Machine, MachineSpec
from lab.seed import write_seed

MOST_LUNS = len(LUNS)
"""Data disks of a machine in the lab: LUN 0 and up."""


@dataclass(frozen=True)
class Definition:
    """A machine as the cloud's resources describe it.

    Args:
        interfaces: tap and MAC address of each, the primary one first.
    """

    name: str
    directory: Path
    guest: str
    memory_mib: int
    interfaces: tuple[tuple[str, str], ...]
    data_disks: dict[int, Path] = field(hash=False)
    seed: Seed


_SHUTDOWN_SECONDS = 60
"""What a guest gets to shut down; Azure's own patience is minutes, a unit's in systemd 90 s."""


_NO_KERNEL = Kernel("", (), Path(), (), "")
"""Of a machine that has not been started by this process: it can be asked, and switched off."""


class UmlDriver:
    """User-Mode Linux machines. Calls for one machine never overlap, but for the questions.

    Args:
        progress: told when an image or kernel must be made first, which takes minutes.
    """

    def __init__(self, progress: Callable[[str], None]) -> None:
        self._progress = progress
        self._machines: dict[Path, Machine] = {}

    def _machine(self, wanted: Definition) -> Machine:
        """Return the machine as far as it can be known without an image or kernel: good for all but a start."""
        base = wanted.directory / "base"
        spec = MachineSpec(
            name=wanted.name,
            directory=wanted.directory,
            # A machine that was started once has a link to its image, which may have been replaced since.
            image=Image(wanted.guest, base, base),
            memory_mib=wanted.memory_mib,
            interfaces=tuple(Interface(tap, mac) for tap, mac in wanted.interfaces),
            data_disks=dict(wanted.data_disks),
            seed=_seed_file(wanted.directory),
        )
        machine = self._machines.get(wanted.directory)
        if machine is None:
            machine = self._machines[wanted.directory] = Machine(spec, _NO_KERNEL)
        machine.spec = spec  # counts from the next start
        return machine

    async def start(self, machine: Definition) -> None:
        """Switch it on, with a seed written anew, unless it is on. An exception says why it does not start."""

        def do() -> None:
            made = self._machine(machine)
            if made.is_running():
                return
            if made.kernel is _NO_KERNEL:
                made.kernel = kernel.ensure(self._progress)
            if not made.spec.image.disk.exists():
                made.spec = replace(made.spec, image=image.ensure(machine.guest, self._progress))
            machine.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_seed(
                made.spec.seed,
                meta_data=machine.seed.meta_data,
                user_data=machine.seed.user_data,
                vendor_data=machine.seed.vendor_data,
                network_config=machine.seed.network_config,
            )
            made.start()

        await asyncio.to_thread(do)

    def is_running(self, machine: Definition) -> bool:
        """Tell whether it is on; False only when every process of it is gone."""
        made = self._machines.get(machine.directory)
        if made is None:
            if not machine.directory.exists():
                return False
            made = self._machine(machine)
        return made.is_running()

    async def power_off(self, machine: Definition) -> None:
        """Cut its power; on return it is gone."""
        if machine.directory.exists():
            await asyncio.to_thread(lambda: self._machine(machine).power_off())

    async def shut_down(self, machine: Definition) -> None:
        """Ask the guest to shut down, and cut the power where it does not."""
        if machine.directory.exists():
            await asyncio.to_thread(lambda: self._machine(machine).shut_down(_SHUTDOWN_SECONDS))

    async def attach(self, machine: Definition, lun: int, path: Path) -> None:
        await asyncio.to_thread(lambda: self._machine(machine).attach_disk(lun, path))

    async def detach(self, machine: Definition, lun: int) -> None:
        await asyncio.to_thread(lambda: self._machine(machine).detach_disk(lun))

    async def discard(self, directory: Path) -> None:
        """Delete the folder of a machine that is off."""
        self._machines.pop(directory, None)
        _seed_file(directory).unlink(missing_ok=True)
        await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)

    async def answers(self, address: str) -> bool:
        """Look for SSH's banner, as the platform: security groups do not matter to it."""
        writer: asyncio.StreamWriter | None = None
        try:
            async with asyncio.timeout(2):
                reader, writer = await asyncio.open_connection(address, 22, local_addr=(PLATFORM, 0))
                return (await reader.readline()).startswith(b"SSH-")
        except (OSError, TimeoutError):
            return False
        finally:
            if writer is not None:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()


def _seed_file(directory: Path) -> Path:
    return directory.with_name(f"{directory.name}.seed")
