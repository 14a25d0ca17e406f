"""One deployment of a review, in full, as Markdown: numbers, clients, policies, the way back."""

from collections.abc import Iterator

from reconciler.core.review import wording
from reconciler.core.review.changing import Effect
from reconciler.core.review.escaping import cell, span
from reconciler.core.review.facts import Fact, Refused, Version
from reconciler.core.review.judged import Failing
from reconciler.core.review.rows import Delta, Row

# What moved comes first; slices and their metrics can be many.
_NUMBERS = 20
_PINNED = ("spec.model.version", "spec.model.digest", "spec.runtime.resources.memory")


def of(row: Row) -> str:
    """Its own paragraph."""
    return "\n".join(["", f"**{span(row.deployment)}** {row.effect.value}", "", *_lines(row)])


def _lines(row: Row) -> Iterator[str]:
    numbers = list(_numbers(row))
    if numbers:
        yield "| | before | after | |"
        yield "|---|---|---|---|"
        yield from numbers
        yield ""
    for text in row.trouble:
        yield f"- ✖ held, it keeps its last state: {span(text)}"
    if isinstance(row.fact, Refused):
        yield f"- ✖ verification refused ({span(row.fact.code)}): {span(row.fact.reason)}"
    yield from _clients(row)
    yield from _policies(row)
    for field in row.fields:
        if field.path not in _PINNED:
            yield f"- {span(field.path)}: {_or_none(field.before)} → {_or_none(field.after)}"
    if row.acceptance:
        yield f"- must pass before any traffic: {span(', '.join(row.acceptance))}"
    if row.effect in (Effect.ADDED, Effect.UPDATED, Effect.MOVED):
        yield f"- way back: {span(wording.way_back(row))}"


def _numbers(row: Row) -> Iterator[str]:
    before, after = row.before, row.after
    if before != after:
        one, other = (wording.short(pin.digest) if pin else "" for pin in (before, after))
        yield f"| digest | {cell(one)} | {cell(other)} | |"
    sizes = _size(row.earlier), _size(row.fact)
    if sizes[1] is not None and row.earlier != row.fact:
        yield f"| size | {_bytes(sizes[0])} | {_bytes(sizes[1])} | {_growth(*sizes)} |"
    if row.memory[0] != row.memory[1]:
        yield f"| memory | {cell(row.memory[0])} | {cell(row.memory[1])} | |"
    signed = _signers(row.earlier), _signers(row.fact)
    if signed[1] and signed[0] != signed[1]:
        yield f"| signed by | {cell(signed[0])} | {cell(signed[1])} | |"
    for found, source in ((row.metrics, "tested"), (row.metrics_said, "said by the publisher")):
        moved = sorted(found, key=lambda one: one.before == one.after)
        yield from (_delta(one, source) for one in moved[:_NUMBERS])
        if len(moved) > _NUMBERS:
            yield f"| and {len(moved) - _NUMBERS} more ({source}) | | | |"


def _delta(one: Delta, source: str) -> str:
    before, after = wording.number(one.before), wording.number(one.after)
    return f"| {cell(one.name)} ({source}) | {before} | {after} | {wording.difference(one)} |"


def _clients(row: Row) -> Iterator[str]:
    for text in row.breaks:
        yield f"- ✖ **breaks clients**: {span(text)}"
    for text in row.wider:
        yield f"- tensors: {span(text)}"
    if row.is_compared and not row.breaks and not row.wider:
        yield "- tensors: the same"


def _policies(row: Row) -> Iterator[str]:
    for judged in row.policies:
        for one in judged.failing:
            yield f"- ✖ **policy** {_failing(one)}"
        if not judged.failing:
            yield from (f"- ✖ **{judged.area.value}**: {span(text)}" for text in judged.reasons)
        for one in judged.audited:
            yield f"- would be refused, were it not `mode: audit`: {_failing(one)}"


def _failing(one: Failing) -> str:
    said = f" ({span(one.error)})" if one.error else ""
    return f"{span(one.path)}: {span(one.message)}{said}; not true: {span(one.expression)}"


def _or_none(text: str) -> str:
    return span(text) if text else "(none)"


def _size(fact: Fact | None) -> int | None:
    return fact.size if isinstance(fact, Version) else None


def _signers(fact: Fact | None) -> str:
    return ", ".join(fact.signers) if isinstance(fact, Version) else ""


def _bytes(number: int | None) -> str:
    return "" if number is None else wording.size(number)


def _growth(before: int | None, after: int | None) -> str:
    return "" if not before or after is None else f"{100 * (after - before) / before:+.1f} %"
