"""How far a deployment has followed its alias or range, and its JSON form. Pure."""

from dataclasses import asdict, dataclass

from reconciler.core.experiments.run import NOT_TOLD, Told
from reconciler.core.following.target import Candidate
from registry.core import fields
from registry.core.canonical import Json

_WHAT = "what is followed"
IN_GIT = "Git asks for it"


@dataclass(frozen=True, slots=True)
class Run:
    """The registry has said `version` for `rule` since `since`, an alias with the move `moved`.

    `brought` is the last version that Git was told of, or asked for by itself, with the move of
    then: no version is brought twice for one. `request` is the pull request with it; while Git
    `is_asked` nobody knows whether there is one.
    """

    rule: str
    version: int
    digest: str
    moved: int
    since: float
    brought: int = 0
    brought_by: int = 0
    told: Told = NOT_TOLD
    request: int | None = None
    is_asked: bool = False

    @property
    def may_be_open(self) -> bool:
        """Whether there may be a pull request."""
        return self.request is not None or self.is_asked

    def is_of(self, rule: str, found: Candidate, moved: int) -> bool:
        """Whether it is about this."""
        return (self.rule, self.digest, self.moved) == (rule, found.digest, moved)


def document(run: Run) -> dict[str, Json]:
    """What `read` reads."""
    return asdict(run)


def read(source: dict[str, Json]) -> Run:
    """Raises `InvalidInput`."""
    told = fields.mapping(source, "told", what=_WHAT)
    number = source.get("request")
    return Run(
        rule=fields.text(source, "rule", what=_WHAT),
        version=fields.integer(source, "version", what=_WHAT),
        digest=fields.text(source, "digest", what=_WHAT),
        moved=fields.integer(source, "moved", what=_WHAT),
        since=fields.finite(source.get("since")) or 0.0,
        brought=fields.integer(source, "brought", what=_WHAT),
        brought_by=fields.integer(source, "brought_by", what=_WHAT),
        told=Told(
            fields.text(told, "where", what=_WHAT),
            fields.text(told, "trouble", what=_WHAT),
            fields.integer(told, "tries", what=_WHAT),
            fields.finite(told.get("at")) or 0.0,
        ),
        request=None if number is None else fields.integer(source, "request", what=_WHAT),
        is_asked=source.get("is_asked") is True,
    )
