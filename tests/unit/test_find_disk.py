"""How a node finds its data disk: by Azure's names, or as a namespace of NVMe where the image has no such names."""

import subprocess
from pathlib import Path

import pytest

from tests.support.expected import EXPECTED

SCRIPT = EXPECTED / "lab" / "included" / "mysql-lab-1-drbd-partition.sh"

SCSI, UDEV = "dev/disk/azure/scsi1/lun0", "dev/disk/azure/data/by-lun/0"


@pytest.mark.parametrize(
    ("there", "models", "found"),
    [
        ([SCSI], {}, SCSI),
        ([UDEV, "dev/nvme0n2"], {"nvme0": "MSFT NVMe Accelerator v1.0"}, UDEV),
        (["dev/nvme0n1", "dev/nvme0n2"], {"nvme0": "MSFT NVMe Accelerator v1.0"}, "dev/nvme0n2"),
        # A temporary disk of the machine's own is another controller, whose namespaces are nobody's data.
        (
            ["dev/nvme0n2", "dev/nvme1n2"],
            {"nvme0": "Microsoft NVMe Direct Disk v2", "nvme1": "MSFT NVMe Accelerator v1.0"},
            "dev/nvme1n2",
        ),
        (["dev/nvme0n2"], {"nvme0": "Microsoft NVMe Direct Disk v2"}, ""),
        (["dev/nvme0n1"], {"nvme0": "MSFT NVMe Accelerator v1.0"}, ""),
    ],
)
def test_the_data_disk(there: list[str], models: dict[str, str], found: str, tmp_path: Path) -> None:
    for name in there:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for controller, model in models.items():
        folder = tmp_path / "sys/class/nvme" / controller
        folder.mkdir(parents=True)
        (folder / "model").write_text(f"{model}\n")
    # The same lines, below a folder, and with files for devices.
    text = SCRIPT.read_text().replace("/dev/", f"{tmp_path}/dev/").replace("/sys/", f"{tmp_path}/sys/")
    text = text.replace("-b $disk", "-e $disk")
    script = f'set -euo pipefail\n{text}\nfind_disk && echo "$disk" || echo none'
    run = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == (str(tmp_path / found) if found else "none"), run.stderr
