"""What follows from a machine's memory and from its data disk: each number with its bounds, and what wins over it."""

import shlex
import subprocess
from pathlib import Path
from typing import Any

import pulumi
import pytest

from components.settings import data_disk, operating_system, vm_size
from components.settings.data_disk import Speed
from components.settings.load import load
from components.settings.replication import buffers
from components.settings.server_size import ServerSize
from components.settings.settings import Settings
from components.templates import render
from tests.support.stack_configuration import throw_away_secrets, use, use_stack

NETWORKS = {"adminCidrs": ["203.0.113.0/24"], "clientCidrs": ["203.0.113.0/24"]}
REDO_LOG = "innodb_redo_log_capacity"
P15 = Speed(iops=1100, throughput=125)

POOL, CONNECTIONS = "innodb_buffer_pool_size", "max_connections"
IO, IO_MOST = "innodb_io_capacity", "innodb_io_capacity_max"
DIRTY, DIRTY_BEGIN = "innodb_max_dirty_pages_pct", "innodb_max_dirty_pages_pct_lwm"


def settings(**changes: Any) -> Settings:
    return load(use(throw_away_secrets() | NETWORKS | changes))


def size(gib: float = 16, disk: Speed = P15) -> ServerSize:
    return ServerSize(int(gib * 1024), disk, REDO_LOG, {})


def given(**options: str) -> ServerSize:
    return ServerSize(16 * 1024, P15, REDO_LOG, options)


@pytest.mark.parametrize(
    ("name", "gib"),
    [
        ("Standard_B1ls", 0.5),
        ("Standard_B1s", 1),
        ("Standard_B2s", 4),
        ("Standard_B20ms", 80),
        ("Standard_B2ts_v2", 1),
        ("Standard_B2ats_v2", 1),
        ("Standard_B2ls_v2", 4),
        ("Standard_B2s_v2", 8),
        ("Standard_B16as_v2", 64),
        ("Standard_DS1_v2", 3.5),
        ("Standard_DS13_v2", 56),
        ("Standard_D2s_v3", 8),
        ("Standard_D4s_v5", 16),
        ("Standard_D2ls_v5", 4),
        ("Standard_D4lds_v5", 8),
        ("Standard_D2as_v6", 8),
        ("Standard_E2s_v5", 16),
        ("Standard_E4-2ds_v5", 32),
        ("Standard_E48bds_v5", 384),
        ("Standard_F4s_v2", 8),
        ("Standard_F2als_v6", 4),
        ("Standard_F2as_v6", 8),
        ("Standard_F2ams_v6", 16),
        ("Standard_L8s_v3", 64),
        # Not of their series' ratio, or not known.
        ("Standard_E64s_v4", None),
        ("Standard_E96s_v5", None),
        ("Standard_M416s_8_v2", None),
        ("Standard_FX4mds", None),
        ("Standard_GS1", None),
        ("Standard_D2s_v9", None),
    ],
)
def test_memory(name: str, gib: float | None) -> None:
    assert vm_size.parse(name).memory_mib == (None if gib is None else gib * 1024)


@pytest.mark.parametrize(
    ("sku", "gib", "speed"),
    [
        ("Premium_LRS", 4, Speed(120, 25)),
        ("Premium_LRS", 64, Speed(240, 50)),
        ("Premium_LRS", 65, Speed(500, 100)),
        ("Premium_LRS", 2048, Speed(7500, 250)),
        ("Premium_LRS", 32767, Speed(20000, 900)),
        ("PremiumV2_LRS", 64, Speed(3000, 125)),
        ("StandardSSD_LRS", 32, Speed(500, 100)),
        ("StandardSSD_LRS", 16384, Speed(4000, 600)),
        ("Standard_LRS", 32, Speed(500, 60)),
    ],
)
def test_a_disks_speed(sku: str, gib: int, speed: Speed) -> None:
    assert data_disk.speed(sku, gib) == speed


# Microsoft's own managed server of the same memory has these, in MiB and connections: learn.microsoft.com, "Server
# parameters in Azure Database for MySQL - Flexible Server".
MICROSOFT = {1: (128, 85), 2: (512, 171), 4: (2048, 341), 8: (5120, 683), 16: (12288, 1365), 64: (49152, 5461)}


@pytest.mark.parametrize("gib", MICROSOFT)
def test_memory_is_enough_for_all(gib: int) -> None:
    """Never more than Microsoft's, and two thirds of it at least; beside it all connections and the node have room."""
    options = size(gib).options
    pool, connections = int(options[POOL].removesuffix("M")), int(options[CONNECTIONS])
    most, same = MICROSOFT[gib]
    assert connections == same
    assert most * 2 / 3 <= pool <= most
    # MySQL 8.0 rounds up to this.
    assert pool % (1024 if pool > 1024 else 128) == 0
    if gib > 1:
        assert pool + 1.5 * connections + 1024 <= gib * 1024 * 0.9


def test_a_machine_with_next_to_nothing() -> None:
    options = size(0.5, Speed(120, 25)).options
    assert (options[POOL], options[CONNECTIONS]) == ("128M", "43")
    assert (options[IO], options[IO_MOST]) == ("100", "120")
    assert 0 < float(options[DIRTY_BEGIN]) < float(options[DIRTY]) <= 90


@pytest.mark.parametrize("sku", ["Premium_LRS", "PremiumV2_LRS", "StandardSSD_LRS", "Standard_LRS"])
@pytest.mark.parametrize("gib", [4, 64, 256, 1024, 4096, 32767])
def test_changed_pages_are_written_in_seconds(sku: str, gib: int) -> None:
    """As many as the disk writes in 20 s, whatever the memory: what a stop writes, and about what a crash leaves."""
    disk = data_disk.speed(sku, gib)
    for memory in (8, 32, 384):
        options = size(memory, disk).options
        pages = int(options[POOL].removesuffix("M")) * 64 * float(options[DIRTY]) / 100
        # Of the pool there are tenths of a percent to choose from.
        assert pages <= disk.iops * 20 + int(options[POOL].removesuffix("M")) * 64 / 1000
        assert int(options[IO]) <= int(options[IO_MOST]) <= max(disk.iops, 100)


def test_what_is_given_wins() -> None:
    options = {POOL: "3G", CONNECTIONS: "50", IO: "2000", DIRTY_BEGIN: "5", REDO_LOG: "1G", "long_query_time": "1"}
    assert given(**options).options == options, "nor is any other one left that the server would bend it to"
    assert given(**{POOL: "3G"}).own_pool_mib is None
    assert given(loose_max_connections="5").options.get(CONNECTIONS) is None
    assert given(**{IO_MOST: "900"}).options.get(IO) is None
    assert given(innodb_log_file_size="1G").options.get(REDO_LOG) is None


def test_changed_pages_are_a_part_of_the_pool_in_force() -> None:
    share = float(given(**{POOL: "1G"}).options[DIRTY])
    assert share == pytest.approx(100 * 1100 * 20 / 65536, abs=0.1)  # pyright: ignore[reportUnknownMemberType]
    assert DIRTY not in given(**{POOL: "much"}).options


def test_a_server_that_sizes_itself() -> None:
    options = given(innodb_dedicated_server="ON").options
    assert POOL not in options and REDO_LOG not in options and CONNECTIONS in options
    assert POOL in given(innodb_dedicated_server="OFF").options


def test_files() -> None:
    assert size(16).open_files == 32768
    assert size(384).open_files == 5 * 32768
    assert given(**{CONNECTIONS: "10000"}).open_files == 50000
    assert given(open_files_limit="1000000").open_files == 1000000


def test_memory_that_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """The preview says so, once, and the server keeps its defaults; what follows from the disk does."""
    warnings: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", warnings.append)
    found = settings(vmSize="Standard_M32ts")
    assert {POOL, CONNECTIONS, DIRTY}.isdisjoint(found.server_size.options) and IO in found.server_size.options
    assert found.server_size.own_pool_mib is None
    (warning,) = [text for text in warnings if text.startswith("vmSize")]
    assert warning.startswith("vmSize Standard_M32ts: this program does not know how much memory it has")
    assert "innodb_buffer_pool_size and max_connections" in warning
    settings(vmSize="Standard_M32ts", mysqlOptions={POOL: "100G", CONNECTIONS: 1000})
    assert len([text for text in warnings if text.startswith("vmSize")]) == 1


@pytest.mark.parametrize(
    ("changes", "extents"),
    [
        ({"dataDiskSku": "Premium_LRS", "dataDiskSizeGb": 64}, 3750),
        ({"dataDiskSku": "Premium_LRS", "dataDiskSizeGb": 4}, 1875),
        ({"dataDiskSku": "StandardSSD_LRS", "dataDiskSizeGb": 4}, 6433),
        ({"dataDiskSku": "Premium_LRS", "dataDiskSizeGb": 32767, "drbdResyncMaxRate": "1G"}, 6433),
        ({"dataDiskSku": "Premium_LRS", "dataDiskSizeGb": 256, "drbdResyncMaxRate": "5M"}, 1237),
    ],
)
def test_hot_extents_are_copied_in_five_minutes(changes: dict[str, Any], extents: int) -> None:
    found = settings(**changes)
    assert found.replication.al_extents(found.data_disk_speed) == extents


@pytest.mark.parametrize(("mib", "number"), [(None, 2048), (512, 2048), (1024, 2621), (4096, 10485), (16384, 20000)])
def test_buffers_are_a_hundredth_of_the_memory(mib: int | None, number: int) -> None:
    assert buffers(mib) == number


def test_every_servers_own_name_for_its_log() -> None:
    for name in operating_system.names():
        database = operating_system.load(name).database
        assert database.redo_log == {"mysql": REDO_LOG, "mariadb": "innodb_log_file_size"}[database.server]


def test_the_lab_keeps_its_pool() -> None:
    lab = load(use_stack("lab"))
    assert lab.server_size.options[POOL] == "128M" and lab.server_size.own_pool_mib is None


@pytest.mark.parametrize(
    ("meminfo_mib", "sized_for", "pool", "found"),
    [
        (7800, 8192, 5120, ""),
        (1000, 8192, 5120, "[mysqld]\ninnodb_buffer_pool_size = 250M\n"),
        # A small machine keeps more for itself, and its pool is the server's own.
        (850, 1024, 128, ""),
        (7800, None, None, ""),
    ],
)
def test_a_machine_that_is_smaller(
    tmp_path: Path, meminfo_mib: int, sized_for: int | None, pool: int | None, found: str
) -> None:
    """The file is there for as long as it is needed; a program before each start of the server sees to it."""
    file, meminfo = tmp_path / "small.cnf", tmp_path / "meminfo"
    meminfo.write_text(f"MemTotal:  {meminfo_mib * 1024} kB\nMemFree: 1 kB\n")
    names = {"memory_mib": sized_for, "pool_mib": pool, "small_machine_file": shlex.quote(str(file)), "backup": True}
    text = render("mysql/fit-machine.sh.j2", names).replace("/proc/meminfo", str(meminfo))
    file.write_text("of before")
    for _ in range(2):
        subprocess.run(["bash", "-c", text], check=True)
        assert (file.read_text() if file.exists() else "") == found
