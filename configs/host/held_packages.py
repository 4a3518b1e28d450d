"""Tell which packages a node's unattended updates leave alone, as lines of APT's configuration.

Usage: held_packages.py PACKAGE...: those that were installed for the cluster. With them goes all that they need and
that the machine would not have without them: the packages that own the cluster's programs, libraries and modules, as
dpkg knows them on this very node. What the machine itself has (libc6, OpenSSL, Python, …) is updated: no daemon is
restarted for it (needrestart is told so), and each goes on with the file that it has opened.

Of the kernel no version is brought unattended, with DRBD's module or without: a node that is started again after a
failure has the kernel that it had.
"""

import re
import subprocess
import sys

# The machine's own: these, what has such a priority, and all that they need.
OWN = ("openssh-server", "python3", "perl", "cloud-init", "unattended-upgrades", "needrestart")
OWN_PRIORITIES = ("required", "important", "standard")

SHOWN = r"${Package}\t${db:Status-Abbrev}\t${Essential}\t${Priority}\t${Pre-Depends}\t${Depends}\t${Provides}\n"
"""In which form dpkg-query is to show the packages."""


def dpkg_query(*arguments: str) -> str:
    """Return what dpkg-query prints: nothing where nothing is found."""
    return subprocess.run(["dpkg-query", *arguments], capture_output=True, text=True, check=False).stdout


def names(relation: str) -> "list[str]":
    """Return the names in a field such as "a (>= 1), b | c:any"."""
    return [re.split(r"[ (:]", name.strip())[0] for name in re.split(r"[,|]", relation) if name.strip()]


class Installed:
    """What dpkg knows of the packages that are installed.

    Args:
        shown: a line for each, as `SHOWN` has it.
    """

    def __init__(self, shown: str) -> None:
        self.needs: dict[str, list[str]] = {}
        self.own: list[str] = []
        self._provided_by: dict[str, list[str]] = {}
        for line in shown.splitlines():
            package, status, essential, priority, before, depends, provides = line.split("\t")
            if not status.startswith("ii"):
                continue
            self.needs[package] = [*names(before), *names(depends)]
            if essential == "yes" or priority in OWN_PRIORITIES or package in OWN:
                self.own.append(package)
            for name in (package, *names(provides)):
                self._provided_by.setdefault(name, []).append(package)

    def all_that_need(self, packages: "list[str]") -> "set[str]":
        """Return packages, by whatever name, and all that they need, directly or not."""
        found: set[str] = set()
        wanted = list(packages)
        while wanted:
            for package in self._provided_by.get(wanted.pop(), []):
                if package not in found:
                    found.add(package)
                    wanted += self.needs[package]
        return found


def held(shown: str, owners_of_drbd: str, packages: "list[str]") -> "list[str]":
    """Return regular expressions of the names.

    Args:
        shown: see `Installed`.
        owners_of_drbd: what `dpkg-query --search` prints for DRBD's module.
        packages: those that were installed for the cluster.
    """
    installed = Installed(shown)
    found = installed.all_that_need(packages) - installed.all_that_need(installed.own)
    expressions = {re.sub(r"([.+])", r"[\1]", package) for package in found}
    for release in re.findall(r"/modules/([^/]+)/", owners_of_drbd):
        for package in installed.needs:
            if package.startswith(("linux-image-", "linux-modules-")) and release in package:
                expressions.add(re.sub(r"([.+])", r"[\1]", package.partition(release)[0]) + "[0-9].*")
    return [f"^{expression}$" for expression in sorted(expressions)]


if __name__ == "__main__":
    found = held(dpkg_query("--show", "--showformat", SHOWN), dpkg_query("--search", "*/drbd.ko*"), sys.argv[1:])
    for expression in found:
        print(f'  "{expression}";')
