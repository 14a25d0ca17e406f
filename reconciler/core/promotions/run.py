"""A version that is on its way from one deployment to another, and its JSON form. Pure."""

import hashlib
from dataclasses import asdict, dataclass, replace

from reconciler.core import analysis_memory
from reconciler.core.analysis import AnalysisRun
from reconciler.core.experiments.run import NOT_TOLD, Told
from registry.core import fields
from registry.core.canonical import Json

_WHAT = "promotion under way"


@dataclass(frozen=True, slots=True)
class Run:
    """The version has been well at its source since `since`, without a break.

    `authors` are the people of the commit with which that began: their approvals do not count.
    `analysis` is the one that it has to pass, once it has begun. `request` is the pull request that
    proposes it, and `overtaken` the run of an older version whose pull request may still be open.
    While Git `is_asked` nobody knows whether there is one.
    """

    name: str
    version: int
    digest: str
    since: float
    authors: tuple[str, ...] = ()
    told: Told = NOT_TOLD
    analysis: AnalysisRun | None = None
    request: int | None = None
    overtaken: "Run | None" = None
    is_asked: bool = False

    @property
    def proposed(self) -> "Run | None":
        """Of this run and the one it overtook, the one whose pull request may still be open."""
        return self.overtaken if self.request is None and not self.is_asked else self

    @property
    def id(self) -> str:
        """The same for this run for ever, and for no other."""
        parts = self.name, str(self.version), self.digest, repr(self.since)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def document(run: Run) -> dict[str, Json]:
    """What `read` reads."""
    analysed = None if run.analysis is None else analysis_memory.document(run.analysis)
    overtaken = None if run.overtaken is None else document(run.overtaken)
    plain = asdict(replace(run, analysis=None, overtaken=None))
    nested: dict[str, Json] = {"analysis": analysed, "overtaken": overtaken}
    return {**plain, "authors": list(run.authors), **nested}


def read(source: dict[str, Json]) -> Run:
    """Raises `InvalidInput`."""
    told = fields.mapping(source, "told", what=_WHAT)
    analysed, number = source.get("analysis"), source.get("request")
    overtaken = source.get("overtaken")
    return Run(
        name=fields.text(source, "name", what=_WHAT),
        version=fields.integer(source, "version", what=_WHAT),
        digest=fields.text(source, "digest", what=_WHAT),
        since=_number(source.get("since")),
        authors=tuple(map(str, fields.sequence(source, "authors", what=_WHAT))),
        told=Told(
            fields.text(told, "where", what=_WHAT),
            fields.text(told, "trouble", what=_WHAT),
            fields.integer(told, "tries", what=_WHAT),
            _number(told.get("at")),
        ),
        analysis=analysis_memory.read(analysed) if isinstance(analysed, dict) else None,
        request=None if number is None else fields.integer(source, "request", what=_WHAT),
        overtaken=read(overtaken) if isinstance(overtaken, dict) else None,
        is_asked=source.get("is_asked") is True,
    )


def _number(value: Json) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
