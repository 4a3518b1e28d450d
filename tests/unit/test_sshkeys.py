"""Private keys as ssh-keygen writes them, and what people paste instead."""

import subprocess
from pathlib import Path

import pytest

from components.settings import sshkeys
from tests.support.keys import ssh_key


@pytest.mark.parametrize(
    ("kind", "name"), [("ed25519", "ssh-ed25519"), ("rsa", "ssh-rsa"), ("ecdsa", "ecdsa-sha2-nistp256")]
)
def test_kinds(kind: str, name: str) -> None:
    key = sshkeys.parse(ssh_key(kind))
    assert (key.kind, key.encrypted) == (name, False)


def test_the_public_half_is_the_one_that_openssh_derives(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.touch(mode=0o600)
    file.write_text(ssh_key())
    derived = subprocess.run(["ssh-keygen", "-y", "-f", str(file)], check=True, capture_output=True, text=True)
    assert sshkeys.parse(ssh_key()).public == derived.stdout.strip()


def test_encrypted() -> None:
    key = sshkeys.parse(ssh_key("ed25519", "passphrase"))
    assert (key.kind, key.encrypted) == ("ssh-ed25519", True)


def test_white_space_around_it_does_no_harm() -> None:
    key = "\n" + ssh_key().rstrip("\n").replace("\n", "\r\n") + "\n\n"
    assert sshkeys.parse(key) == sshkeys.parse(ssh_key())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        ("hello", "does not begin with -----BEGIN OPENSSH PRIVATE KEY-----"),
        ("ssh-ed25519 AAAA me", "is a public key, not a private key in OpenSSH's form"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMII\n", "is an RSA key in PEM form, not a private key in OpenSSH's form"),
        ("PuTTY-User-Key-File-3: ssh-ed25519", "is a key in PuTTY's form, not a private key in OpenSSH's form"),
        (ssh_key()[:200], "does not end with -----END OPENSSH PRIVATE KEY-----; perhaps it was cut off"),
    ],
    ids=["nothing", "a word", "public", "PEM", "PuTTY", "cut off"],  # a key is another one in each process
)
def test_what_is_none(text: str, reason: str) -> None:
    with pytest.raises(sshkeys.SshKeyError) as raised:
        sshkeys.parse(text)
    assert str(raised.value) == reason


def damaged() -> list[str]:
    head, *body, tail = ssh_key().strip().splitlines()
    return [
        "\n".join([head, *body[:-1], tail]),
        "\n".join([head, *body[1:], tail]),
        "\n".join([head, "not base64!", tail]),
        "\n".join([head, "AAAA", tail]),
        "\n".join([head, tail]),
    ]


@pytest.mark.parametrize("text", damaged(), ids=[str(number) for number in range(len(damaged()))])
def test_damage(text: str) -> None:
    with pytest.raises(sshkeys.SshKeyError, match=r"^is damaged"):
        sshkeys.parse(text)
