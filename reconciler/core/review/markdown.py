"""The review as the comment on a pull request: never longer than the forge takes. Pure.

What is refused comes first, and what does not fit is left out from the end: lines of the diff
first, then details, then rows, always with how much is missing and where the whole is.
"""

from collections.abc import Iterator

from reconciler.core.review import details, escaping, wording
from reconciler.core.review.escaping import cell, span
from reconciler.core.review.facts import Doubt, Version
from reconciler.core.review.rows import Row
from reconciler.core.review.verdicts import Review, Verdict
from registry.core import policy

MARKER = "<!-- plimsoll:plan -->"
_SIGNS = {
    Verdict.CONFLICTING: "✖",
    Verdict.INVALID: "✖",
    Verdict.REFUSED: "✖",
    Verdict.UNKNOWN: "…",
    Verdict.ALLOWED: "✔",
    Verdict.NO_CHANGES: "✔",
}
_HEAD = ("Deployment", "Change", "Version", "Strategy", "Hosts", "Signed by", "Policy")
_NOTE = 400


def render(review: Review, *, limit: int = 65_000, link: str = "") -> str:
    """At most `limit` bytes of Markdown; `link` is where the whole can be read."""
    page = _Page(limit - _NOTE - len(_foot(review, link).encode()))
    page.must(f"{MARKER}\n### {_SIGNS[review.verdict]} Plimsoll: {_headline(review)}\n")
    notes = list(_notes(review))
    for line in [*notes, *([""] if notes else [])]:
        page.may(line)
    rows = sorted(review.rows, key=lambda row: (not (row.refusals or row.trouble), row.deployment))
    if rows:
        page.may(f"| {' | '.join(_HEAD)} |\n|{'---|' * len(_HEAD)}")
        page.some([_line(row) for row in rows], "deployments")
        page.some([details.of(row) for row in rows], "details of deployments")
    for piece in _diffs(review, page.left):
        page.may(piece)
    return page.text(_foot(review, link))


class _Page:
    """Takes pieces while they fit, and says what did not."""

    def __init__(self, room: int) -> None:
        self.left = room
        self._pieces: list[str] = []
        self._missing: list[str] = []

    def must(self, piece: str) -> None:
        self._pieces.append(piece)
        self.left -= len(piece.encode()) + 1

    def may(self, piece: str) -> bool:
        if len(piece.encode()) + 1 > self.left:
            return False
        self.must(piece)
        return True

    def some(self, pieces: list[str], what: str) -> None:
        for at, piece in enumerate(pieces):
            if not self.may(piece):
                self._missing.append(f"{len(pieces) - at} of {len(pieces)} {what}")
                return

    def text(self, foot: str) -> str:
        said = f"\n_Left out here: {', '.join(self._missing)}._" if self._missing else ""
        return "\n".join([*self._pieces, f"{said}{foot}", ""])


def _headline(review: Review) -> str:
    """A doubt's reason is a foreign text, and stands below."""
    is_doubt = review.verdict is Verdict.UNKNOWN
    return "no verdict yet" if is_doubt else review.headline


def _notes(review: Review) -> Iterator[str]:
    for path in review.conflicts[:50]:
        yield f"- conflict: {span(path)}"
    for problem in review.problems[:50]:
        fix = f", fix: {span(problem.fix)}" if problem.fix else ""
        yield f"- {span(problem.detail)}{fix}"
    yield from _held(review)
    for reason in review.doubts[:10]:
        yield f"- nobody could be asked: {span(reason)}"
    for reason in review.holds[:10]:
        yield f"- would wait if it were merged now: {span(reason)}"
    yield from _of_policies(review)
    if review.older:
        yield f"- {len(review.older)} older problems in other files stay as they are"


def _held(review: Review) -> Iterator[str]:
    for one in review.held[:50]:
        yield f"- ✖ stays as it is when this is merged: {span(one.path)}: {span(one.why)}"
    if len(review.held) > 50:
        yield f"- and {len(review.held) - 50} more files stay as they are"
    if review.held:
        yield (
            "- what helps: one of those who may commits the change and signs it; squashed or "
            "rebased, a change counts as the one's whose key signs the commit that comes of it"
        )


def _of_policies(review: Review) -> Iterator[str]:
    if any(one.path.startswith(f"{policy.FOLDER}/") for one in review.files):
        yield "- policies change: from then on they judge every deployment's next rollout"
    for text in review.affected[:20]:
        yield f"- would be refused from then on, and serves until it changes: {span(text)}"
    if len(review.affected) > 20:
        yield f"- and {len(review.affected) - 20} more would be"


def _line(row: Row) -> str:
    return (
        f"| {cell(row.deployment)} | {row.effect.value} | {cell(wording.versions(row))} "
        f"| {cell(row.strategy)} | {cell(wording.hosts(row))} | {_signed(row)} | {_policy(row)} |"
    )


def _signed(row: Row) -> str:
    match row.fact:
        case Version(signers=signers):
            return f"✔ {cell(', '.join(signers))}"
        case Doubt():
            return "… not known"
        case None:
            return ""
        case _:
            return "✖ **refused**"


def _policy(row: Row) -> str:
    if row.trouble:
        return "✖ **held**"
    if row.refusals:
        return "✖ **refused**"
    if isinstance(row.fact, Doubt):
        return "… not known"
    passed = sum(len(judged.passed) for judged in row.policies)
    return f"✔ {passed} agree" if row.policies else ""


def _diffs(review: Review, room: int) -> Iterator[str]:
    """One collapsed diff of all files, of as many lines as there is room for."""
    if not review.files:
        return
    count = len(review.files)
    lines = [line for one in review.files for line in _of_file(one.diff, one.path, one.how)]
    kept, left = list[str](), room - 2 * _NOTE
    for line in lines:
        left -= len(line.encode()) + 1
        if left < 0:
            kept.append(f"… {len(lines) - len(kept)} more lines")
            break
        kept.append(line)
    block = escaping.fenced(kept, kind="diff")
    files = f"{count} file{'' if count == 1 else 's'}"
    yield f"\n<details><summary>Diff of {files}</summary>\n\n{block}\n\n</details>"


def _of_file(diff: str, path: str, how: str) -> list[str]:
    return diff.splitlines() if diff else [f"{how}: {path}"]


def _foot(review: Review, link: str) -> str:
    bound = review.bound
    at = "" if bound.log_size is None else f", the registry's log at {bound.log_size} entries"
    whole = f" [The whole plan]({link})." if link else ""
    return (
        f"\n<sub>Planned from {span(bound.head[:12])} onto {span(bound.base[:12])}{at}. When one "
        f"of them moves, this is planned anew.{whole}</sub>"
    )
