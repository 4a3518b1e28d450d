"""A machine's operating system profile: names, keys, custom data."""

import base64
import binascii
import re

from lab.cloud.errors import conflict, invalid, not_in_lab
from lab.cloud.fields import flag, items, section, text
from lab.cloud.guest import decode
from lab.cloud.model import Json, Resource

_RESERVED_USERS = re.compile(
    "administrator|admin[12]?|user[1-5]?|test[1-3]?|1|123|a|actuser|adm|aspnet|backup|console|david|guest|john|owner|"
    "root|server|sql|support|support_388945a0|sys"
)
"""Names that Azure does not take for an administrator."""

_CUSTOM_DATA_LIMIT = 65535
"""Bytes: learn.microsoft.com, "Virtual Machines - Create Or Update", OSProfile.customData."""


def os_profile(given: Json, resource: Resource, existing: Resource | None) -> Json:
    """Check names, keys and custom data, and return the profile that a client sees."""
    if existing is not None and not given:
        return section(existing.properties, "osProfile")
    computer = text(given, "computerName") or resource.name
    if (
        len(computer) > 64
        or computer.isdecimal()
        or not re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?", computer)
    ):
        raise invalid(
            "Linux host name cannot exceed 64 characters in length, consist entirely of digits, or contain the "
            f"following characters: ` ~ ! @ # $ % ^ & * ( ) = + _ [ ] {{ }} \\ | ; : ' \" , < > / ?. It is "
            f"'{computer}'.",
            "computerName",
        )
    admin = text(given, "adminUsername")
    if not re.fullmatch(r"[a-z_][a-z0-9_-]{0,63}", admin, re.IGNORECASE):
        raise invalid(f"The Admin Username '{admin}' is not valid.", "adminUsername")
    if _RESERVED_USERS.fullmatch(admin.lower()):
        raise invalid("The Admin Username specified is not allowed.", "adminUsername")
    linux = section(given, "linuxConfiguration")
    if given.get("windowsConfiguration") is not None:
        raise not_in_lab("Windows is not supported by the lab cloud.", "windowsConfiguration")
    if text(given, "adminPassword") or not flag(linux, "disablePasswordAuthentication"):
        raise not_in_lab("The lab's guests take SSH keys only: disablePasswordAuthentication must be true.")
    keys = items(section(linux, "ssh"), "publicKeys")
    if not keys:
        raise invalid(
            "Authentication using either SSH or by user name and password must be enabled in Linux profile.",
            "linuxConfiguration",
        )
    for key in keys:
        _check_ssh_key(key, admin)
    _check_custom_data(text(given, "customData"))
    if existing is None:
        resource.hidden["customData"] = text(given, "customData")
    elif text(given, "customData") not in ("", existing.hidden.get("customData", "")):
        raise conflict(
            "PropertyChangeNotAllowed", "Changing property 'osProfile.customData' is not allowed.", "customData"
        )
    return {
        "computerName": computer,
        "adminUsername": admin,
        "linuxConfiguration": {
            "disablePasswordAuthentication": True,
            "ssh": {"publicKeys": [{"path": key["path"], "keyData": key["keyData"]} for key in keys]},
            "provisionVMAgent": flag(linux, "provisionVMAgent", default=True),
            **({"patchSettings": linux["patchSettings"]} if linux.get("patchSettings") else {}),
        },
        "secrets": [],
        "allowExtensionOperations": True,
        "requireGuestProvisionSignal": True,
    }


def _check_ssh_key(key: Json, admin: str) -> None:
    path, data = text(key, "path"), text(key, "keyData")
    home = f"/home/{admin}/.ssh/authorized_keys"
    if path != home:
        raise invalid(
            f"Destination path for SSH public keys is currently limited to its default value {home} due to a known "
            "issue in Linux provisioning agent.",
            "linuxConfiguration.ssh.publicKeys.path",
        )
    words = data.split()
    try:
        blob = base64.b64decode(words[1], validate=True) if len(words) > 1 else b""
    except binascii.Error:
        blob = b""
    length = int.from_bytes(blob[:4], "big")
    ok = bool(words) and words[0] in ("ssh-rsa", "ssh-ed25519") and blob[4 : 4 + length] == words[0].encode()
    if not ok or (words[0] == "ssh-rsa" and len(blob) < 2048 // 8):
        raise invalid(
            "The value of parameter linuxConfiguration.ssh.publicKeys.keyData is invalid: an RSA key of at least 2048 "
            "bits or an Ed25519 key in OpenSSH's form is wanted.",
            "linuxConfiguration.ssh.publicKeys.keyData",
        )


def _check_custom_data(custom_data: str) -> None:
    try:
        size = len(decode(custom_data))
    except ValueError:
        size = _CUSTOM_DATA_LIMIT + 1
    if size > _CUSTOM_DATA_LIMIT:
        raise invalid(
            "Custom data in OSProfile must be in Base64 encoding and with a maximum length of 87380 characters.",
            "customData",
        )
