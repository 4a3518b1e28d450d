"""What the workflows run. Everything particular to GitHub comes in its own environment variables (GITHUB_...)."""

import argparse
import json
import os
import subprocess
import sys

from operations.cli import Cli
from operations.plan import event_log
from operations.price import month
from pipeline import engine, report, stacks
from pipeline.github import GitHub, GitHubError
from pipeline.identity import federated


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m pipeline", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    touched = verbs.add_parser("stacks", help="print the stacks that a change touches, as JSON")
    touched.add_argument("--since", metavar="COMMIT", help="what to compare with (default: nothing, so all stacks)")
    for verb, text in (
        ("preview", "show every line that an update would change"),
        ("up", "update a stack"),
        ("check", "ask the subscription whether the stack can be there"),
        ("drift", "show where a stack is not as it should be"),
    ):
        run = verbs.add_parser(verb, help=text)
        run.add_argument("stack", help="its name")
        run.add_argument("--pull-request", type=int, metavar="NUMBER", help="where a preview's comment is made")
        run.add_argument("--issue", action="store_true", help="keep an issue open as long as there is drift")
    options = parser.parse_args(arguments)
    try:
        if options.verb == "stacks":
            found = stacks.touched_since(options.since) if options.since else stacks.tracked_here()
            print(json.dumps(found))
            return 0
        return _run(options)
    except (stacks.StacksError, GitHubError, OSError) as error:
        print(f"pipeline: {error}", file=sys.stderr)
        return 1


def _run(options: argparse.Namespace) -> int:
    stack: str = options.stack
    verb = engine.UP if options.verb == "up" else engine.DRIFT
    # The token that may write is for this program, not for the one that is previewed.
    with federated({key: value for key, value in os.environ.items() if key != "GITHUB_TOKEN"}) as env:
        if options.verb == "check":
            return subprocess.run([sys.executable, "-m", "operations.check", "--stack", stack], env=env).returncode
        cli = Cli(stack, environment=env)
        if options.verb == "preview":
            code, text = _preview(cli)
        else:
            code, text = cli.pass_on(*verb)
    if options.verb == "preview" and options.pull_request:
        body = report.comment(stack, text, succeeded=code == 0, commit=os.environ["GITHUB_SHA"], log=_log())
        print(_github().put_comment(options.pull_request, report.marker("preview", stack), body))
    if options.verb == "drift" and options.issue:
        if code == engine.CHANGES:
            print(_github().put_issue(report.marker("drift", stack), *report.drift(stack, text, _log())))
        elif code == 0:
            why = f"Nothing differs any more: [log of the job]({_log()})."
            for address in _github().close_issues(report.marker("drift", stack), why):
                print(f"closed {address}")
    return code


def _preview(cli: Cli) -> tuple[int, str]:
    """Show what an update would change, and its price."""
    with event_log() as log:
        code, text = cli.pass_on(*engine.PREVIEW, "--event-log", str(log))
        if code == 0:
            price = month.of_preview(cli, log)
            print(price, end="")
            text += price
    return code, text


def _github() -> GitHub:
    return GitHub(os.environ["GITHUB_REPOSITORY"], os.environ["GITHUB_TOKEN"], os.environ["GITHUB_API_URL"])


def _log() -> str:
    """Return the address of this job's run."""
    of = os.environ
    return f"{of['GITHUB_SERVER_URL']}/{of['GITHUB_REPOSITORY']}/actions/runs/{of['GITHUB_RUN_ID']}"


if __name__ == "__main__":
    sys.exit(main())
