"""A virtual machine: a User-Mode Linux kernel with a copy-on-write disk over an image.

All of a machine's processes are one session, led by the kernel's own process, which writes its number
and start time to a file before it is the kernel.  So whoever has the machine's folder can take it over:
no record is lost if the process that started it dies, and no number that was given away anew is mistaken for it.
"""

import contextlib
import os
import select
import signal
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.image import Image
from lab.kernel import Kernel
from lab.session import Session

# User-Mode Linux has eight disks: 0 is the system, 7 the seed.
_SEED_DISK = 7
LUNS = range(_SEED_DISK - 1)

# The shell becomes the kernel; field 22 of its stat is the start time, which exec does not change.
_RECORD = """read -r stat < /proc/$$/stat
set -f
n=2
for word in ${stat##*) }; do
  n=$((n + 1))
  if [ $n = 22 ]; then echo "$$ $word" > process.new; fi
done
set +f
mv process.new process && exec "$@"
"""


class MachineError(RuntimeError):
    """A machine cannot do what was asked; the message says why."""


@dataclass(frozen=True)
class Interface:
    """A network interface: a tap device of the namespace, and the address that the guest sees.

    Args:
        tap: name of the tap device; it must exist and be up when the machine starts.
        mac: six hex octets with colons.
    """

    tap: str
    mac: str


@dataclass(frozen=True)
class MachineSpec:
    """What a machine consists of.

    Args:
        name: letters, digits, `-`.
        directory: the machine's own folder; made by `start`. Its system disk and console log are there.
        memory_mib: memory in MiB, at least 256.
        interfaces: vec0, vec1, …
        data_disks: LUN (one of `LUNS`) → raw disk file.
        seed: cloud-init seed, see `lab.seed`.
    """

    name: str
    directory: Path
    image: Image
    memory_mib: int
    interfaces: tuple[Interface, ...]
    data_disks: Mapping[int, Path]
    seed: Path


def _is_traced(pid: int) -> bool:
    try:
        return "TracerPid:\t0\n" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


class Machine:
    """A machine, running or not. Make one of the same spec in another process to take it over.

    Args:
        spec: what it consists of. Changes count from the next start.
    """

    def __init__(self, spec: MachineSpec, kernel: Kernel) -> None:
        self.spec = spec
        self.kernel = kernel
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def console(self) -> Path:
        """What the machine prints, over all its starts."""
        return self.spec.directory / "console.log"

    def command(self) -> list[str]:
        """Return the command that becomes the machine, to be run in its directory."""
        spec = self.spec
        disks = [f"ubd0=system.cow,{self._base().name}"]
        disks += [f"ubd{lun + 1}=lun{lun},,lun{lun}" for lun in sorted(spec.data_disks)]
        disks += [f"ubd{_SEED_DISK}r=seed"]
        interfaces = [
            # Without gro=1 large frames are dropped.
            f"vec{number}:transport=tap,ifname={interface.tap},depth=64,gro=1,mac={interface.mac}"
            for number, interface in enumerate(spec.interfaces)
        ]
        return [
            *self.kernel.command,
            *disks,
            *("root=/dev/ubda", "rw", f"mem={spec.memory_mib}M"),
            *("con=null", "ssl=null", "con0=null,fd:1"),
            *interfaces,
            # The management socket is ./uml/mconsole.
            *("umid=uml", "uml_dir=."),
            *self.kernel.arguments,
        ]

    def start(self) -> None:
        """Switch it on, in the caller's network namespace; the system disk is kept from the last time.

        Raises:
            MachineError: it runs already, has parts missing, or ends at once.
        """
        if self.is_running():
            raise MachineError(f"machine {self.spec.name} is running")
        self._end_all()  # nothing of an earlier run may hold its disks
        self._lay_out()
        with self.console.open("ab") as console:
            console.write(f"\n--- {time.strftime('%Y-%m-%d %H:%M:%S')} {self.spec.name} is switched on\n".encode())
            console.flush()
            start_of_output = console.tell()
            self._child = subprocess.Popen(
                ["sh", "-c", _RECORD, "sh", *self.command()],
                cwd=self.spec.directory,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"},
            )
        deadline = time.monotonic() + 10
        while True:
            session = self._session()
            if session and session.leader == self._child.pid and (self.spec.directory / "uml/mconsole").exists():
                return
            if self._child.poll() is not None or time.monotonic() > deadline:
                self.power_off()
                with self.console.open("rb") as console:
                    console.seek(start_of_output)
                    last = console.read().decode(errors="replace").splitlines()[-5:]
                raise MachineError(f"machine {self.spec.name} does not start; {self.console} ends: {' / '.join(last)}")
            time.sleep(0.02)

    def is_running(self) -> bool:
        """Tell whether it is on (a frozen one is)."""
        if self._child is not None and self._child.poll() is not None:
            self._child = None
        session = self._session()
        return session is not None and session.leader_lives()

    def power_off(self) -> None:
        """Cut its power; on return every process of it is gone. Does nothing if it is off.

        Raises:
            MachineError: a process did not go within 30 s.
        """
        self._end_all()
        if self._child is not None:
            self._child.wait()
            self._child = None

    def shut_down(self, timeout_seconds: float) -> bool:
        """Let the guest shut down in order, as at the press of the power button; cut its power after the time-out.

        Returns:
            True if the guest did it, False if its power was cut.
        """
        deadline = time.monotonic() + timeout_seconds
        orderly = self.is_running()
        if orderly:
            try:
                self._console_command("cad", min(timeout_seconds, 5.0))
            except (OSError, MachineError):
                orderly = False
        while orderly and self.is_running():
            if time.monotonic() > deadline:
                orderly = False
            time.sleep(0.05)
        self.power_off()
        return orderly

    def freeze(self) -> None:
        """Stop it where it stands, as if its host hung."""
        self._signal_all(signal.SIGSTOP, "T")

    def thaw(self) -> None:
        """Let a frozen machine go on."""
        self._signal_all(signal.SIGCONT, "")

    def attach_disk(self, lun: int, path: Path) -> None:
        """Give the running guest a disk more; for later starts it must be in the spec.

        Args:
            lun: one of `LUNS`, not in use.

        Raises:
            MachineError: it is off, or the LUN is in use.
        """
        self._link(f"lun{lun}", path)
        self._console_command(f"config ubd{lun + 1}=lun{lun},,lun{lun}", 10.0)

    def detach_disk(self, lun: int) -> None:
        """Take a disk from the running guest.

        Raises:
            MachineError: it is off, or the guest uses the disk.
        """
        self._console_command(f"remove ubd{lun + 1}", 10.0)

    # --- its folder

    def _base(self) -> Path:
        return self.spec.directory / "base"

    def _link(self, name: str, target: Path) -> None:
        link = self.spec.directory / name
        link.unlink(missing_ok=True)
        link.symlink_to(target.absolute())

    def _lay_out(self) -> None:
        # The kernel's command line has short names only: it is bounded, and has its own use for `,` and `:`.
        spec = self.spec
        for lun in spec.data_disks:
            if lun not in LUNS:
                raise MachineError(f"machine {spec.name}: LUN {lun}: expected {LUNS.start} to {LUNS.stop - 1}")
        # Once there is a base, the image may be gone.
        for part in (*([] if self._base().exists() else [spec.image.disk]), spec.seed, *spec.data_disks.values()):
            if not part.is_file():
                raise MachineError(f"machine {spec.name}: {part} is missing")
        spec.directory.mkdir(parents=True, exist_ok=True)
        if not self._base().exists():
            # A link of its own: the image may be replaced by a newer one while the machine exists.
            try:
                self._base().hardlink_to(spec.image.disk)
            except OSError:
                self._link("base", spec.image.disk)
        for lun, path in spec.data_disks.items():
            self._link(f"lun{lun}", path)
        self._link("seed", spec.seed)
        for stale in ("process", "uml/mconsole", "uml/pid"):
            (spec.directory / stale).unlink(missing_ok=True)

    # --- its processes

    def _session(self) -> Session | None:
        try:
            pid, start_time = (self.spec.directory / "process").read_text().split()
            return Session(int(pid), int(start_time))
        except (OSError, ValueError):
            return None

    def _end_all(self) -> None:
        if session := self._session():
            try:
                session.end(30)
            except TimeoutError as error:
                raise MachineError(f"machine {self.spec.name}: {error}") from None

    def _signal_all(self, number: signal.Signals, state: str) -> None:
        """Send a signal to all; with a state, until all are in it."""
        session = self._session()
        if session is None or not self.is_running():
            raise MachineError(f"machine {self.spec.name} is off")
        deadline = time.monotonic() + 5
        while True:
            # A traced one belongs to the kernel's process, stops with it, and would tell it of the signal.
            members = [one for one in session.members() if not state or one.state not in state]
            late = [one for one in members if not _is_traced(one.number)]
            for process in late:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.number, number)
            if not state or not late:
                return
            if time.monotonic() > deadline:
                raise MachineError(f"machine {self.spec.name}: processes {[one.number for one in late]} do not stop")
            time.sleep(0.01)

    # --- its management console

    def _console_command(self, command: str, timeout_seconds: float) -> str:
        """Send a command as uml_mconsole does, and return the answer."""
        if not self.is_running():
            raise MachineError(f"machine {self.spec.name} is off")
        data = command.encode()
        with contextlib.ExitStack() as stack:
            # The kernel answers to a path, and a socket's path is short: both go by ways around long folders.
            own = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mha-"))) / "answer"
            folder = os.open(self.spec.directory / "uml", os.O_PATH | os.O_DIRECTORY)
            stack.callback(os.close, folder)
            link = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
            link.bind(str(own))
            link.sendto(struct.pack("=Iii512s", 0xCAFEBABE, 2, len(data), data), f"/proc/self/fd/{folder}/mconsole")
            deadline = time.monotonic() + timeout_seconds
            answer = ""
            while True:
                left = deadline - time.monotonic()
                if left <= 0 or not select.select([link], [], [], left)[0]:
                    raise MachineError(f"machine {self.spec.name} does not answer to {command!r}")
                error, more, length = struct.unpack_from("=iii", packet := link.recv(4096))
                answer += packet[12 : 12 + length].rstrip(b"\0").decode(errors="replace")
                if not more:
                    break
        if error:
            raise MachineError(f"machine {self.spec.name}: {command!r}: {answer.strip()}")
        return answer
