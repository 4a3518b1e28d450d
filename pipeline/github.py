"""GitHub's REST API, as far as a comment and an issue that are kept up to date need it."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

LABEL = "drift"
"""The label of issues about stacks that are not as they should be."""

# As whom GITHUB_TOKEN writes. Nobody else's text is ever changed, whatever it begins with.
_AUTHOR = "github-actions[bot]"

_PAGE = 100  # the most that the API lists at once
_SECONDS = 30


class GitHubError(Exception):
    """GitHub refuses, or cannot be reached; the text says what was asked, and the answer."""


@dataclass(frozen=True)
class GitHub:
    """A repository on GitHub.

    Args:
        repository: OWNER/NAME.
        token: a token of that repository's workflow.
        api: address of the API.
    """

    repository: str
    token: str = field(repr=False)
    api: str = "https://api.github.com"

    def put_comment(self, pull_request: int, marker: str, body: str) -> str:
        """Make a comment on a pull request, or bring up to date the one that is there.

        Args:
            pull_request: its number.
            marker: what the body begins with, and is found by.
            body: the text.
        """
        path = f"issues/{pull_request}/comments"
        for comment in self._all(path):
            if _is_ours(comment, marker):
                return self._ask("PATCH", f"issues/comments/{comment['id']}", {"body": body})["html_url"]
        return self._ask("POST", path, {"body": body})["html_url"]

    def put_issue(self, marker: str, title: str, body: str) -> str:
        """Open an issue, or bring up to date the one that is open.

        Args:
            marker: what the body begins with, and is found by.
            title: its title.
            body: the text.
        """
        for issue in self._issues(marker):
            return self._ask("PATCH", f"issues/{issue['number']}", {"title": title, "body": body})["html_url"]
        return self._ask("POST", "issues", {"title": title, "body": body, "labels": [LABEL]})["html_url"]

    def close_issues(self, marker: str, why: str) -> list[str]:
        """Close the issues that are open.

        Args:
            marker: what their bodies begin with.
            why: the comment with which they are closed.
        """
        closed: list[str] = []
        for issue in self._issues(marker):
            self._ask("POST", f"issues/{issue['number']}/comments", {"body": why})
            closed.append(self._ask("PATCH", f"issues/{issue['number']}", {"state": "closed"})["html_url"])
        return closed

    def _issues(self, marker: str) -> list[Any]:
        found = self._all(f"issues?state=open&labels={LABEL}&")
        return [issue for issue in found if _is_ours(issue, marker) and "pull_request" not in issue]

    def _all(self, path: str) -> Iterator[Any]:
        """Yield everything of a list, which comes in pages."""
        page = 1
        while True:
            separator = "" if path.endswith("&") else "?"
            items = self._ask("GET", f"{path}{separator}per_page={_PAGE}&page={page}", None)
            yield from items
            if len(items) < _PAGE:
                return
            page += 1

    def _ask(self, method: str, path: str, content: object) -> Any:
        request = urllib.request.Request(
            f"{self.api}/repos/{self.repository}/{path}",
            method=method,
            data=None if content is None else json.dumps(content).encode(),
            headers={
                "Authorization": f"Bearer {self.token}",
                "Accept": "application/vnd.github+json",
                "Content-Type": "application/json",
                "X-GitHub-Api-Version": "2022-11-28",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=_SECONDS) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            answer = error.read().decode(errors="replace")[:300]
            raise GitHubError(f"GitHub: {method} {path}: {error.code} {error.reason}: {answer}") from None
        except OSError as error:
            raise GitHubError(f"GitHub: {method} {path}: {error}") from None


def _is_ours(written: Any, marker: str) -> bool:
    """Tell whether a comment or issue is this workflow's, and begins with the marker."""
    return written["user"]["login"] == _AUTHOR and (written.get("body") or "").startswith(marker)
