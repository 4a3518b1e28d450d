"""What a guest's cloud-init reads: the same facts as on Azure, in NoCloud's form.  Pure."""

import base64
import json
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from lab.cloud.addresses import PLATFORM

SEARCH_DOMAIN = "internal.cloudapp.net"
"""Names of the machines end with it, as on Azure (there with a part of the network's own before it)."""


@dataclass(frozen=True)
class GuestInterface:
    """A guest's interface as it is told of it.

    Args:
        mac: six hex octets with colons.
        gateway: the subnet's gateway.
    """

    mac: str
    address: IPv4Address
    prefix: IPv4Network
    gateway: IPv4Address


@dataclass(frozen=True)
class Seed:
    """The four texts of a seed."""

    meta_data: str
    user_data: str
    vendor_data: str
    network_config: str


def seed(
    *,
    vm_id: str,
    host_name: str,
    admin: str,
    ssh_keys: tuple[str, ...],
    ca_certificate: str,
    custom_data: bytes,
    interface: GuestInterface,
) -> Seed:
    """Return what a machine's cloud-init reads.

    The user's data wins over the vendor's, so the admin is made by `user`, which changes the default user: a list
    of `users` in custom data keeps it by naming `default`, as on Azure.

    Args:
        vm_id: the machine's GUID; cloud-init's instance-id.
        ca_certificate: PEM text that the guest is to trust; empty for none.
    """
    vendor: dict[str, object] = {
        "user": {
            "name": admin,
            "gecos": "Administrator",
            "groups": ["adm", "sudo"],
            "lock_passwd": True,
            "shell": "/bin/bash",
            "sudo": "ALL=(ALL) NOPASSWD:ALL",
        },
        # No `ssh_pwauth`: cloud-init would start sshd anew once somebody may have logged in, and nobody has a password.
        "disable_root": True,
        "preserve_hostname": False,
    }
    parts: list[dict[str, str]] = [
        {"type": "text/cloud-config", "content": "#cloud-config\n" + json.dumps(vendor, indent=1) + "\n"}
    ]
    if ca_certificate:
        parts.append({"type": "text/x-shellscript", "content": _trust_script(ca_certificate)})
    ethernet: dict[str, object] = {
        "match": {"macaddress": interface.mac},
        "set-name": "vec0",
        "addresses": [f"{interface.address}/{interface.prefix.prefixlen}"],
        "routes": [{"to": "0.0.0.0/0", "via": str(interface.gateway)}],
        "nameservers": {"addresses": [PLATFORM], "search": [SEARCH_DOMAIN]},
    }
    # JSON is YAML.
    return Seed(
        meta_data=json.dumps(
            {"instance-id": vm_id, "local-hostname": host_name, "public-keys": list(ssh_keys)}, indent=1
        ),
        user_data=custom_data.decode("utf-8", errors="replace"),
        vendor_data="#cloud-config-archive\n" + json.dumps(parts, indent=1) + "\n",
        network_config=json.dumps({"version": 2, "ethernets": {"vec0": ethernet}}, indent=1),
    )


def _trust_script(ca_certificate: str) -> str:
    """Return what makes a guest trust the lab's CA, at the end of its first boot.

    `update-ca-certificates`, which cloud-init's `ca_certs` runs before it lets SSH start, takes 12 s in a lab's guest:
    it looks at each of 150 certificates.  What it would do for one more is done here instead; should it run later, it
    finds the certificate where it looks for it.
    """
    return f"""#!/bin/sh
set -eu
mkdir -p /usr/local/share/ca-certificates
cat >/usr/local/share/ca-certificates/lab-cloud.crt <<'PEM'
{ca_certificate.strip()}
PEM
cd /etc/ssl/certs
cat /usr/local/share/ca-certificates/lab-cloud.crt >>ca-certificates.crt
ln -sf /usr/local/share/ca-certificates/lab-cloud.crt lab-cloud.pem
ln -sf lab-cloud.pem "$(openssl x509 -noout -hash -in lab-cloud.pem).0"
"""


def decode(custom_data: str) -> bytes:
    return base64.b64decode(custom_data, validate=True)
