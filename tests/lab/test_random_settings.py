"""2,000 random stacks, rendered and read by shellcheck and by the programs of the guests' trees. No lab runs."""

import gc
import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings

from components.settings import operating_system
from components.settings.load import SettingsError
from lab import image
from tests.support import random_settings
from tests.support.configurations import Configuration, configurations
from tests.support.recording import Resource, record_anew
from tests.support.shellcheck import Shellcheck

pytestmark = [pytest.mark.lab, pytest.mark.long, pytest.mark.timeout(4 * 3600)]

# One with either server, and with either kind of Pacemaker.
GUESTS = ("debian-12", "debian-sid")


class Guests:
    """The trees of the guests, in which each file is read once.

    Args:
        folder: where a file is put to be read.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._images = {name: image.ensure(name) for name in GUESTS}
        self._seen: set[tuple[str, Configuration]] = set()

    def complaints(self, resources: list[Resource]) -> Iterator[str]:
        """Yield what a program has against a file that is new; both guests read what is for both."""
        for name, made in self._images.items():
            system = operating_system.load(name)
            for each in configurations(resources, system, host=socket.gethostname()):
                if (name, each) not in self._seen:
                    self._seen.add((name, each))
                    yield from self._read(made, each)

    def _read(self, made: image.Image, each: Configuration) -> Iterator[str]:
        (self._folder / "file").write_text(each.text)
        # The agents are on no disk but a node's: crm would miss them.
        command = each.command.removesuffix(" && crm configure verify")
        beside = "mount -t tmpfs tmpfs /dev/shm && mount -t tmpfs tmpfs /var/log && mkdir /var/log/crmsh"
        asked = made.inside(["env", "file=/mnt/file", "bash", "-c", f"{beside} && {command}"], self._folder)
        run = subprocess.run(asked, capture_output=True, text=True, timeout=120, check=False)
        said = re.sub(r".*azure-mysql-ha.*: (got no meta-data|no such resource agent).*\n", "", run.stdout + run.stderr)
        if run.returncode != 0 or not each.is_fine(said):
            yield f"{made.operating_system}, {each.what}: {said}\n{each.text}"


@pytest.fixture(scope="module")
def shellcheck(tmp_path_factory: pytest.TempPathFactory) -> Shellcheck:
    return Shellcheck(tmp_path_factory.mktemp("scripts"))


@pytest.fixture(scope="module")
def guests(tmp_path_factory: pytest.TempPathFactory) -> Guests:
    return Guests(tmp_path_factory.mktemp("files"))


@given(changes=random_settings.changes_that_load())
@settings(max_examples=2000, deadline=None, database=None, print_blob=True, suppress_health_check=random_settings.SLOW)
def test_all_that_reads_it_reads_it(shellcheck: Shellcheck, guests: Guests, changes: dict[str, Any]) -> None:
    try:
        resources = record_anew("dev", changes)
    except SettingsError:
        assume(False)
    else:
        scripts, words = random_settings.scripts_of_first(resources), random_settings.words(changes)
        complaints = [shellcheck.complaints(scripts, words)]
        complaints += guests.complaints(resources)
        assert not any(complaints), "\n".join(complaints)
    finally:
        gc.collect()
