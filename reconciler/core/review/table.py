"""The review as plain text, for a terminal. Pure."""

from collections.abc import Iterator, Sequence

from reconciler.core.review import wording
from reconciler.core.review.escaping import visible
from reconciler.core.review.facts import Version
from reconciler.core.review.rows import Row
from reconciler.core.review.verdicts import Review

_HEAD = ("DEPLOYMENT", "CHANGE", "VERSION", "STRATEGY", "HOSTS", "SIGNED BY", "WAY BACK")


def render(review: Review) -> str:
    """The verdict, a line for each deployment, and below it all that somebody should know."""
    lines = [review.headline]
    lines += [f"conflict: {path}" for path in review.conflicts]
    for problem in review.problems:
        lines += [problem.detail, *([f"  fix: {problem.fix}"] if problem.fix else [])]
    if review.rows:
        lines += ["", *_aligned([_HEAD, *(_cells(row) for row in review.rows)])]
    notes = [line for row in review.rows for line in _notes(row)]
    notes += [f"would wait if it were merged now: {reason}" for reason in review.holds]
    notes += [f"stays as it is: {one.path}: {one.why}" for one in review.held]
    notes += [f"would be refused from then on: {text}" for text in review.affected]
    others = [one for one in review.files if one.path not in {row.path for row in review.rows}]
    notes += [f"{one.path}: {one.how}" for one in others]
    if notes:
        lines += ["", *notes]
    return "\n".join(visible(line) for line in lines)


def _cells(row: Row) -> tuple[str, ...]:
    signed = ", ".join(row.fact.signers) if isinstance(row.fact, Version) else "-"
    return (
        row.deployment,
        row.effect.value,
        wording.versions(row) or "-",
        row.strategy or "-",
        wording.hosts(row) or "-",
        signed,
        wording.way_back(row) if row.hosts else "-",
    )


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _notes(row: Row) -> Iterator[str]:
    name = row.deployment
    yield from (f"{name}: held: {text}" for text in row.trouble)
    yield from (f"{name}: refused: {text}" for text in row.refusals)
    for judged in row.policies:
        for one in judged.failing:
            error = f" ({one.error})" if one.error else ""
            yield f"  {one.path}: not true: {one.expression}{error}"
        for one in judged.audited:
            yield f"{name}: would be refused, were it not mode: audit: {one.policy}: {one.message}"
    yield from (f"{name}: breaks clients: {text}" for text in row.breaks)
    for delta in row.metrics:
        before, after = wording.number(delta.before) or "-", wording.number(delta.after) or "-"
        yield f"{name}: {delta.name}: {before} -> {after} {wording.difference(delta)}".rstrip()
    for field in row.fields:
        yield f"{name}: {field.path}: {field.before or '(none)'} -> {field.after or '(none)'}"
