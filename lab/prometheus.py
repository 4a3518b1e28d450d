"""A Prometheus of the distribution's, inside of a lab: asks its nodes, and judges by docs/monitoring/alerts.yaml."""

import json
import subprocess
import urllib.parse
from collections import defaultdict
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from components.checkout import CHECKOUT
from lab.lab import Lab, LabError, wait_until

EVERY_SECONDS = 10
"""How often it asks the exporters, and looks at the rules; a person's does so every 15 s or so.

An exporter of a busy lab may take some seconds for its answer."""

LOOK_SECONDS = 1
"""From one look at what it has told to the next: so exactly is known when an alert came and went."""

_LOOKS = 10_000
"""In one question; Prometheus answers none with more than 11,000."""

_ADDRESS = "127.0.0.1:9090"
_READY_SECONDS = 60.0
_ALL_ANSWER_SECONDS = 120.0


class Prometheus:
    """What a Prometheus of a lab tells, while it runs.

    Args:
        lab: its cluster is monitored (`monitoring`).
    """

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    @contextmanager
    def running(self, folder: Path) -> Generator[None]:
        """Run it while the body runs; it has asked all exporters once.

        Args:
            folder: gets its configuration, its log and what it has seen; is there, and holds no secret afterwards.

        Raises:
            LabError: the cluster is not monitored.
            TimeoutError: it does not start, or an exporter does not answer.
        """
        password = folder / "password"
        password.touch(0o600)
        password.write_text(self._lab.settings()["monitorPassword"])
        (folder / "prometheus.yml").write_text(json.dumps(self._configuration(folder, password)))
        command = [
            *self._lab.prefix, "prometheus", f"--config.file={folder}/prometheus.yml",
            f"--storage.tsdb.path={folder}/data", f"--web.listen-address={_ADDRESS}",
        ]  # fmt: skip
        with (folder / "prometheus.log").open("w") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
            try:
                wait_until("Prometheus", self._is_ready, _READY_SECONDS)
                wait_until("all exporters", lambda: all(self.answers().values()), _ALL_ANSWER_SECONDS)
                yield
            finally:
                process.terminate()
                process.wait(30)
                password.unlink()

    def answers(self) -> Mapping[str, bool]:
        """Return which exporters answer, by their address."""
        targets = self.ask("targets", state="active")["activeTargets"]
        return {target["scrapeUrl"]: target["health"] == "up" for target in targets} or {"none yet": False}

    def telling(self) -> set[str]:
        """Return the names of the alerts that reach a person now who does not look: those above info."""
        firing = [alert["labels"] for alert in self.ask("alerts")["alerts"] if alert["state"] == "firing"]
        return {labels["alertname"] for labels in firing if labels["severity"] != "info"}

    def broken(self) -> list[str]:
        """Return the rules that it cannot evaluate, a line each: the alert of one neither comes nor goes."""
        rules = [rule for group in self.ask("rules")["groups"] for rule in group["rules"]]
        return [f"{rule['name']}: {rule['lastError']}" for rule in rules if rule["health"] == "err"]

    def fired(self, begin: float, end: float) -> list[tuple[Mapping[str, str], list[float]]]:
        """Return the alerts that were told in a time: the labels of each, and when it was seen.

        Args:
            begin, end: seconds of the epoch. It is looked at each LOOK_SECONDS, backwards from the end, so that what
                has just ended is not seen there.
        """
        query, step = 'ALERTS{alertstate="firing"}', str(LOOK_SECONDS)
        labels: dict[str, Mapping[str, str]] = {}
        seen: defaultdict[str, list[float]] = defaultdict(list)
        start = end - (end - begin) // LOOK_SECONDS * LOOK_SECONDS
        while start <= end:
            last = min(end, start + (_LOOKS - 1) * LOOK_SECONDS)
            found = self.ask("query_range", query=query, start=f"{start:.3f}", end=f"{last:.3f}", step=step)
            for one in found["result"]:
                name = json.dumps(one["metric"], sort_keys=True)
                labels[name] = one["metric"]
                seen[name] += [float(at) for at, _ in one["values"]]
            start = last + LOOK_SECONDS
        return [(labels[name], times) for name, times in seen.items()]

    def ask(self, path: str, **arguments: str) -> Any:
        """Ask its API.

        Raises:
            LabError: it does not answer.
        """
        text = self._get(f"api/v1/{path}?{urllib.parse.urlencode(arguments)}")
        if text is None:
            raise LabError(f"Prometheus does not answer: {path}")
        return json.loads(text)["data"]

    def _is_ready(self) -> bool:
        return self._get("-/ready") is not None

    def _get(self, path: str) -> str | None:
        command = [*self._lab.prefix, "curl", "--silent", "--fail", "--max-time", "20", f"http://{_ADDRESS}/{path}"]
        run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        return None if run.returncode else run.stdout

    def _configuration(self, folder: Path, password: Path) -> dict[str, Any]:
        told = self._lab.outputs().get("monitoring")
        if not isinstance(told, dict):
            raise LabError("the cluster is not monitored: python -m lab up --monitoring")
        output = cast(dict[str, Any], told)
        (folder / "authority.pem").write_text(output["certificates"])
        ask = {
            "tls_config": {"ca_file": str(folder / "authority.pem")},
            "basic_auth": {"username": "prometheus", "password_file": str(password)},
        }
        every = f"{EVERY_SECONDS}s"
        return {
            "global": {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every},
            "rule_files": [str(CHECKOUT / "docs/monitoring/alerts.yaml")],
            "scrape_configs": [{**config, **ask} for config in output["scrape_configs"]],
        }
