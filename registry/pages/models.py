"""Models, versions and variants as the templates show them."""

from dataclasses import dataclass
from datetime import datetime

from registry.core.canonical import Json
from registry.db import tables, whole
from registry.db.summaries import Summary
from registry.pages import views
from registry.pages.views import Moment, Status
from registry.pages.wording import phrase
from registry.usecases.catalogue import Overview

_TONES = {
    tables.READY: "good",
    tables.PENDING: "busy",
    tables.FAILED: "bad",
    tables.EXPIRED: "quiet",
    tables.ERASED: "quiet",
}


@dataclass(frozen=True, slots=True)
class Mark:
    """A variant's watermark: `changes` says how far outputs moved, `not_run` why nobody knows."""

    scheme: str
    weights: str
    z: str
    commitment: str
    log_index: int
    changes: tuple[tuple[str, str], ...]
    not_run: str


@dataclass(frozen=True, slots=True)
class Variant:
    """One form of a version; `mark` is its owner's, if it has one."""

    name: str
    format: str
    digest: str
    size: str
    publisher: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    files: tuple[tuple[str, str, str], ...]
    log_index: int
    mark: Mark | None


@dataclass(frozen=True, slots=True)
class Version:
    """One version; `first` is the variant it was first published in, if there is one yet."""

    model: str
    number: int
    status: Status
    digest: str
    first: Variant | None
    variants: tuple[Variant, ...]
    published: Moment
    facts: tuple[tuple[str, str], ...]
    description: str
    commit: str
    tags: tuple[tuple[str, str], ...]
    metrics: tuple[tuple[str, str], ...]
    parameters: tuple[tuple[str, str], ...]
    datasets: tuple[tuple[str, str, str], ...]
    actor: str


@dataclass(frozen=True, slots=True)
class Glance:
    """A model at a glance; `newest` is null without a version."""

    name: str
    title: str
    owner: str
    count: int
    newest: int | None
    status: Status | None
    digest: str
    format: str
    published: Moment | None
    aliases: tuple[tuple[str, int], ...]
    tags: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Model:
    """A model with its newest versions."""

    name: str
    title: str
    description: str
    owner: str
    count: int
    versions: tuple[Version, ...]
    aliases: tuple[tuple[str, int], ...]
    tags: tuple[tuple[str, str], ...]

    @property
    def newest(self) -> Version | None:
        return self.versions[0] if self.versions else None

    def aliases_of(self, number: int) -> list[str]:
        """Those that point at this version."""
        return [alias for alias, at in self.aliases if at == number]


def glance(found: Summary, now: datetime) -> Glance:
    newest = found.newest
    return Glance(
        name=found.model.name,
        title=found.model.display_name,
        owner=found.model.owner,
        count=found.count,
        newest=newest.version if newest else None,
        status=_status(newest.status, "") if newest else None,
        digest=(newest.digest or "") if newest else "",
        format=(newest.format or "") if newest else "",
        published=views.moment(newest.created_at, now) if newest else None,
        aliases=tuple((alias.alias, alias.version) for alias in found.aliases),
        tags=tuple((tag.key, tag.value) for tag in found.tags),
    )


def model(found: Overview, now: datetime) -> Model:
    return Model(
        name=found.model.name,
        title=found.model.display_name,
        description=found.model.description,
        owner=found.model.owner,
        count=found.count,
        versions=tuple(version(row, now) for row in found.versions),
        aliases=tuple((alias.alias, alias.version) for alias in found.aliases),
        tags=tuple((tag.key, tag.value) for tag in found.tags),
    )


def version(row: tables.Version | whole.Version, now: datetime) -> Version:
    variants = tuple(_variant(one) for one in row.variants)
    said = (
        (phrase("Owner"), row.owner),
        (phrase("Licence"), row.licence),
        (phrase("Training code"), row.repository),
        (phrase("Source"), row.source),
        (phrase("Run"), row.run_id),
    )
    return Version(
        model=row.model,
        number=row.version,
        status=_status(row.status, row.status_message),
        digest=row.digest or "",
        first=next((one for one in variants if one.digest == row.digest), None),
        variants=variants,
        published=views.moment(row.created_at, now),
        facts=tuple((name, text) for name, text in said if text),
        description=row.description,
        commit=row.commit,
        tags=tuple((tag.key, tag.value) for tag in row.tags),
        metrics=tuple((metric.key, f"{metric.value:g}") for metric in row.metrics),
        parameters=tuple((one.key, one.value) for one in row.parameters),
        datasets=tuple((data.name, data.digest, data.uri) for data in row.datasets),
        actor=row.actor,
    )


def _status(word: str, reason: str) -> Status:
    return Status("state", word, _TONES.get(word, "quiet"), reason)


def _variant(row: tables.Variant | whole.Variant) -> Variant:
    return Variant(
        name=row.name,
        format=row.format,
        digest=row.digest,
        size=views.size(row.size),
        publisher=row.publisher,
        inputs=_tensors(row.signature, "inputs"),
        outputs=_tensors(row.signature, "outputs"),
        files=tuple((file.path, file.digest, views.size(file.size)) for file in row.files),
        log_index=row.log_index,
        mark=_mark(row.watermark),
    )


def _mark(shown: dict[str, Json] | None) -> Mark | None:
    if shown is None:
        return None
    trial = shown.get("trial")
    said = trial if isinstance(trial, dict) else {}
    outputs = said.get("outputs")
    return Mark(
        scheme=str(shown.get("scheme")),
        weights=f"{shown.get('weights'):,}",
        z=f"{shown.get('predictedZ'):g}",
        commitment=str(shown.get("commitment")),
        log_index=int(str(shown.get("logIndex"))),
        changes=tuple(
            (name, f"{_relative(apart):.2%}")
            for name, apart in (outputs.items() if isinstance(outputs, dict) else ())
        ),
        not_run="" if said.get("executed") else str(said.get("why", "")),
    )


def _relative(apart: Json) -> float:
    found = apart.get("relative") if isinstance(apart, dict) else None
    return float(found) if isinstance(found, int | float) else 0.0


def _tensors(signature: dict[str, Json], role: str) -> tuple[str, ...]:
    return tuple(views.tensor(item) for item in views.mappings(signature.get(role)))
