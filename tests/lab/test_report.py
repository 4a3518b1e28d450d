"""The page of a run of drills, made of made-up drills and opened in a browser.

The browser has a network of its own with nothing in it: what the page would need from elsewhere, it would not get.
"""

import html
import json
import random
import re
import subprocess
from pathlib import Path
from typing import Any

import matplotlib.image
import pytest

from drills.report import colours, report, sheet
from lab import preflight
from lab.shell import say

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]  # the browser may have to be installed first

NODES = ["mysql-lab-1", "mysql-lab-2"]
BEGIN = 1_795_532_400.0
STORY = "The serving machine's power is cut. The other must see it, fence it & serve <within seconds>."

# Runs in the page: the size of each picture, and which labels of a picture overlap or leave it.
MEASURE = """
const boxes = [...document.querySelectorAll("svg")].map(svg => {
  const frame = svg.getBoundingClientRect(), faults = [];
  const texts = [...svg.querySelectorAll("text")].map(text => [text.textContent, text.getBoundingClientRect()]);
  texts.forEach(([text, box], index) => {
    if (box.left < frame.left || box.right > frame.right || box.top < frame.top || box.bottom > frame.bottom)
      faults.push(text + " leaves the picture");
    for (const [other, its] of texts.slice(index + 1))
      if (box.left < its.right && its.left < box.right && box.top < its.bottom - 2 && its.top < box.bottom - 2)
        faults.push(text + " overlaps " + other);
  });
  return {width: frame.width, height: frame.height, texts: texts.length, faults};
});
const page = document.documentElement;
const out = document.createElement("pre");
out.id = "measured";
out.textContent = JSON.stringify({boxes, height: page.scrollHeight, width: page.scrollWidth});
document.body.append(out);
"""


def make_drill(
    run: Path,
    scenario: str,
    number: int,
    *,
    verdict: str = "pass",
    length: float = 40.0,
    faults: tuple[float, ...] = (10.0,),
    outage: float = 14.0,
    both_for: float = 0.0,
) -> dict[str, Any]:
    """Write the record of a made-up drill and return its result.

    Args:
        run: the run's folder.
        scenario, number: what the drill is called.
        verdict: as in results.json.
        length: of the drill in seconds.
        faults: seconds from its beginning at which the service moves to the other node.
        outage: seconds that each move takes.
        both_for: seconds for which both nodes have DRBD promoted at each move.
    """
    chance = random.Random(f"{scenario} {number}")
    moves = [(BEGIN + at, BEGIN + at + outage * chance.uniform(0.9, 1.1)) for at in faults]
    outages = [end - begin for begin, end in moves]
    kinds = ("detected", "fencing", "fenced", "promoted", "mounted", "server-ready", "probe", "first-write")
    shares = (0.3, 0.36, 0.5, 0.62, 0.7, 0.9, 0.98, 1.0)
    marks: list[dict[str, Any]] = []
    spans: list[dict[str, Any]] = []
    promoted_since = served_since = BEGIN
    for index, (begin, end) in enumerate(moves):
        old, new = NODES[index % 2], NODES[(index + 1) % 2]
        times = {kind: begin + share * (end - begin) for kind, share in zip(kinds, shares, strict=True)}
        marks.append({"at": begin - 0.01, "kind": "fault", "node": old, "text": "power off, by ARM"})
        marks += [
            {"at": at, "kind": kind, "node": new, "text": f"{kind} <as the log has it>"} for kind, at in times.items()
        ]
        spans.append({"node": old, "what": "server", "begin": served_since, "end": begin})
        until = times["promoted"] + both_for if both_for else begin
        spans.append({"node": old, "what": "promoted", "begin": promoted_since, "end": until})
        promoted_since, served_since = times["promoted"], times["server-ready"]
    last = NODES[len(moves) % 2]
    end = BEGIN + length
    spans.append({"node": last, "what": "promoted", "begin": promoted_since, "end": end})
    spans.append({"node": last, "what": "server", "begin": served_since, "end": end})
    spans.append({"node": NODES[1], "what": "powered", "begin": BEGIN, "end": end})
    spans.append({"node": NODES[0], "what": "powered", "begin": BEGIN, "end": moves[0][0]})
    spans.append({"node": NODES[0], "what": "powered", "begin": moves[0][1], "end": end})
    marks.append({"at": end - 2, "kind": "recovered", "node": None, "text": "DRBD UpToDate on both"})
    marks.append({"at": end - 4, "kind": "event", "node": last, "text": "resynchronisation begins"})

    writes: list[dict[str, Any]] = []
    at = BEGIN + 1
    while at < end - 1:
        move = next((move for move in moves if move[0] <= at < move[1]), None)
        write: dict[str, Any] = {"sequence": len(writes) + 1, "sent": at, "acknowledged": None, "error": None}
        if move:
            write["error"] = "Lost connection <to> MySQL server"
            at += 0.5
        else:
            write["acknowledged"] = at + chance.lognormvariate(-6.3, 0.5)
            at = write["acknowledged"] + 0.004
        writes.append(write)
        if move and at >= move[1]:
            at = move[1]
    result = {
        "scenario": scenario,
        "acknowledged": sum(write["acknowledged"] is not None for write in writes),
        "lost": 0 if verdict == "pass" else 3,
        "promoted_max": 2 if both_for else 1,
        "servers_max": 1,
        "fencings": 1,
        "outage_seconds": max(outages, default=None),
        "recovered_seconds": length - 2 - faults[0],
        "verdict": verdict,
    }
    folder = run / f"{scenario}-{number}"
    folder.mkdir(parents=True)
    (folder / "writes.jsonl").write_text("".join(json.dumps(write) + "\n" for write in writes))
    record = {
        "scenario": scenario,
        "story": STORY,
        "number": number,
        "begin": BEGIN,
        "end": end,
        "nodes": NODES,
        "writes": "writes.jsonl",
        "marks": marks,
        "spans": spans,
        "result": result,
    }
    (folder / "record.json").write_text(json.dumps(record))
    return result


class Browser:
    """Debian's chromium without a window.

    Args:
        folder: an empty folder, for its profile.
    """

    def __init__(self, folder: Path) -> None:
        self._argv = [
            *("unshare", "--net", "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"),
            *("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
            *("--disable-dev-shm-usage", "--enable-logging=stderr", f"--user-data-dir={folder}"),
        ]

    def _run(self, page: Path, *options: str) -> tuple[str, list[str]]:
        done = subprocess.run(
            [*self._argv, *options, page.as_uri()], capture_output=True, text=True, timeout=120, check=True
        )
        return done.stdout, [line for line in done.stderr.splitlines() if ":CONSOLE" in line]

    def dom(self, page: Path) -> tuple[str, list[str]]:
        """Return the page as the browser has it once loaded, and what it complains of."""
        return self._run(page, "--window-size=1280,900", "--dump-dom")

    def screenshot(self, page: Path, to: Path, height: int) -> None:
        """Write a picture of the page, 1280 pixels wide."""
        self._run(page, f"--window-size=1280,{height}", "--hide-scrollbars", f"--screenshot={to}")

    def measure(self, page: Path) -> dict[str, Any]:
        """Return what MEASURE finds. The page's own policy allows no script, so it is a copy without one."""
        copy = page.with_name("measured.html")
        text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text())
        copy.write_text(text.replace("</body>", f"<script>{MEASURE}</script></body>"))
        dom, _ = self.dom(copy)
        found = re.search(r'<pre id="measured">(.*?)</pre>', dom, re.DOTALL)
        assert found
        return json.loads(html.unescape(found[1]))


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Browser:
    preflight.install(say, preflight.TEST_PROGRAMS)
    assert preflight.missing_packages(preflight.TEST_PROGRAMS) == []
    return Browser(tmp_path_factory.mktemp("profile"))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the page of a run with a drill that passed and one that failed."""
    run = tmp_path_factory.mktemp("run")
    results = [
        make_drill(run, "power-kill", 1),
        make_drill(
            run,
            "standby",
            1,
            verdict="FAIL: 3 rows lost; two promoted at once",
            faults=(5, 14),
            outage=0.4,
            both_for=0.2,
        ),
    ]
    (run / "results.json").write_text(json.dumps(results))
    return report.write(run)


def test_the_browser_shows_what_the_record_says(browser: Browser, page: Path) -> None:
    dom, complaints = browser.dom(page)
    assert complaints == []
    text = html.unescape(re.sub(r"<style>.*?</style>|<[^>]+>", " ", dom, flags=re.DOTALL))
    words = " ".join(text.split())
    assert "1 of 2 drills passed" in words
    assert STORY in words
    assert "power-kill 1 ✓ pass" in words
    assert "standby 1 ✗ FAIL" in words
    assert "3 rows lost" in words
    assert "two nodes had DRBD promoted at once for 400 ms" in words
    assert "server-ready <as the log has it>" in words


def test_labels_do_not_overlap_and_pictures_have_a_size(browser: Browser, page: Path) -> None:
    measured = browser.measure(page)
    assert measured["width"] <= 1280
    assert len(measured["boxes"]) == 4  # each drill's timeline, and the close-up of its longest outage
    for box in measured["boxes"]:
        assert box["width"] == sheet.WIDTH
        assert box["height"] > 300
        assert box["texts"] > 20
        assert box["faults"] == []


def test_nothing_is_fetched(browser: Browser, page: Path) -> None:
    text = page.read_text()
    assert set(re.findall(r"""(?:src|href|data|action)\s*=\s*["']?([^#"'\s>])""", text)) == set()
    assert set(re.findall(r"url\(([^#)])|@import", text)) == set()
    assert "<script" not in text
    # What the browser would have said, had there been something.
    other = page.with_name("other.html")
    other.write_text(text.replace("</body>", '<img src="http://192.0.2.1/pixel"></body>'))
    _, complaints = browser.dom(other)
    assert any("Content Security Policy" in line for line in complaints)


def test_the_screen_has_the_pictures(browser: Browser, page: Path, tmp_path: Path) -> None:
    browser.screenshot(page, tmp_path / "page.png", browser.measure(page)["height"])
    pixels = matplotlib.image.imread(tmp_path / "page.png")[:, :, :3]
    assert pixels.shape[1] == 1280
    for colour in (colours.BLUE, colours.GREEN, colours.VERMILION, colours.LATENCY, colours.GAP):
        wanted = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
        assert (abs(pixels - wanted).max(axis=2) < 0.01).sum() > 500, colour
    assert 0.02 < (pixels.min(axis=2) < 0.9).mean() < 0.5


def test_the_same_run_makes_the_same_page(page: Path) -> None:
    before = page.read_bytes()
    assert report.write(page.parent).read_bytes() == before


def test_a_drill_that_wrote_nothing_is_shown(tmp_path: Path) -> None:
    result = make_drill(tmp_path, "power-kill", 1, verdict="FAIL: no write was ever acknowledged")
    folder = tmp_path / "power-kill-1"
    record = json.loads((folder / "record.json").read_text())
    result |= {"acknowledged": 0, "recovered_seconds": None}
    (folder / "record.json").write_text(json.dumps({**record, "marks": [], "spans": [], "result": result}))
    (folder / "writes.jsonl").write_text("")
    broken = {**result, "scenario": "network-cut", "verdict": "FAIL: the lab did not come up"}
    (tmp_path / "results.json").write_text(json.dumps([result, broken]))
    text = report.write(tmp_path).read_text()
    assert "0 of 2</b>" in text
    assert "no write was ever acknowledged" in text
    assert 'network-cut <span class="muted">(left no record)' in text


def test_without_a_record_there_is_no_page(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no drill has left a record"):
        report.write(tmp_path)
