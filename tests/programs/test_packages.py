"""Packages that a node gets later: real apt-get and dpkg, with records, an archive and a root folder of their own."""

import hashlib
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest

from components.settings import operating_system
from components.templates import render

NODE = SimpleNamespace(name="mysql-1")
RUNS, IS_STOPPED = "true", "false"


class Machine:
    """A machine that has nothing but what is installed here.

    Args:
        folder: of its own.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for place in ("dpkg/updates", "dpkg/info", "root", "lists/partial", "cache/archives/partial", "archive"):
            (folder / place).mkdir(parents=True)
        for file in ("dpkg/status", "dpkg/available", "archive/Packages"):
            (folder / file).touch()
        (folder / "sources.list").write_text(f"deb [trusted=yes] file:{folder}/archive ./\n")
        (folder / "apt.conf").write_text(
            f'Dir::State::Lists "{folder}/lists";\nDir::State::status "{folder}/dpkg/status";\n'
            f'Dir::State::extended_states "{folder}/extended";\nDir::Cache "{folder}/cache";\n'
            f'Dir::Etc::SourceList "{folder}/sources.list";\nDir::Etc::SourceParts "-";\nDir::Etc::Parts "-";\n'
            f'Dir::Log "{folder}";\nAPT::Architectures {{ "amd64"; }};\nAPT::Sandbox::User "root";\n'
        )
        self.environment = os.environ | {
            "APT_CONFIG": f"{folder}/apt.conf",
            "DPKG_ADMINDIR": f"{folder}/dpkg",
            "DPKG_ROOT": f"{folder}/root",
            "DPKG_FORCE": "not-root,bad-path",
        }

    def offer(self, name: str, version: str, *, needs: str = "", files: Mapping[str, str] | None = None) -> None:
        """Put a package into the archive; its files are its configuration, which dpkg asks about if they differ."""
        source = self.folder / f"{name}-{version}"
        (source / "DEBIAN").mkdir(parents=True)
        fields = (
            f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: x <x@example.com>\nDescription: x\n"
        )
        fields += f"Depends: {needs}\n" if needs else ""
        (source / "DEBIAN/control").write_text(fields)
        for path, text in (files or {}).items():
            (source / path).parent.mkdir(parents=True, exist_ok=True)
            (source / path).write_text(text)
        (source / "DEBIAN/conffiles").write_text("".join(f"/{path}\n" for path in files or {}))
        built = self.folder / "archive" / f"{source.name}.deb"
        subprocess.run(
            ["dpkg-deb", "--root-owner-group", "--build", str(source), str(built)], check=True, capture_output=True
        )
        with (self.folder / "archive/Packages").open("a") as index:
            content = built.read_bytes()
            index.write(f"{fields}Filename: ./{built.name}\nSize: {len(content)}\n")
            index.write(f"SHA256: {hashlib.sha256(content).hexdigest()}\n\n")

    def install(self, *packages: str, running: str) -> subprocess.CompletedProcess[str]:
        """Have the packages script's own function install what is missing.

        Args:
            running: whether a daemon of the cluster runs.
        """
        system = operating_system.load("debian-sid")
        script = render(
            "host/packages.sh.j2",
            {
                "purpose": "Tries it.",
                "cluster_name": "mysql",
                "node": NODE,
                "packages": packages,
                "kernel_modules_package": None,
                "left_to_pacemaker": (),
                "never_restart": system.never_restart,
                "repairs": (),
                "watchdog": None,
                "not_monitoring": (),
            },
        )
        functions = script.partition("\nmain() {")[0].replace("exec 9>/run/", f"exec 9>{self.folder}/")
        text = f"{functions}\nsystemctl() {{ {running}; }}\napt update\ninstall_missing {' '.join(packages)}\n"
        return subprocess.run(
            ["bash", "-s"], input=text, env=self.environment, capture_output=True, text=True, timeout=120, check=False
        )

    def installed(self) -> dict[str, str]:
        """Return the versions of what is installed."""
        shown = subprocess.run(
            ["dpkg-query", "--show", "--showformat", "${Package} ${Version}\n"],
            env=self.environment, capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        return dict(line.split() for line in shown.splitlines())


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine on which Pacemaker was installed some months ago, and configured since."""
    made = Machine(tmp_path)
    made.offer("libqb", "1")
    made.offer("pacemaker", "1", needs="libqb", files={"etc/pacemaker": "as shipped\n"})
    done = made.install("pacemaker", running=IS_STOPPED)
    assert done.returncode == 0, done.stdout + done.stderr
    assert made.installed() == {"libqb": "1", "pacemaker": "1"}
    (tmp_path / "root/etc/pacemaker").write_text("as configured\n")
    made.offer("libqb", "2")
    made.offer("pacemaker", "2", needs="libqb (>= 2)", files={"etc/pacemaker": "as shipped later\n"})
    return made


def test_what_is_there_stays_at_its_version(machine: Machine) -> None:
    machine.offer("exporter", "1", needs="libqb")
    done = machine.install("pacemaker", "exporter", running=RUNS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert machine.installed() == {"libqb": "1", "pacemaker": "1", "exporter": "1"}


def test_what_would_be_exchanged_under_a_cluster_that_runs(machine: Machine) -> None:
    machine.offer("sbd", "1", needs="pacemaker (>= 2)")
    done = machine.install("pacemaker", "sbd", running=RUNS)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(
        "STOPPED on mysql-1: found that sbd would upgrade libqb pacemaker of a cluster that runs; expected no upgrade"
    ), done.stderr
    assert machine.installed() == {"libqb": "1", "pacemaker": "1"}


def test_where_nothing_runs_it_is_upgraded_and_keeps_its_configuration(machine: Machine) -> None:
    machine.offer("sbd", "1", needs="pacemaker (>= 2)")
    done = machine.install("pacemaker", "sbd", running=IS_STOPPED)
    assert done.returncode == 0, done.stdout + done.stderr
    assert machine.installed() == {"libqb": "2", "pacemaker": "2", "sbd": "1"}
    assert (machine.folder / "root/etc/pacemaker").read_text() == "as configured\n"
