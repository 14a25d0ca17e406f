"""MLflow's webhook events: which log entries they are told of, and the document they come as."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from registry.core.canonical import Json
from registry.core.entries import Kind
from registry.errors import InvalidInput


@dataclass(frozen=True, slots=True, order=True)
class Event:
    """`entity` and `action` in MLflow's lower-case words."""

    entity: str
    action: str

    @property
    def document(self) -> dict[str, Json]:
        """As MLflow's API writes it."""
        return {"entity": self.entity.upper(), "action": self.action.upper()}


@dataclass(frozen=True, slots=True)
class About:
    """What the log does not say of a model or version, as it is known when the event is sent."""

    name: str
    source: str = ""
    run_id: str = ""
    description: str = ""
    digest: str = ""
    tags: dict[str, str] = field(default_factory=dict)


MODEL_CREATED = Event("registered_model", "created")
VERSION_CREATED = Event("model_version", "created")
TAG_SET = Event("model_version_tag", "set")
TAG_DELETED = Event("model_version_tag", "deleted")
ALIAS_CREATED = Event("model_version_alias", "created")
ALIAS_DELETED = Event("model_version_alias", "deleted")

# A version is told of once it is checked and can be loaded.
KINDS = {
    MODEL_CREATED: Kind.MODEL_CREATED,
    VERSION_CREATED: Kind.PUBLISHED,
    TAG_SET: Kind.VERSION_CHANGED,
    TAG_DELETED: Kind.VERSION_CHANGED,
    ALIAS_CREATED: Kind.ALIAS_MOVED,
    ALIAS_DELETED: Kind.ALIAS_REMOVED,
}


def parse(listed: Json) -> tuple[Event, ...]:
    """The events that a request lists; raises InvalidInput for those that never happen here."""
    items = listed if isinstance(listed, list) else []
    found = {_event(item) for item in items}
    if not found:
        raise InvalidInput("At least one webhook event must be specified.")
    return tuple(sorted(found))


def kinds(events: Iterable[Event]) -> list[str]:
    """Of entries that may be one of these."""
    return sorted({KINDS[event] for event in events})


def of_entry(
    entry: dict[str, Json], about: About, wanted: Collection[Event]
) -> list[dict[str, Json]]:
    """The documents of one entry: as many as tags were changed, or one, or none."""
    happened = _happened(entry, about)
    return [_document(event, entry["time"], data) for event, data in happened if event in wanted]


def of_trial(event: Event, *, time: str) -> dict[str, Json]:
    """As MLflow tries a webhook: an event about something that does not exist."""
    about = About("example_model", source="models:/123", tags={"example_key": "example_value"})
    entry: dict[str, Json] = {
        "kind": KINDS[event],
        "model": about.name,
        "version": 1,
        "detail": {"alias": "example_alias", "tags": {"example_key": "v", "removed_key": None}},
    }
    data = next(data for happened, data in _happened(entry, about) if happened == event)
    return _document(event, time, data)


def _event(item: Json) -> Event:
    said = item if isinstance(item, dict) else {}
    event = Event(str(said.get("entity")).lower(), str(said.get("action")).lower())
    if event not in KINDS:
        supported = ", ".join(f"{one.entity}.{one.action}" for one in KINDS)
        raise InvalidInput(
            f"Invalid webhook event {event.entity[:60]}.{event.action[:60]}",
            fix=f"ask for some of {supported}",
        )
    return event


def _happened(entry: dict[str, Json], about: About) -> list[tuple[Event, dict[str, Json]]]:
    detail = entry.get("detail")
    said = detail if isinstance(detail, dict) else {}
    version: dict[str, Json] = {"name": about.name, "version": str(entry.get("version", ""))}
    facts: dict[str, Json] = {"tags": {**about.tags}, "description": about.description or None}
    match entry["kind"]:
        case Kind.MODEL_CREATED:
            return [(MODEL_CREATED, {"name": about.name, **facts})]
        case Kind.PUBLISHED if about.digest in {"", entry.get("digest")}:  # its first variant
            made = {"source": about.source, "run_id": about.run_id or None}
            return [(VERSION_CREATED, {**version, **made, **facts})]
        case Kind.VERSION_CHANGED:
            tags = said.get("tags")
            return [_tag(version, *one) for one in (tags if isinstance(tags, dict) else {}).items()]
        case Kind.ALIAS_MOVED:
            return [(ALIAS_CREATED, {**version, "alias": said.get("alias")})]
        case Kind.ALIAS_REMOVED:
            return [(ALIAS_DELETED, {"name": about.name, "alias": said.get("alias")})]
    return []


def _tag(version: dict[str, Json], key: str, value: Json) -> tuple[Event, dict[str, Json]]:
    if value is None:
        return TAG_DELETED, {**version, "key": key}
    return TAG_SET, {**version, "key": key, "value": value}


def _document(event: Event, time: Json, data: dict[str, Json]) -> dict[str, Json]:
    return {"entity": event.entity, "action": event.action, "timestamp": time, "data": data}
