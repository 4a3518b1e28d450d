"""The token of the witness's own identity in its file: fresh, for one account alone, and taken away when it is over."""

import json
import stat
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from components.metrics_store import AUDIENCE
from configs.monitoring import access_token

GOOD: dict[str, Any] = {"access_token": "abc", "expires_in": "3600"}


class Metadata(BaseHTTPRequestHandler):
    """Answers as the metadata service does; from a list of answers, the last of them for ever."""

    answers: list[tuple[int, Any]]

    def do_GET(self) -> None:
        """Answer."""
        query = parse_qs(urlsplit(self.path).query)
        assert query == {"api-version": ["2018-02-01"], "resource": [AUDIENCE]} and self.headers["Metadata"] == "true"
        status, body = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def metadata(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Metadata]]:
    server = HTTPServer(("127.0.0.1", 0), Metadata)
    monkeypatch.setattr(
        access_token, "SERVICE", f"http://127.0.0.1:{server.server_port}/metadata/identity/oauth2/token"
    )
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield Metadata
    server.shutdown()
    thread.join()
    server.server_close()


class EndError(Exception):
    """It has slept as often as it was to."""


def kept(file: Path, monkeypatch: pytest.MonkeyPatch, times: int) -> list[tuple[float, str]]:
    """Let it keep the token; return how long it has slept each time, and what was in the file."""
    now, slept = [1000.0], list[tuple[float, str]]()

    def sleep(seconds: float) -> None:
        now[0] += seconds
        slept.append((seconds, file.read_text() if file.exists() else ""))
        if len(slept) == times:
            raise EndError

    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with pytest.raises(EndError):
        access_token.keep(AUDIENCE, file)
    return slept


def test_it_is_fresh(metadata: type[Metadata], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked for again after half of its time, but not all the time."""
    metadata.answers = [(200, GOOD), (200, GOOD | {"access_token": "def"}), (200, GOOD | {"expires_in": "10"})]
    file = tmp_path / "token"
    assert kept(file, monkeypatch, 3) == [(1800, "abc"), (1800, "def"), (access_token.PAUSE_SECONDS, "abc")]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("refusal", [(400, {"error": "invalid_request"}), (200, {}), (200, "what?"), (500, {})])
def test_it_goes_when_it_is_over(
    refusal: tuple[int, Any],
    metadata: type[Metadata],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """And not before: a service that does not answer for a while does no harm."""
    metadata.answers = [(200, GOOD | {"expires_in": "100"}), refusal]
    slept = kept(tmp_path / "token", monkeypatch, 5)
    assert slept == [(50, "abc"), (30, "abc"), (30, "abc"), (30, ""), (30, "")]
    assert capsys.readouterr().err.count(f"no token for {AUDIENCE}: ") == 4
