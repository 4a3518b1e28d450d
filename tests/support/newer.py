"""Newer versions of packages that a node has, with the same content, in the node's only package source.

The guests have no way to a mirror, and a distribution has one version at a time. What is tried with these is all but
the content: what their own scripts start, stop and write when one version takes the place of another.
"""

import shlex
from collections.abc import Sequence

from operations.ssh import Node

_SUFFIX = "+newer"

# As dpkg-repack does it: what dpkg knows of a package, and the files that are there of it.
_MAKE = r"""set -euo pipefail
source=/var/lib/offline-packages
sources=$(dpkg-query --show --showformat '${{source:Package}}\n' {packages} | sort --unique)
siblings=$(dpkg-query --show --showformat '${{db:Status-Abbrev}} ${{source:Package}} ${{Package}}\n' |
  awk 'NR == FNR {{ wanted[$1]; next }} $1 == "ii" && $2 in wanted {{ print $3 }}' <(echo "$sources") -)
either=$(paste --serial --delimiters '|' <<<"${{siblings//+/[+]}}")
for package in $siblings; do
  tree=$(mktemp --directory)
  chmod 0755 "$tree"
  mkdir "$tree/DEBIAN"
  for name in $(dpkg-query --control-list "$package"); do
    dpkg-query --control-show "$package" "$name" >"$tree/DEBIAN/$name"
    case $name in
      preinst | postinst | prerm | postrm | config) chmod 0755 "$tree/DEBIAN/$name" ;;
      md5sums) rm "$tree/DEBIAN/$name" ;;
    esac
  done
  dpkg-query --show --showformat '
Package: ${{Package}}
Version: ${{Version}}{suffix}
Architecture: ${{Architecture}}
Maintainer: ${{Maintainer}}
Pre-Depends: ${{Pre-Depends}}
Depends: ${{Depends}}
Breaks: ${{Breaks}}
Conflicts: ${{Conflicts}}
Replaces: ${{Replaces}}
Provides: ${{Provides}}
Description: ${{Description}}
' "$package" | sed --regexp-extended --expression '/^([A-Z][A-Za-z-]*: *)?$/d' \
    --expression "s/(^|[ ,|])($either) \(= ([^)]*)\)/\1\2 (= \3{suffix})/g" >"$tree/DEBIAN/control"
  dpkg-query --listfiles "$package" | while read -r path; do
    [[ ! -e $path && ! -L $path ]] || echo "${{path#/}}"
  done | grep --extended-regexp --invert-match '^(\.?|bin|lib|lib64|sbin)$' |
    tar --create --no-recursion --directory / --files-from - | tar --extract --directory "$tree"
  dpkg-deb --build -Znone "$tree" "$source" >/dev/null
  rm --recursive "$tree"
  deb=$(ls "$source/${{package}}"_*{suffix}_*.deb)
  {{
    dpkg-deb --field "$deb"
    echo "Filename: ./${{deb##*/}}"
    echo "Size: $(stat --format %s "$deb")"
    echo "SHA256: $(sha256sum "$deb" | cut --delimiter ' ' --fields 1)"
    echo
  }} >>"$source/Packages"
done
"""


def make_newer(node: Node, packages: Sequence[str]) -> None:
    """Put a newer version of installed packages into a node's package source, and of all that are built with them.

    Some of those depend on exactly the version of another.

    Args:
        node: the node.
        packages: their names.
    """
    node.run(_MAKE.format(packages=shlex.join(packages), suffix=_SUFFIX), timeout=300)


def are_newer(node: Node, packages: Sequence[str]) -> bool:
    """Tell whether a node has the newer versions of packages, whole."""
    shown = node.run(f"dpkg-query --show --showformat '${{db:Status-Abbrev}} ${{Version}}\n' {shlex.join(packages)}")
    return all(line.startswith("ii ") and line.endswith(_SUFFIX) for line in shown.splitlines())
