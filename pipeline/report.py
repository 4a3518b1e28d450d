"""What is written on GitHub about a stack: a preview's comment, and the issue about a drift."""

import re

from operations.price.month import SUMMARY

# GitHub refuses a longer body: "body is too long (maximum is 65536 characters)".
LONGEST = 65_536

_MOST_REASONS = 4_000

# "error: …" with the mistakes below it, and a policy's name with the line below, which says what breaks it.
_REASONS = re.compile(r"^(?:error: .*\n?(?:  \S.*\n)*|.* \[mandatory\] .*\n.*\n?)", re.MULTILINE)

# components/settings/losses.py tells it.
_LOSS = re.compile(r"^\s*warning: (this update deletes.*)$", re.MULTILINE)

_CHANGES = re.compile(r"^\s+(?:[+~=-]|\+-|\d+ changes\.)?\s*(\d+ (?:to [a-z]+|unchanged))$", re.MULTILINE)


def marker(kind: str, stack: str) -> str:
    """Return what a text begins with by which it is found again; nobody sees it.

    Args:
        kind: "preview" or "drift".
        stack: the stack's name.
    """
    return f"<!-- azure-mysql-ha {kind} of {stack} -->"


def summary(text: str) -> str:
    """Return in a few words what a preview says would change, such as "3 to update, 48 unchanged".

    Args:
        text: what the CLI printed.
    """
    resources = text.rpartition("\nResources:\n")[2] if "\nResources:\n" in text else ""
    return ", ".join(_CHANGES.findall(resources.split("\n\n")[0])) or "no summary"


def reasons(text: str) -> str:
    """Return the lines that say why a preview failed: errors, and what breaks a policy.

    Args:
        text: what the CLI printed.
    """
    return "".join(found[0] for found in _REASONS.finditer(text))


def losses(text: str) -> str:
    """Return the lines that say what an update would delete.

    Args:
        text: what the CLI printed.
    """
    return "".join(f"{line}\n" for line in dict.fromkeys(_LOSS.findall(text)))


def comment(stack: str, text: str, succeeded: bool, commit: str, log: str) -> str:
    """Return the comment on a pull request: what would change, its price, what would be deleted, then every line of it.

    Args:
        stack: the stack's name.
        text: what the CLI printed.
        succeeded: whether the preview succeeded; also the policies decide that.
        commit: what was previewed.
        log: address of the job's log.
    """
    head = (
        f"{marker('preview', stack)}\n"
        f"### Preview of stack `{stack}`: {summary(text) if succeeded else '**failed**'}\n\n"
        f"Commit {commit}, which is the request merged into its base. All of the output: [log of the job]({log}).\n\n"
    )
    if found := re.search(f"^{re.escape(SUMMARY)}(.*)$", text, re.MULTILINE):
        head += f"{SUMMARY}**{found[1]}**\n\n"
    if not succeeded:
        head += _fenced(reasons(text)[:_MOST_REASONS]) + "\n"
    if lost := losses(text):
        head += f"**Deleted for good:**\n\n{_fenced(lost[:_MOST_REASONS])}\n"
    return head + _folded("Every line", text, log, LONGEST - len(head))


def drift(stack: str, text: str, log: str) -> tuple[str, str]:
    """Return title and body of the issue about a stack that is not as it should be.

    Args:
        stack: the stack's name.
        text: what the CLI printed.
        log: address of the job's log.
    """
    head = (
        f"{marker('drift', stack)}\n"
        f"Stack `{stack}` is not as the repository describes it: {summary(text)}. Either somebody changed something"
        " by hand, or an update is missing.\n\n"
        "What `pulumi up` would change is below; what to do about it is in docs/pull-requests.md. This issue is"
        f" updated each night, and closed when nothing differs. All of the output: [log of the job]({log}).\n\n"
    )
    return f"Drift of stack {stack}", head + _folded("Every line", text, log, LONGEST - len(head))


def _folded(title: str, text: str, log: str, room: int) -> str:
    """Return a text behind a title that unfolds it, cut at a line's end where it does not fit.

    Args:
        title: what is seen of it.
        text: the text.
        log: where the whole of it is.
        room: the most characters that may be returned.
    """
    fence = _fence(text)
    before, after = f"<details><summary>{title}</summary>\n\n{fence}text\n", f"{fence}\n\n</details>\n"
    text = text.rstrip("\n") + "\n"
    room -= len(before) + len(after)
    if len(text) > room:
        note = f"\n\nCut here. The rest is in the [log of the job]({log}).\n"
        text = text[: room - len(note)].rpartition("\n")[0] + "\n"
        after = f"{fence}{note}\n</details>\n"
    return before + text + after


def _fenced(text: str) -> str:
    fence = _fence(text)
    return f"{fence}text\n{text.rstrip()}\n{fence}\n"


def _fence(text: str) -> str:
    """Return a fence that is longer than any in the text."""
    return "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
