"""Policies at the registry's own doors: publication, and the move of a protected alias.

The folder of policies is read for each decision, so a change counts at once and a broken file
denies at once. A decision is an entry of the log: one that allows stands in the transaction it
allows, one that denies gets its own. What cannot be written down does not happen.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from registry import errors
from registry.core import documents, entries, envelope, policy
from registry.core.canonical import Json
from registry.core.documents import Problem
from registry.core.envelope import Refused, Wanted
from registry.core.facts import Facts
from registry.core.policy import Area, PolicySet
from registry.db import log as log_rows
from registry.db import tables
from registry.db.engine import Session
from registry.usecases import log, pull
from registry.usecases.access import Caller
from registry.usecases.opening import Registry

_REASON_LIMIT = 4000
_DEEDS = {Area.PUBLISH: "be published", Area.PROMOTE: "be promoted"}


@dataclass(frozen=True, slots=True)
class Subject:
    """The version that is decided on, as policies see it (`document`) and as the log names it."""

    model: str
    version: int
    digest: str
    document: Mapping[str, Json]
    verification: Mapping[str, Json]


class Desk:
    """Decides for one caller, by the policies that were in force when it was opened."""

    def __init__(self, registry: Registry, policies: PolicySet | None, by: Caller) -> None:
        self._registry = registry
        self._policies = policies
        self._by = by
        self.refused: entries.Entry | None = None

    def require_publication(self, session: Session, about: Subject) -> None:
        """Raises PolicyDenied, or logs that the version may be published."""
        self._require(session, Area.PUBLISH, about, {})

    def require_promotion(
        self, session: Session, about: Subject, *, alias: str, previous: int
    ) -> None:
        """Raises PolicyDenied, or logs that the alias may move to the version."""
        self._require(session, Area.PROMOTE, about, {"alias": alias, "previous": previous})

    def _require(
        self, session: Session, area: Area, about: Subject, more: Mapping[str, Json]
    ) -> None:
        if self._policies is None:
            return
        now = datetime.now(UTC)
        wanted = policy.request(
            area,
            {
                "version": dict(about.document),
                "verification": dict(about.verification),
                "caller": {"role": self._by.role, "name": self._by.name, "actor": self._by.actor},
                "now": log.stamp(now),
                **more,
            },
        )
        decision = policy.decide(self._policies, wanted)
        detail = {**policy.record(decision, self._policies, wanted), **more}
        match decision:
            case policy.Allowed():
                entry = self._entry(about, now, detail, "allowed")
                log.append(session, self._registry, entry, now=now)
            case policy.Denied():
                said = "; ".join(decision.reasons)
                self.refused = self._entry(about, now, detail, said)
                raise errors.PolicyDenied(
                    f"{about.model} version {about.version} may not "
                    f"{_DEEDS[area]}: {said[:_REASON_LIMIT]}",
                    fix="change what the policy names, or the policy itself, by a reviewed commit",
                )

    def _entry(
        self, about: Subject, now: datetime, detail: dict[str, Json], reason: str
    ) -> entries.Entry:
        return entries.Entry(
            time=log.stamp(now),
            kind=entries.Kind.DECIDED,
            actor=self._by.actor,
            model=about.model,
            version=about.version,
            digest=about.digest,
            reason=reason[:_REASON_LIMIT],
            detail=detail,
        )


@contextmanager
def desk(registry: Registry, by: Caller) -> Iterator[Desk]:
    """Open it around the transaction: a refusal is logged once that one is rolled back."""
    made = Desk(registry, in_force(registry), by)
    try:
        yield made
    except errors.PolicyDenied:
        if made.refused is not None:
            with registry.database.writing() as session:
                log_rows.locked_head(session)
                log.append(session, registry, made.refused, now=datetime.now(UTC))
                session.commit()
        raise


def in_force(registry: Registry) -> PolicySet | None:
    """The policies as the folder holds them now; None where none was configured."""
    folder = registry.settings.policies
    return None if folder is None else read(folder).policies


def read(folder: Path) -> policy.Found:
    """`folder` holds `<area>/<name>.yaml`. A folder or file that cannot be read is a broken one."""
    if not folder.is_dir():
        missing = Problem(str(folder), 1, 1, "there is no such folder", "make it, or name another")
        return policy.Found(PolicySet((), broken=(missing,)), problems=(missing,))
    return policy.read(
        {
            f"{policy.FOLDER}/{path.relative_to(folder).as_posix()}": _content(path)
            for path in sorted(folder.rglob("*"))
            if not path.is_dir()
        }
    )


def _content(path: Path) -> bytes:
    """What is over the limit, or cannot be read, comes as what no policy can be."""
    try:
        with path.open("rb") as file:
            return file.read(documents.TEXT_LIMIT + 1)
    except OSError:
        return b""


def subject(
    wanted: Wanted,
    said: Facts,
    verification: Mapping[str, Json],
    *,
    format: str,  # noqa: A002
) -> Subject:
    """The version with what its publisher says of it: in `version`, and so not verified."""
    document: dict[str, Json] = {
        "model": wanted.model,
        "version": wanted.version,
        "digest": wanted.digest,
        "format": format,
        "metadata": {
            "licence": said.licence,
            "owner": said.owner,
            "description": said.description,
            "commit": said.commit,
            "repository": said.repository,
            "source": said.source,
            "runId": said.run_id,
            "tags": dict(said.tags),
            "metrics": dict(said.metrics),
            "parameters": dict(said.parameters),
        },
    }
    return Subject(wanted.model, wanted.version, wanted.digest, document, verification)


def stored(registry: Registry, row: tables.Version, by: Caller) -> Subject:
    """A version that is ready, judged as a host would judge it; raises IntegrityError."""
    wanted = Wanted(row.model, row.version, row.digest or "")
    asked = pull.Asked(row.model, row.version, digest=wanted.digest)
    match envelope.verify(pull.bundle(registry, asked, by), registry.trust_root(), wanted):
        case envelope.Verified() as good:
            shown = policy.verification(good)
            return subject(wanted, _said(row), shown, format=good.format)
        case Refused(_, reason):
            raise errors.IntegrityError(
                f"{wanted.model} version {wanted.version} does not verify: {reason}",
                fix="do not promote it; look at its signatures and at the trust root",
            )


def _said(row: tables.Version) -> Facts:
    return Facts(
        description=row.description,
        owner=row.owner,
        licence=row.licence,
        commit=row.commit,
        repository=row.repository,
        source=row.source,
        run_id=row.run_id,
        tags={tag.key: tag.value for tag in row.tags},
        metrics={metric.key: metric.value for metric in row.metrics},
        parameters={parameter.key: parameter.value for parameter in row.parameters},
    )
