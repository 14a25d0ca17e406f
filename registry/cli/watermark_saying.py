"""What the watermark commands print: the verdict first, then the scores it follows from."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import typer

from registry import errors
from registry.cli import output
from registry.core import canonical, fields
from registry.core.canonical import Json
from registry.core.watermark import findings, statistics
from registry.core.watermark import report as reports
from registry.core.watermark.findings import Detector
from registry.core.watermark.report import Report

# A detection reads every candidate's original: minutes where they are large.
PATIENCE_S = 3600.0
_SHOWN = 12


def report(found: Report, form: output.Form, *, signer: str) -> None:
    """`signer` is who signed it, if that was checked."""
    if form.is_data:
        payload = canonical.decode_object(reports.encode(found), what="report")
        output.print_document(form, payload["predicate"])
        return
    typer.echo(output.plain(found.verdict.sentence))
    typer.echo("")
    rows = _rows(found)
    if rows:
        titles = ("version", "recipient", "detector", "score", "z", "chance", "")
        output.print_table(titles, rows[:_SHOWN])
    if len(rows) > _SHOWN:
        output.message(f"{len(rows) - _SHOWN} lower scores are in the report")
    typer.echo("")
    output.print_fields(_facts(found, signer))


def marks(found: Sequence[dict[str, Json]]) -> None:
    """One block a variant."""
    what = "watermark document"
    for number, one in enumerate(found):
        if number:
            typer.echo("")
        hosts = fields.sequence(one, "recipients", what=what)
        output.print_fields(
            [
                ("variant", one.get("variant")),
                ("digest", one.get("digest")),
                ("scheme", one.get("scheme")),
                ("strength", f"{one.get('alpha')} of each weight"),
                ("weights", one.get("weights")),
                ("predicted score", one.get("predictedZ")),
                ("key epoch", one.get("epoch")),
                ("commitment", one.get("commitment")),
                ("log entry", one.get("logIndex")),
                ("pulled by", ", ".join(str(host) for host in hosts)),
            ]
        )


def write(path: Path, content: bytes) -> None:
    """Raises InvalidConfig where it cannot be written."""
    try:
        path.write_bytes(content)
    except OSError as error:
        raise errors.InvalidConfig(
            f"{path}: cannot be written: {error.strerror}", fix="name another file"
        ) from error


def _rows(found: Report) -> list[tuple[str, ...]]:
    """The best score of each recipient, the highest first."""
    count = findings.comparisons(found.candidates)
    best: dict[tuple[str, str], tuple[float, tuple[str, ...]]] = {}
    for candidate in found.candidates:
        for score in candidate.scores:
            key = (candidate.digest, score.recipient)
            if key in best and best[key][0] >= score.u:
                continue
            bound = statistics.corrected(score.log10_p, count)
            chance = "any" if bound > -0.3 else f"≤ {findings.power(bound)}"
            word = "FOUND" if bound <= statistics.FAMILY_LOG10 else ""
            name = f"{candidate.model}@{candidate.version}"
            numbers = (f"{score.u:.1f}", f"{score.z:.1f}")
            row = (name, score.recipient, str(score.detector), *numbers, chance, word)
            best[key] = (score.u, row)
    return [row for _, row in sorted(best.values(), key=lambda one: -one[0])]


def _facts(found: Report, signer: str) -> Iterator[tuple[str, object]]:
    count = findings.comparisons(found.candidates)
    suspect = found.suspect
    kept = f", {suspect.quantised} of them as integers" if suspect.quantised else ""
    yield "suspect", f"{suspect.format}, {suspect.weights} weights{kept}"
    yield "compared", f"with {len(found.candidates)} marked, {found.passed_over} passed over"
    yield "threshold", f"{statistics.threshold(count):.2f} for {findings.counted(count)}"
    for candidate in found.candidates[:3]:
        share = candidate.matched / max(candidate.weights, 1)
        name = f"{candidate.model}@{candidate.version}"
        aligned = f", {candidate.realigned} tensors realigned" if candidate.realigned else ""
        is_informed = any(score.detector is Detector.INFORMED for score in candidate.scores)
        alike = f", similarity {candidate.similarity:.4f}{aligned}" if is_informed else ""
        yield name, f"{share:.0%} of its weights{alike}"
        yield "  key committed", f"{candidate.commitment}, entry {candidate.log_index} of the log"
    if found.registry:
        yield "at", f"{found.at} by {found.registry}"
        yield "signature", f"good, by {signer}" if signer else "not checked: name --trust"
    else:
        yield "at", f"{found.at}, here, with an auditor's key; signed by nobody"
