"""The configuration files that scripts bring, each with the program that reads it."""

import base64
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from components.settings.operating_system import OperatingSystem
from tests.support.recording import Resource


def _any(_said: str) -> bool:
    return True


@dataclass(frozen=True)
class Configuration:
    """A file.

    Args:
        what: whose it is.
        command: what reads it, in a shell in which $file is its path; it may write beside it.
        is_fine: whether what the program says is what it says of a good one; its exit code is looked at too.
    """

    what: str
    text: str
    command: str
    is_fine: Callable[[str], bool] = _any


def configurations(resources: Sequence[Resource], system: OperatingSystem, *, host: str) -> Iterator[Configuration]:
    """Yield the files of a recorded program's first node, as they are but for what must be of the machine that reads.

    Args:
        system: what that machine runs: files for other servers and other Pacemakers are left out.
        host: its name.
    """
    scripts = {resource.name: resource.inputs["stdin"] for resource in resources if "stdin" in resource.inputs}
    node = next(name for name in scripts if name.endswith("-corosync")).removesuffix("-corosync")
    replication = scripts[f"{node}-drbd"]
    resource = _document(replication, "read -rd '' text").replace("@HA_DRBD_SECRET@", "x" * 43)
    # It wants its own address to be this machine's.
    resource = re.sub(r"(_this_host \{\s+address ipv4 )[0-9.]+", r"\g<1>127.0.0.1", resource)
    both = _document(replication, "global_common.conf") + resource
    # Where no module of DRBD's is to be found, it reads what version 9 would have.
    ask = 'DRBD_DRIVER_VERSION_OVERRIDE=8.4.11 drbdadm --config-file "$file" dump all'
    yield Configuration("DRBD", both, ask, _is_dumped)

    # Corosync wants to see the key, which is no stack's here, this machine among the members, and a folder of its own.
    members = _document(scripts[f"{node}-corosync"], "corosync.conf <<")
    members = re.sub("(?<=keyfile: ).*", "/dev/shm/key", members)
    members = re.sub(rf"(?m)^(\s*name: ){re.escape(node)}$", rf"\g<1>{host}", members)
    yield Configuration(
        "Corosync",
        members + "system {\n  state_dir: /dev/shm\n}\n",
        'head --bytes=256 /dev/urandom >/dev/shm/key; corosync -t -c "$file"',
        _is_without_error,
    )

    # Newer versions of crm take this only where an sbd runs.
    document = re.sub(r"(?m)^ +\w+-watchdog-timeout=.*\n", "", _document(scripts["resources-document"], "cluster.crm"))
    if f"{system.fencing_prefix}-enabled=" in document:  # other Pacemakers have other names
        yield Configuration(
            "Pacemaker",
            document,
            "cibadmin --empty >/dev/shm/cib.xml && export CIB_file=/dev/shm/cib.xml"
            ' && crm --force configure load update "$file" && crm_verify --xml-file $CIB_file && crm configure verify',
            _is_accepted,
        )

    if system.database.program in scripts[f"{node}-server"]:
        text = _document(scripts[f"{node}-server"], Path(system.database.config_file).name)
        ask = f'{system.database.program} --defaults-file="$file" --user=mysql'
        # MariaDB has no other way to look at an option file.
        check = f"{ask} --validate-config && " if system.database.server == "mysql" else ""
        yield Configuration("the server", text, f"{check}{ask} --help --verbose 2>/dev/null", _says_what_is_meant)

    machine = next(each for each in resources if each.type == "azure-native:compute:VirtualMachine")
    data = base64.b64decode(machine.inputs["osProfile"]["customData"]["secret"]).decode()
    # Under another name than the running one's: its host key is nobody's.
    yield Configuration("cloud-init", data, 'cloud-init schema --config-file "$file"')
    for file in yaml.safe_load(data)["write_files"]:
        if "sudoers" in file["path"]:
            yield Configuration("sudo", file["content"], 'visudo --check --file "$file"')
        else:
            text = file["content"].replace("/etc/ssh/ssh_host_ed25519_key", "/dev/shm/host_key")
            make = (
                "rm -f /dev/shm/host_key && ssh-keygen -q -t ed25519 -N '' -f /dev/shm/host_key && mkdir -p /run/sshd"
            )
            yield Configuration("sshd", text, f'{make} && sshd -t -f "$file"')


def _document(script: str, after: str) -> str:
    """Return the document that a script has between <<'FILE' in the line with `after`, and FILE."""
    lines = script.splitlines()
    begin = next(number for number, line in enumerate(lines) if after in line and line.rstrip().split("'FILE'")[1:])
    end = lines.index("FILE", begin)
    return "\n".join(lines[begin + 1 : end]) + "\n"


def _is_dumped(said: str) -> bool:
    return "protocol" in said


def _is_without_error(said: str) -> bool:
    return "error" not in said.lower()


def _is_accepted(said: str) -> bool:
    # A configuration in a file has no quorum.
    return not [line for line in said.splitlines() if "ERROR" in line and "lack of quorum" not in line]


def _says_what_is_meant(said: str) -> bool:
    return all(
        re.search(rf"^{line}$", said, re.MULTILINE)
        for line in (r"datadir +/var/lib/mysql/data/", r"innodb-flush-log-at-trx-commit +1")
    )
