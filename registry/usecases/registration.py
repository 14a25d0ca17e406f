"""Versions that come in through MLflow: given a number at once, checked afterwards.

Registering freezes the files and commits the version as `pending`; some process of this registry
checks it (`settling`), and it becomes `ready` or `failed`.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from registry.core import digest, entries, facts, mlflow, oms
from registry.core.canonical import Json
from registry.core.entries import Kind
from registry.core.facts import Facts
from registry.core.mlflow_sources import Refused
from registry.db import derivations, registered, registrations, tables, versions
from registry.db import log as log_rows
from registry.db.engine import Session
from registry.db.registered import RegisteredVersion
from registry.db.tables_artifacts import Registration
from registry.usecases import log, sources
from registry.usecases.access import Caller
from registry.usecases.opening import Registry
from registry.usecases.sources import Frozen

# The tag in which MLflow's clients keep the commit of the training code.
_COMMIT_TAG = "mlflow.source.git.commit"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a client asks to register; empty means not said."""

    name: str
    source: str
    run_id: str = ""
    run_link: str = ""
    model_id: str = ""
    description: str = ""
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def facts(self) -> Facts:
        return Facts(
            description=self.description,
            commit=self.tags.get(_COMMIT_TAG, "")[:128],
            source=self.source,
            run_id=self.run_id,
            tags=self.tags,
        )


def register(registry: Registry, wanted: Wanted, by: Caller) -> RegisteredVersion:
    """Give out the next number and freeze the source; raises NotFound without such a model.

    A source that cannot be resolved is no error here: the version will fail with the reason.
    """
    said = facts.require_sound(wanted.facts)
    facts.require_text(wanted.run_link, what="run_link", limit=2000)
    facts.require_text(wanted.model_id, what="model_id", limit=256)
    now = datetime.now(UTC)
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        model = registered.find_model(session, wanted.name)
        if model is None:
            raise mlflow.no_model(wanted.name)
        number = model.next_version
        versions.take_number(session, model.name, expected=number, number=number, now=now)
        settings = registry.settings
        frozen = sources.freeze(
            session, wanted.source, url=settings.url, max_files=settings.limits.max_files
        )
        version = _insert(session, model.name, number, said, by.actor, now)
        _freeze(session, version, wanted, frozen)
        log.append(session, registry, _begun(version, frozen), now=now)
        session.commit()
        return registered.versions(session, [version.id])[0]


def _insert(
    session: Session, model: str, number: int, said: Facts, actor: str, now: datetime
) -> tables.Version:
    version = tables.Version(
        model=model,
        version=number,
        status=tables.PENDING,
        status_message="",
        digest=None,
        actor=actor,
        owner="",
        description=said.description,
        licence="",
        commit=said.commit,
        repository="",
        source=said.source,
        run_id=said.run_id,
        card="",
        created_at=now,
        updated_at=now,
    )
    session.add(version)
    session.flush()
    derivations.describe(session, version.id, said)
    return version


def _freeze(
    session: Session, version: tables.Version, wanted: Wanted, frozen: Frozen | Refused
) -> None:
    held = Frozen(()) if isinstance(frozen, Refused) else frozen
    row = Registration(
        version_id=version.id,
        run_link=wanted.run_link,
        model_id=wanted.model_id,
        refusal=frozen.reason if isinstance(frozen, Refused) else "",
        origin_id=held.origin.id if held.origin else None,
        signature=held.signature,
        attempts=0,
        worker="",
        due_at=version.created_at,
    )
    registrations.add(session, row, held.files)


def _begun(version: tables.Version, frozen: Frozen | Refused) -> entries.Entry:
    files = () if isinstance(frozen, Refused) else frozen.files
    listed = sorted((file.path, file.digest) for file in files)
    detail: dict[str, Json] = {
        "source": digest.of(version.source.encode()),
        "files": len(files),
        "root": oms.root(listed),
    }
    return entries.Entry(
        time=log.stamp(version.created_at),
        kind=Kind.REGISTERING,
        actor=version.actor,
        model=version.model,
        version=version.version,
        commit=version.commit,
        detail=detail,
    )
