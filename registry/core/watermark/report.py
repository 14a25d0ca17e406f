"""The report of a detection: an in-toto statement about the suspect's files, signed by a registry.

Predicate type `https://plimsoll.dev/watermark-report/v1`; the subjects are the suspect's files.
Reading it back, the verdict is drawn again from the numbers: a report that says other than its
numbers is refused, whoever signed it.
"""

from dataclasses import asdict, dataclass

from registry.core import canonical, digest, dsse, fields, names
from registry.core.canonical import Json
from registry.core.oms import STATEMENT_TYPE, File
from registry.core.watermark import findings, statistics
from registry.core.watermark.findings import Candidate, Detector, Score, Verdict
from registry.errors import InvalidInput, SignatureInvalid

PREDICATE_TYPE = "https://plimsoll.dev/watermark-report/v1"
LIMITS = (
    (
        "A name is that of the host a copy was made for. It says where the weights came from, not "
        "which person passed them on."
    ),
    (
        "The bound is on the chance of a score this high where no mark is: it is not the "
        "probability that somebody is innocent or guilty."
    ),
    (
        "No finding is no proof of innocence: distillation and training from scratch remove every "
        "mark, and more than 8 recipients who mix their copies may."
    ),
    (
        "That the key was fixed before the leak is shown by the commitment, at the stated place "
        "of the registry's log."
    ),
)
_WHAT = "detection report"


@dataclass(frozen=True, slots=True)
class Suspect:
    """`weights` is how many numbers were read, `quantised` how many of them from integers."""

    format: str
    files: tuple[File, ...]
    weights: int
    quantised: int


@dataclass(frozen=True, slots=True)
class Report:
    """`against` is the only model that was asked about, or empty; `passed_over` counts the marked
    variants that have no weights of the suspect's shapes. `log_size` is the log's, when it began.
    """

    registry: str
    at: str
    log_size: int
    suspect: Suspect
    against: str
    candidates: tuple[Candidate, ...]
    passed_over: int

    @property
    def verdict(self) -> Verdict:
        return findings.verdict(self.candidates)


def encode(report: Report) -> bytes:
    """The payload that is signed, in canonical JSON."""
    return canonical.encode(
        {
            "_type": STATEMENT_TYPE,
            "subject": [
                {"name": file.path, "digest": {"sha256": file.digest.removeprefix("sha256:")}}
                for file in report.suspect.files
            ],
            "predicateType": PREDICATE_TYPE,
            "predicate": _predicate(report),
        }
    )


def _predicate(report: Report) -> dict[str, Json]:
    suspect = report.suspect
    count = findings.comparisons(report.candidates)
    verdict = report.verdict
    return {
        "registry": report.registry,
        "at": report.at,
        "logSize": report.log_size,
        "suspect": {
            "format": suspect.format,
            "files": [{"path": f.path, "digest": f.digest, "size": f.size} for f in suspect.files],
            "weights": suspect.weights,
            "quantised": suspect.quantised,
        },
        "against": report.against,
        "candidates": [_candidate_document(one) for one in report.candidates],
        "passedOver": report.passed_over,
        "family": {
            "comparisons": count,
            "level": f"1e{statistics.FAMILY_LOG10:.0f}",
            "threshold": round(statistics.threshold(count), 4),
        },
        "verdict": {
            "finding": str(verdict.finding),
            "sentence": verdict.sentence,
            "named": list(verdict.named),
        },
        "limits": list(LIMITS),
    }


def verify(bundle: dict[str, Json], *registry: dsse.Signer) -> Report:
    """What one of `registry` reported in `bundle`; raises `SignatureInvalid` or `InvalidInput`."""
    return _read(dsse.verify(bundle, registry).payload)


def unverified(bundle: dict[str, Json]) -> Report:
    """What the report says, whoever signed it; raises `SignatureInvalid` or `InvalidInput`."""
    return _read(dsse.unverified_payload(bundle))


def _read(payload: bytes) -> Report:
    document = canonical.decode_object(payload, what=_WHAT)
    if document.get("_type") != STATEMENT_TYPE or document.get("predicateType") != PREDICATE_TYPE:
        raise InvalidInput(f"what should be a {_WHAT} is a statement of another type")
    predicate = fields.mapping(document, "predicate", what=_WHAT)
    said = Report(
        fields.text(predicate, "registry", what=_WHAT),
        fields.text(predicate, "at", what=_WHAT),
        fields.integer(predicate, "logSize", what=_WHAT),
        _suspect(fields.mapping(predicate, "suspect", what=_WHAT)),
        fields.text(predicate, "against", what=_WHAT),
        tuple(_candidate(item) for item in fields.objects(predicate, "candidates", what=_WHAT)),
        fields.integer(predicate, "passedOver", what=_WHAT),
    )
    if encode(said) != payload:
        raise SignatureInvalid(f"the {_WHAT} says other than its own numbers")
    return said


def _suspect(said: dict[str, Json]) -> Suspect:
    return Suspect(
        fields.text(said, "format", what=_WHAT),
        tuple(_file(item) for item in fields.objects(said, "files", what=_WHAT)),
        fields.integer(said, "weights", what=_WHAT),
        fields.integer(said, "quantised", what=_WHAT),
    )


def _file(item: dict[str, Json]) -> File:
    return File(
        names.file_path(fields.text(item, "path", what=_WHAT)),
        digest.parse(item.get("digest")),
        fields.integer(item, "size", what=_WHAT),
    )


def _candidate_document(candidate: Candidate) -> dict[str, Json]:
    """The scores as rows, by the names in `findings.Score`: there may be thousands."""
    document: dict[str, Json] = asdict(candidate)
    document["logIndex"] = document.pop("log_index")
    document["scores"] = [_score_document(score) for score in candidate.scores]
    return document


def _score_document(score: Score) -> list[Json]:
    return [score.recipient, str(score.detector), score.z, score.u, score.log10_p]


def _candidate(item: dict[str, Json]) -> Candidate:
    def text(name: str) -> str:
        return fields.text(item, name, what=_WHAT)

    def integer(name: str) -> int:
        return fields.integer(item, name, what=_WHAT)

    return Candidate(
        model=text("model"),
        version=integer("version"),
        variant=text("variant"),
        digest=text("digest"),
        commitment=text("commitment"),
        log_index=integer("logIndex"),
        epoch=integer("epoch"),
        alpha=_number(item.get("alpha")),
        weights=integer("weights"),
        matched=integer("matched"),
        realigned=integer("realigned"),
        similarity=_number(item.get("similarity")),
        identical=text("identical"),
        scores=tuple(_score(row) for row in fields.sequence(item, "scores", what=_WHAT)),
    )


def _score(row: Json) -> Score:
    match row:
        case [str(recipient), str(detector), z, u, log10_p] if detector in set(Detector):
            numbers = (_number(z), _number(u), _number(log10_p))
            return Score(recipient, Detector(detector), *numbers)
        case _:
            raise InvalidInput(f"{_WHAT}: a score is not written as it must be")


def _number(value: Json) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidInput(f"{_WHAT}: {str(value)[:40]!r} is no number")
    return value
