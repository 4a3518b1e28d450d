"""What the workflows run: which stacks a change touches, what is written on GitHub, and as whom."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from components.checkout import CHECKOUT
from lab.lab import wait_until
from pipeline import engine, report, stacks
from pipeline.github import GitHub, GitHubError
from pipeline.identity import federated

ALL = ["dev", "prod"]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (["Pulumi.prod.yaml"], ["prod"]),
        (["Pulumi.prod.yaml", "Pulumi.dev.yaml", "README.md"], ALL),
        (["Pulumi.lab.yaml"], []),
        (["Pulumi.gone.yaml"], []),
        (["docs/operations/drift.md", "lab/lab.py", "README.md", ".github/workflows/up.yaml"], []),
        (["Pulumi.yaml"], ALL),
        (["__main__.py"], ALL),
        (["components/azure/nodes.py"], ALL),
        (["configs/mysql/server.cnf.j2"], ALL),
        (["configs/os/debian-12.yaml"], ALL),
        (["requirements.txt"], ALL),
        (["requirements-test.lock"], ALL),
        (["policy/rules.py"], ALL),
        (["pipeline/engine.py"], ALL),
        (["docs/__main__.py", "tests/Pulumi.prod.yaml", "components.md"], []),
        ([], []),
    ],
)
def test_stacks_that_a_change_touches(changed: list[str], expected: list[str]) -> None:
    assert stacks.touched(changed, ALL) == expected


def test_tracked_stacks() -> None:
    files = ["Pulumi.yaml", "Pulumi.lab.yaml", "Pulumi.prod.yaml", "Pulumi.dev.yaml", "docs/Pulumi.x.yaml"]
    assert stacks.tracked(files) == ALL
    assert "dev" in stacks.tracked_here()


def test_touched_since_a_commit(tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "init.defaultBranch=main"]
        run = subprocess.run(["git", *identity, *arguments], cwd=tmp_path, capture_output=True, text=True, check=True)
        return run.stdout.strip()

    def commit(**files: str | None) -> str:
        for name, text in files.items():
            file = tmp_path / name.replace("_", ".")
            file.unlink() if text is None else file.write_text(text)
        git("add", "--all")
        git("commit", "-m", "x")
        return git("rev-parse", "HEAD")

    git("init")
    base = commit(Pulumi_dev_yaml="a", Pulumi_prod_yaml="a", Pulumi_yaml="a")
    git("checkout", "-b", "request")
    commit(Pulumi_prod_yaml="b")
    assert stacks.touched_since(base, tmp_path) == ["prod"]
    git("checkout", "main")
    moved_on = commit(Pulumi_yaml="b")
    git("checkout", "request")
    assert stacks.touched_since(moved_on, tmp_path) == ["prod"], "what others changed is not this request's"
    commit(Pulumi_prod_yaml=None, Pulumi_staging_yaml="b")  # a stack that is renamed
    assert stacks.touched_since("main", tmp_path) == ["staging"]
    assert stacks.touched_since("0" * 40, tmp_path) == ["dev", "staging"]
    with pytest.raises(stacks.StacksError, match="no-such-commit"):
        stacks.touched_since("no-such-commit", tmp_path)


PREVIEW = """\
Previewing update (prod):
  pulumi:pulumi:Stack: (same)
    ~ azure-native:compute:Disk: (update)
        ~ diskSizeGB: 4 => 8
Resources:
    ~ 3 to update
    +-1 to replace
    4 changes. 48 unchanged

Policy Packs run:
    Name            Version
    azure-mysql-ha  0.1.0
"""


POLICY = """\
    azure-mysql-ha@v0.1.0 [mandatory]  fencing-is-on  (pulumi:pulumi:Stack: azure-mysql-ha-prod)Fencing is on.
fencing is not enabled
"""


def test_comment() -> None:
    body = report.comment("prod", PREVIEW, succeeded=True, commit="abc", log="https://example.org/1")
    assert body.startswith(report.marker("preview", "prod"))
    assert "`prod`: 3 to update, 1 to replace, 48 unchanged" in body
    assert "```text\n" + PREVIEW + "```\n\n</details>" in body
    assert "https://example.org/1" in body and "Cut here" not in body
    wrong = "error: 1 mistake in the settings of stack prod:\n  azure-mysql-ha:fencing: 'maybe' is neither on nor off\n"
    assert report.reasons(f"Previewing\n{wrong}Resources:\n    + 1 to create\n") == wrong
    broken = PREVIEW.replace("Resources:", f"{POLICY}error: preview failed\nResources:")
    failed = report.comment("prod", broken, succeeded=False, commit="abc", log="https://example.org/1")
    assert f"```text\n{POLICY}error: preview failed\n```" in failed.split("<details>")[0]
    assert "**failed**" in failed
    assert report.marker("preview", "prod") != report.marker("preview", "prod-2")


def test_comment_with_the_price() -> None:
    """It is seen before anything is unfolded."""
    text = f"{PREVIEW}Price per month: 700.12 USD, +20.00 by this update\n    2 x machine Standard_D4s_v5     280.32\n"
    body = report.comment("prod", text, True, "abc", "https://example.org/1")
    assert "Price per month: **700.12 USD, +20.00 by this update**\n" in body.partition("<details>")[0]
    assert "Price" not in report.comment("prod", PREVIEW, True, "abc", "https://example.org/1")


def test_comment_on_a_change_that_deletes() -> None:
    """It is seen before anything is unfolded."""
    lost = "this update deletes data disk disk-a-1-data of 2026-01-31T12:59:59 with all data"
    text = f"warning: {lost}\n    warning: this update deletes, in Azure: Disk a-1-data\n{PREVIEW}warning: {lost}\n"
    body = report.comment("dev", text, succeeded=True, commit="abc", log="https://example.org/1")
    told = f"**Deleted for good:**\n\n```text\n{lost}\nthis update deletes, in Azure: Disk a-1-data\n```\n"
    assert told in body.partition("<details>")[0]
    assert "Deleted for good" not in report.comment("dev", PREVIEW, True, "abc", "https://example.org/1")


def test_comment_that_is_too_long_is_cut_at_a_line() -> None:
    lines = [f"    ~ line {number} of a script" for number in range(9000)]
    text = PREVIEW.replace("Resources:", "\n".join(lines) + "\nResources:")
    body = report.comment("prod", text, succeeded=True, commit="abc", log="https://example.org/1")
    assert report.LONGEST - 200 < len(body) <= report.LONGEST
    assert "3 to update" in body.splitlines()[1], "the summary stands before what is cut"
    shown = body.split("```text\n")[1].split("```")[0].splitlines()
    assert shown[-1] in lines
    assert "The rest is in the [log of the job](https://example.org/1)" in body
    assert body.endswith("</details>\n")

    title, body = report.drift("prod", text, "https://example.org/1")
    assert title == "Drift of stack prod" and len(body) <= report.LONGEST
    assert body.startswith(report.marker("drift", "prod"))


def test_a_text_does_not_break_out_of_its_fence() -> None:
    text = "# ````\n" + PREVIEW + "</details>\n```\n"
    body = report.comment("prod", text, succeeded=True, commit="abc", log="https://example.org/1")
    assert f"`````text\n{text}`````\n" in body


class _Service:
    """A service on the loopback that answers by a function of the request, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any, str]] = []
        self.comments: list[dict[str, Any]] = []
        self.issues: list[dict[str, Any]] = []
        self.tokens = 0
        service = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                content = json.loads(self.rfile.read(length)) if length else None
                service.asked.append((self.command, self.path, content, self.headers.get("Authorization", "")))
                status, answer = service.answer(self.command, self.path, content)
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PATCH = _answer

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, method: str, path: str, content: Any) -> tuple[int, Any]:
        """Behave as GitHub does for one pull request, 7, its comments, and the repository's issues."""
        url = urlsplit(path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        page, size = int(query.get("page", 1)), int(query.get("per_page", 30))
        part = slice((page - 1) * size, page * size)
        us = {"login": "github-actions[bot]"}
        match method, url.path.removeprefix("/repos/us/ha").split("/")[1:]:
            case "GET", ["token"]:
                self.tokens += 1
                return 200, {"value": f"token {self.tokens} for {query['audience']}"}
            case "GET", ["issues", "7", "comments"]:
                return 200, self.comments[part]
            case "POST", ["issues", number, "comments"]:
                new = {"id": len(self.comments), "user": us, **content, "html_url": f"{number}/{len(self.comments)}"}
                self.comments.append(new)
                return 201, new
            case "PATCH", ["issues", "comments", number]:
                self.comments[int(number)].update(content)
                return 200, self.comments[int(number)]
            case "GET", ["issues"]:
                label = query["labels"]
                open_ = [each for each in self.issues if each["state"] == "open" and label in each["labels"]]
                return 200, open_[part]
            case "POST", ["issues"]:
                new = {"number": len(self.issues), "user": us, "state": "open", "html_url": f"{len(self.issues)}"}
                self.issues.append({**new, **content})
                return 201, self.issues[-1]
            case "PATCH", ["issues", number]:
                self.issues[int(number)].update(content)
                return 200, self.issues[int(number)]
            case _:
                return 404, {"message": "Not Found"}


@pytest.fixture
def service() -> Generator[_Service]:
    service = _Service()
    thread = threading.Thread(target=service.server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield service
    service.server.shutdown()
    thread.join()
    service.server.server_close()


def test_one_comment_a_stack(service: _Service) -> None:
    github = GitHub("us/ha", "secret", service.address)
    dev, prod = report.marker("preview", "dev"), report.marker("preview", "prod")
    # Whoever writes such a beginning has a comment of his own, and keeps it; and there are more than fit on a page.
    service.comments += [
        {"id": number, "user": {"login": "somebody"}, "body": dev, "html_url": ""} for number in range(150)
    ]
    assert github.put_comment(7, dev, f"{dev} 1") == "7/150"
    assert github.put_comment(7, prod, f"{prod} 1") == "7/151"
    assert github.put_comment(7, dev, f"{dev} 2") == "7/150"
    assert [each["body"] for each in service.comments[149:]] == [dev, f"{dev} 2", f"{prod} 1"]
    assert {authorization for *_, authorization in service.asked} == {"Bearer secret"}


def test_one_issue_a_stack_as_long_as_it_drifts(service: _Service) -> None:
    github = GitHub("us/ha", "secret", service.address)
    marker = report.marker("drift", "prod")
    assert github.close_issues(marker, "none") == []
    assert github.put_issue(marker, "Drift", f"{marker} 1") == "0"
    assert github.put_issue(marker, "Drift", f"{marker} 2") == "0"
    assert github.put_issue(report.marker("drift", "dev"), "Drift", report.marker("drift", "dev")) == "1"
    assert [each["body"] for each in service.issues] == [f"{marker} 2", report.marker("drift", "dev")]
    assert github.close_issues(marker, "gone") == ["0"]
    assert [each["state"] for each in service.issues] == ["closed", "open"]
    assert service.comments[-1]["body"] == "gone"
    assert github.put_issue(marker, "Drift", f"{marker} 3") == "2", "a new drift is a new issue"


def test_a_refusal_of_githubs_is_one_line(service: _Service) -> None:
    with pytest.raises(GitHubError, match=r"GitHub: GET issues/8/comments.*: 404 Not Found") as caught:
        GitHub("us/ha", "secret", service.address).put_comment(8, "x", "y")
    assert "secret" not in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(GitHubError, match="refused"):
        GitHub("us/ha", "secret", "http://127.0.0.1:1").put_comment(7, "x", "y")


def test_a_fresh_token_as_long_as_something_runs(service: _Service, tmp_path: Path) -> None:
    given = {
        "ACTIONS_ID_TOKEN_REQUEST_URL": f"{service.address}/repos/us/ha/token?api-version=2.0",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "secret",
        "RUNNER_TEMP": str(tmp_path),
    }
    with federated(given, every=0.05) as env:
        file = Path(env["AZURE_FEDERATED_TOKEN_FILE"])
        assert file.read_text().endswith("for api://AzureADTokenExchange")
        assert file.stat().st_mode & 0o777 == 0o600
        wait_until("a newer token", lambda: file.read_text().startswith("token 3"), 10, every=0.02)
    assert not file.exists() and list(tmp_path.iterdir()) == []
    assert {authorization for *_, authorization in service.asked} == {"Bearer secret"}
    asked = len(service.asked)
    with federated({"PATH": "x"}) as env:
        assert env == {"PATH": "x"}
    assert len(service.asked) == asked


def test_verbs() -> None:
    assert {"preview", "--refresh", "--expect-no-changes", "--diff", "--policy-pack"} <= set(engine.DRIFT)
    assert (CHECKOUT / engine.POLICY_PACK).stat().st_mode & 0o111


_CLI = """\
#!/bin/sh
echo "$@"
env
cat "$AZURE_FEDERATED_TOKEN_FILE"
echo
cat "$SAY"
for word; do
    [ "$before" = --event-log ] && echo '{"preludeEvent": {"config": {}}}' >"$word"
    before=$word
done
exit "$CODE"
"""


@pytest.fixture
def pipeline(service: _Service, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return what runs `python -m pipeline` as a job does, with a `pulumi` that says and returns what a test wants."""
    cli = tmp_path / "pulumi"
    cli.write_text(_CLI)
    cli.chmod(0o755)
    (tmp_path / "said").write_text(PREVIEW)

    def run(*arguments: str, code: int) -> subprocess.CompletedProcess[str]:
        env = {
            "PATH": f"{tmp_path}:/usr/bin:/bin",
            "SAY": str(tmp_path / "said"),
            "CODE": str(code),
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{service.address}/repos/us/ha/token?api-version=2.0",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "id secret",
            "GITHUB_TOKEN": "api secret",
            "GITHUB_REPOSITORY": "us/ha",
            "GITHUB_API_URL": service.address,
            "GITHUB_SERVER_URL": "https://example.org",
            "GITHUB_RUN_ID": "1",
            "GITHUB_SHA": "abc",
        }
        command = [sys.executable, "-m", "pipeline", *arguments]
        return subprocess.run(command, cwd=CHECKOUT, env=env, capture_output=True, text=True, check=False)

    return run


Run = Callable[..., subprocess.CompletedProcess[str]]


def test_a_jobs_preview(service: _Service, pipeline: Run) -> None:
    run = pipeline("preview", "prod", "--pull-request", "7", code=0)
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("preview --diff ") and "--stack prod --non-interactive" in run.stdout
    assert "api secret" not in run.stdout, "the program that is previewed cannot write on GitHub"
    assert "token 1 for api://AzureADTokenExchange" in run.stdout, "Pulumi is let in by a token of GitHub's"
    assert "Price per month: 0.00 USD, +0.00 by this update" in run.stdout
    assert [("3 to update" in each["body"], "https://example.org/us/ha/actions/runs/1" in each["body"])
            for each in service.comments] == [(True, True)]  # fmt: skip
    run = pipeline("preview", "prod", "--pull-request", "7", code=255)
    assert run.returncode == 255, "what fails is red"
    assert ["**failed**" in each["body"] for each in service.comments] == [True]
    assert pipeline("preview", "prod", code=0).returncode == 0
    assert len(service.comments) == 1


def test_a_jobs_look_for_drift(service: _Service, pipeline: Run) -> None:
    assert pipeline("drift", "prod", "--issue", code=engine.CHANGES).returncode == engine.CHANGES
    assert pipeline("drift", "prod", "--issue", code=engine.CHANGES).returncode == engine.CHANGES
    assert [(each["title"], each["state"]) for each in service.issues] == [("Drift of stack prod", "open")]
    assert pipeline("drift", "prod", "--issue", code=1).returncode == 1
    assert [each["state"] for each in service.issues] == ["open"], "a check that failed has found nothing out"
    assert pipeline("drift", "prod", "--issue", code=0).returncode == 0
    assert [each["state"] for each in service.issues] == ["closed"]


def test_a_jobs_update(service: _Service, pipeline: Run) -> None:
    run = pipeline("up", "prod", code=0)
    assert run.returncode == 0 and run.stdout.startswith("up --yes "), run.stdout
    assert all("/token" in path for _, path, *_ in service.asked), "an update writes nothing on GitHub"
