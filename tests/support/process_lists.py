"""The process lists of this machine and of the guests, in which no secret may be seen."""

import json
import re
import subprocess
import threading
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.checkout import schema
from lab.cloud import client as cloud
from lab.engine import Engine
from lab.lab import Lab

_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----\n.*?\n-----END [A-Z ]*-----", re.DOTALL)

# By the address within the virtual network, whose key the test does not know before the end.
_WATCH_OPTIONS = ("BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR")


def secret_texts(engine: Engine) -> dict[str, str]:
    """Return a telling piece of each secret of the stack, by the setting's name: one line that no public part has."""
    found: dict[str, str] = {"passphrase": (engine.directory / "passphrase").read_text()}
    settings = engine.settings()
    for setting in (key for key, declared in schema().items() if declared.get("secret")):
        value = settings.get(setting) or ""
        parts: list[str] | dict[str, str] = json.loads(value) if value[:1] in ("[", "{") else [value]
        named = parts.items() if isinstance(parts, dict) else enumerate(parts)
        for name, key in ((name, key) for name, key in named if key):
            # The beginning of a private key holds the public one; its last line is short.
            private = _PRIVATE_KEY.search(key)
            found[f"{setting} {name}"] = (private[0].splitlines()[-3] if private else key).strip()
    return found


@dataclass
class ProcessLists:
    """Command lines seen while something went on."""

    seen: set[str]
    folder: Path

    def find(self, secrets: dict[str, str]) -> list[str]:
        """Return the names of the secrets that were seen."""
        texts = ["\n".join(self.seen), *(file.read_text(errors="replace") for file in self.folder.glob("*.processes"))]
        return [name for name, secret in secrets.items() if any(secret in text for text in texts)]


@contextmanager
def watch_processes(lab: Lab, folder: Path) -> Generator[ProcessLists]:
    """Look at the process lists of this machine and of the guests, again and again, while the body runs.

    Args:
        lab: the lab.
        folder: an empty one, for what the guests say.
    """
    lists = ProcessLists(set(), folder)
    done = threading.Event()

    def watch_host() -> None:
        while not done.wait(0.2):
            lists.seen |= set(_command_lines())

    def watch_guest(name: str, address: str) -> None:
        login = ["ssh", "-i", str(folder / "key"), *(f"-o{o}" for o in _WATCH_OPTIONS), f"azureuser@{address}"]
        look = r"""sudo sh -c 'while cat /proc/[0-9]*/cmdline 2>/dev/null | tr "\0" " "; do sleep 0.5; done'"""
        with (folder / f"{name}.processes").open("w") as output:
            watcher = subprocess.Popen([*lab.prefix, *login, look], stdin=subprocess.DEVNULL, stdout=output)
            done.wait()
            watcher.kill()
            watcher.wait()

    def watch_guests() -> None:
        known: set[str] = set()
        while not done.wait(0.5):
            try:
                machines = cloud.status(lab.paths)["machines"]
            except cloud.CloudError:
                continue
            for machine in machines:
                if machine["boot_seconds"] and machine["address"] and machine["name"] not in known:
                    if not known:
                        (folder / "key").touch(mode=0o600)
                        (folder / "key").write_text(lab.engine().settings()["sshPrivateKey"].strip() + "\n")
                    known.add(machine["name"])
                    start(watch_guest, machine["name"], machine["address"])

    threads: list[threading.Thread] = []

    def start(function: Any, *arguments: Any) -> None:
        threads.append(threading.Thread(target=function, args=arguments))
        threads[-1].start()

    start(watch_host)
    start(watch_guests)
    try:
        yield lists
    finally:
        done.set()
        for thread in threads:
            thread.join()


def _command_lines() -> Iterable[str]:
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
