"""Which packages unattended updates leave alone: the cluster's, and what only they bring; never the machine's own."""

import importlib.util
import re

from components.checkout import CONFIGS

_spec = importlib.util.spec_from_file_location("held_packages", CONFIGS / "host/held_packages.py")
assert _spec and _spec.loader
program = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(program)


def shown(name: str, depends: str = "", *, status: str = "ii ", priority: str = "optional", provides: str = "") -> str:
    """Return a package's line as dpkg-query shows it."""
    return "\t".join((name, status, "no", priority, "", depends, provides)) + "\n"


# Ubuntu's: the program is two packages away from the one that is installed by name.
UBUNTU = (
    shown("mysql-server", "mysql-server-8.0")
    + shown(
        "mysql-server-8.0", "debconf | debconf-2.0, mysql-server-core-8.0 (= 8.0.39-1), libstdc++6 (>= 13), perl:any"
    )
    + shown("mysql-server-core-8.0", "libc6 (>= 2.38), libevent-core-2.1-7t64, libaio1 (>= 0.3) | libaio1t64")
    + shown("libevent-core-2.1-7t64", "libc6")
    + shown("libaio1t64", "libc6", provides="libaio1 (= 0.3.113-6)")
    + shown("gone", status="rc ")
    + shown("apt", "libstdc++6, libc6", priority="required")
    + shown("openssh-server", "openssh-client (= 1:9.6p1)")
    + shown("openssh-client", "libc6")
    + shown("perl", "libc6")
    + shown("libc6")
    + shown("libstdc++6", "libc6")
    + shown("linux-image-6.8.0-1021-azure")
    + shown("linux-modules-6.8.0-1021-azure")
    + shown("linux-headers-6.8.0-1021-azure")
)


def held(owners: str = "", *packages: str) -> list[str]:
    return program.held(UBUNTU, owners, list(packages))


def test_what_only_the_cluster_needs() -> None:
    expressions = held("", "mysql-server", "openssh-client", "gone")
    assert expressions == [
        "^libaio1t64$",
        "^libevent-core-2[.]1-7t64$",
        "^mysql-server$",
        "^mysql-server-8[.]0$",
        "^mysql-server-core-8[.]0$",
    ]
    assert re.match(expressions[1], "libevent-core-2.1-7t64")


def test_no_kernel_with_or_without_the_module() -> None:
    path = "/lib/modules/6.8.0-1021-azure/kernel/drivers/block/drbd/drbd.ko.zst"
    expressions = held(f"linux-modules-6.8.0-1021-azure: {path}\n")
    assert expressions == ["^linux-image-[0-9].*$", "^linux-modules-[0-9].*$"]
    for name in ("linux-image-6.8.0-1030-azure", "linux-modules-6.11.0-1-azure"):
        assert any(re.match(expression, name) for expression in expressions)
    assert not any(re.match(expression, "linux-image-azure") for expression in expressions)


def test_a_name_is_no_pattern() -> None:
    assert program.held(shown("libx++2.0"), "", ["libx++2.0"]) == ["^libx[+][+]2[.]0$"]
