"""Writes a guest's cloud-init seed: a disk labelled `cidata` with the four files of NoCloud."""

import io
from pathlib import Path
from typing import Any, cast

import pycdlib  # pyright: ignore[reportMissingTypeStubs]


def write_seed(path: Path, *, meta_data: str, user_data: str, vendor_data: str, network_config: str) -> None:
    """Write the seed disk, whole or not at all.

    Args:
        path: the ISO file; an old one is replaced.
        meta_data: YAML with `instance-id` (a new one makes cloud-init run as on a new machine) and `local-hostname`.
        user_data: cloud-config (`#cloud-config` first) or anything else that cloud-init takes; "" is none.
        vendor_data: the same, from who runs the machine; user_data wins. "" is none.
        network_config: network configuration, version 2. The machine's interface is `vec0`.
    """
    iso = cast(Any, pycdlib).PyCdlib()
    iso.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident="cidata")
    files = {
        "meta-data": meta_data,
        "user-data": user_data,
        "vendor-data": vendor_data or "#cloud-config\n{}\n",
        "network-config": network_config,
    }
    for number, (name, text) in enumerate(files.items()):
        data = text.encode()
        iso.add_fp(io.BytesIO(data), len(data), f"/F{number}.;1", rr_name=name, joliet_path=f"/{name}")
    new = path.with_name(f".{path.name}.new")
    iso.write(str(new))
    iso.close()
    new.chmod(0o600)  # custom data may hold secrets
    new.replace(path)
