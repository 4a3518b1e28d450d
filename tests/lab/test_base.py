"""Bases of a real server, without a cluster around it; the store is a folder. Tests in the order of the file."""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from typing import Any

import pytest

from components.checkout import CONFIGS
from configs.backup.configuration import Configuration
from tests.support.own_server import OwnServer, own_server

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]  # an image may have to be made first

# In the guest's tree: the program as it is, with another store, and no cluster's configuration.
_BRING = """
import json, os, pathlib, sys
sys.path.insert(0, "/mnt/lib")
from backup import base, configuration, lock, ship, state

class Folder:
    account = "folder"
    def __init__(self, *_, **__): pass
    def names(self, prefix=""): return []
    def write_state(self, name, text): pass
    def add(self, name, content):
        path = pathlib.Path("/mnt/store", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
            return
        with open(f"{path}.new", "wb") as file:
            while piece := content.read(1 << 20):
                file.write(piece)
        os.rename(f"{path}.new", path)

known = configuration.Configuration(**json.load(open("/mnt/backup.json")))
lock._PATIENCE_SECONDS = float(sys.argv[1])
base._RATE = int(sys.argv[2])
base.Store, base.load = Folder, lambda: known
ship.ship(known, base.Server(known), Folder())
code = base.main()
print(json.dumps(vars(state.read(known)), default=vars))
sys.exit(code)
"""


_RESTORE = """
import pathlib, sys
sys.path.insert(0, "/mnt/lib")
from backup import configuration, restore
import json
from backup.blobs import base_of
from backup.plan import Plan

class Folder:
    account = "folder"
    def read(self, name): return pathlib.Path("/mnt/store", name).read_text()
    def pieces(self, name): yield pathlib.Path("/mnt/store", name).read_bytes()

known = configuration.Configuration(**json.load(open("/mnt/backup.json")) | {"main_config_file": "/mnt/my.cnf"})
names = [str(path.relative_to("/mnt/store")) for path in pathlib.Path("/mnt/store").rglob("base_*.json")]
base = max(base_of(name) for name in names)
its = restore.Restore(known, Folder(), pathlib.Path("/mnt/restored"), "--innodb-buffer-pool-size=64M")
with its.run(Plan(base, base.ended, False, ()), its.details(base)):
    print(its.server.ask("select @@innodb_default_row_format, count(*) from shop.orders"))
"""


@dataclass(frozen=True)
class Bench:
    server: OwnServer

    def bring(self, *, patience: float = 0, rate: int = 0) -> subprocess.CompletedProcess[str]:
        return self.server.inside(
            "python3", "/mnt/bring.py", str(patience), str(rate), start_new_session=True
        )  # fmt: skip

    def bases(self) -> list[dict[str, Any]]:
        """Return what each whole base says of itself."""
        return [json.loads(path.read_text()) for path in sorted((self.server.folder / "store").rglob("base_*.json"))]

    def wait_for(self, pattern: str) -> None:
        """Wait until a statement like this runs."""
        asked = (
            f"select count(*) from information_schema.processlist where info like '{pattern}' and id <> connection_id()"
        )
        until = time.monotonic() + 60
        while self.server.sql(asked) == ["0"]:
            assert time.monotonic() < until
            time.sleep(0.2)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("server")
    with own_server("debian-sid", folder) as server:
        shutil.copytree(CONFIGS / "backup", folder / "lib/backup")
        (folder / "bring.py").write_text(_BRING)
        database = server.database
        found = {**asdict(database), **asdict(database.backup)}
        found |= {"data_directory": "/mnt/data", "mount_point": "/run", "cluster": "mysql", "account": "folder"}
        found |= {"restore_account": "", "restore_to": ""}
        (folder / "backup.json").write_text(json.dumps({each.name: found[each.name] for each in fields(Configuration)}))
        server.sql(
            "create database shop; create table shop.orders (id int primary key); insert into shop.orders values (1)"
        )
        yield Bench(server)


@pytest.fixture
def beside() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as pool:
        yield pool


def long_query(bench: Bench, beside: ThreadPoolExecutor, seconds: int) -> "Future[list[str]]":
    running = beside.submit(bench.server.sql, f"select sleep({seconds}) from shop.orders")
    bench.wait_for("select sleep%")
    return running


def seconds_of_a_query(bench: Bench) -> float:
    begin = time.monotonic()
    assert bench.server.sql("select id from shop.orders") == ["1"]
    return time.monotonic() - begin


def test_a_base_waits_for_a_long_statement(bench: Bench, beside: ThreadPoolExecutor) -> None:
    """Meanwhile others are answered; and it gives up, and says whose it is and nothing of what it asks."""
    running = long_query(bench, beside, 20)
    time.sleep(6)
    trying = beside.submit(bench.bring, patience=2)
    while not trying.done():
        assert seconds_of_a_query(bench) < 4
        time.sleep(0.5)
    done = trying.result()
    assert done.returncode == 1 and not running.done()
    assert "a statement of root has been running for " in done.stderr and "sleep" not in done.stderr
    noted = json.loads(done.stdout.splitlines()[-1])
    assert (noted["base_failures"], noted["base_error"]) == (1, done.stderr.strip())
    running.result()
    done = bench.bring()
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["base_failures"] == 0
    assert len(bench.bases()) == 1 and bench.bases()[0]["data"] > 1 << 20


def test_a_lock_that_waits_is_given_up_in_the_server_too(bench: Bench, beside: ThreadPoolExecutor) -> None:
    """Behind a statement that has begun in the same instant."""
    running = long_query(bench, beside, 60)
    done = bench.bring()
    assert done.returncode == 1 and not running.done()
    found = bench.server.sql("select count(*) from information_schema.processlist where info like 'flush%'")
    assert found == ["0"]
    assert bench.server.sql("create table shop.others (id int primary key); select 1") == ["1"]
    for number in bench.server.sql("select id from information_schema.processlist where info like 'select sleep%'"):
        bench.server.sql(f"kill query {number}")
    running.exception()


def dump_of(bench: Bench) -> str:
    """Return the last base's SQL."""
    *_, data = sorted((bench.server.folder / "store").rglob("data.zst"))
    return subprocess.run(["zstd", "-q", "-d", "-c", data], capture_output=True, text=True, check=True).stdout


def test_a_view_that_is_not_valid_ends_no_base(bench: Bench) -> None:
    """Something stands in for it, so that the log can drop it; and tables that are not InnoDB's are told."""
    bench.server.sql(
        "create table shop.gone (id int primary key); create view shop.`a.view` as select id from shop.gone;"
        "create view shop.fine as select id from shop.orders; drop table shop.gone;"
        "create table shop.other (id int) engine=myisam"
    )
    done = bench.bring()
    assert done.returncode == 0, done.stderr
    assert bench.bases()[-1]["warnings"] == [
        "without views that are not valid: shop.a.view",
        "1 tables are not InnoDB, such as shop.other: their rows may not fit the others",
    ]
    text = dump_of(bench)
    assert text.endswith("CREATE VIEW `shop`.`a.view` AS SELECT 1 AS `not valid when it was backed up`;\n")
    assert "VIEW `fine`" in text


def test_a_base_in_which_the_schema_changes_does_not_count(bench: Bench, beside: ThreadPoolExecutor) -> None:
    before = bench.bases()
    rows = ", ".join(f"({number}, repeat('x', 1000000))" for number in range(8))
    bench.server.sql(
        f"create table shop.a_large (id int primary key, x longtext); insert into shop.a_large values {rows}"
    )
    running = beside.submit(bench.bring, rate=1 << 20)
    bench.wait_for("%FROM `a\\_large`%")
    bench.server.sql("create user clerk@localhost; alter table shop.orders rename column id to number")
    done = running.result()
    assert done.returncode == 1
    assert done.stderr.endswith(
        "the schema was changed while the base was made (ALTER TABLE), so no log could follow it\n"
    )
    assert bench.bases() == before
    assert bench.bring().returncode == 0
    assert len(bench.bases()) == len(before) + 1


def test_a_restore_takes_of_the_option_file_what_the_data_depend_on(bench: Bench) -> None:
    """A named time zone is nothing yet to a server whose tables of time zones are still empty."""
    folder = bench.server.folder
    (folder / "restore.py").write_text(_RESTORE)
    (folder / "my.cnf").write_text("[mysqld]\ndefault_time_zone = Europe/Berlin\ninnodb_default_row_format = compact\n")
    done = bench.server.inside("python3", "/mnt/restore.py", start_new_session=True)
    assert done.stdout.endswith("[['compact', '1']]\n"), done.stdout + done.stderr
    assert not (folder / "restored.restore").exists()
