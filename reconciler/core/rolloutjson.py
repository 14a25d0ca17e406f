"""The JSON form of what is remembered; what an older release wrote is still read."""

from dataclasses import asdict, fields

from reconciler.core import hookruns
from reconciler.core.experiments import run
from reconciler.core.following import run as following
from reconciler.core.observed import InstanceSpec
from reconciler.core.promotions import run as promotions
from reconciler.core.rollout import (
    Acceptance,
    Answer,
    Candidate,
    Failure,
    GaveUp,
    HostRollout,
    Pin,
    PreflightResult,
    Quarantined,
    Request,
    Restarted,
    Rollout,
    Rollouts,
    Verdict,
)
from reconciler.core.strategies import progress
from registry.core import canonical
from registry.core import fields as json_fields
from registry.core.canonical import Json
from registry.errors import InvalidInput

_WHAT = "rollout state"
FORMAT = 1


def dump(rollouts: Rollouts) -> bytes:
    """Canonical JSON of everything remembered."""
    deployments = {key: _document(rollout) for key, rollout in rollouts.items()}
    return canonical.encode({"format": FORMAT, "deployments": deployments})


def load(data: bytes) -> Rollouts:
    """Read what `dump` wrote; raises `InvalidInput`."""
    document = canonical.decode_object(data, what=_WHAT)
    if json_fields.integer(document, "format", what=_WHAT) != FORMAT:
        raise InvalidInput(
            f"{_WHAT} has an unknown format", fix="start the reconciler that wrote it"
        )
    deployments = json_fields.mapping(document, "deployments", what=_WHAT)
    return {key: _rollout(_object(value)) for key, value in deployments.items()}


def _document(rollout: Rollout) -> dict[str, object]:
    return {
        "hosts": {host: asdict(facts) for host, facts in rollout.hosts.items()},
        "quarantined": [asdict(entry) for entry in rollout.quarantined],
        "progress": None if rollout.progress is None else progress.document(rollout.progress),
        "wish": None if rollout.wish is None else progress.wish_document(rollout.wish),
        "granted": rollout.granted,
        "hooks": hookruns.document(rollout.hooks),
        "experiment": None if rollout.experiment is None else run.document(rollout.experiment),
        "promotion": None if rollout.promotion is None else promotions.document(rollout.promotion),
        "following": None if rollout.following is None else following.document(rollout.following),
        "answer": None if rollout.answer is None else asdict(rollout.answer),
        "pin": None if rollout.pin is None else asdict(rollout.pin),
    }


def _rollout(source: dict[str, Json]) -> Rollout:
    hosts = json_fields.mapping(source, "hosts", what=_WHAT)
    entries = json_fields.objects(source, "quarantined", what=_WHAT)
    # Neither was there before there were strategies.
    under_way, wish = _optional(source, "progress"), _optional(source, "wish")
    promoted, followed = _optional(source, "promotion"), _optional(source, "following")
    return Rollout(
        hosts={host: _host(_object(facts)) for host, facts in hosts.items()},
        quarantined=tuple(_quarantined(entry) for entry in entries),
        progress=None if under_way is None else progress.read(under_way),
        wish=None if wish is None else progress.read_wish(wish),
        granted=_text(source, "granted") if "granted" in source else "",
        answer=_answer(_optional(source, "answer")),
        pin=_pin(_optional(source, "pin")),
        hooks=hookruns.read(json_fields.objects(source, "hooks", what=_WHAT))
        if "hooks" in source
        else (),
        experiment=None if (tried := _optional(source, "experiment")) is None else run.read(tried),
        promotion=None if promoted is None else promotions.read(promoted),
        following=None if followed is None else following.read(followed),
    )


def _pin(source: dict[str, Json] | None) -> Pin | None:
    if source is None:
        return None
    return Pin(
        version=json_fields.integer(source, "version", what=_WHAT),
        until=_number(source.get("until")),
        **{name: _text(source, name) for name in ("id", "digest", "reason", "by")},
    )


def _answer(source: dict[str, Json] | None) -> Answer | None:
    if source is None:
        return None
    return Answer(_text(source, "wish"), source.get("refused") is True, _text(source, "text"))


def _host(source: dict[str, Json]) -> HostRollout:
    return HostRollout(
        preflight=_preflight(_optional(source, "preflight")),
        candidate=_candidate(_optional(source, "candidate")),
        last_good=_optional_spec(_optional(source, "last_good")),
        restarts=tuple(
            Restarted(instance=_text(item, "instance"), at=_number(item.get("at")))
            for item in json_fields.objects(source, "restarts", what=_WHAT)
        ),
        failures=tuple(
            _failure(item) for item in json_fields.objects(source, "failures", what=_WHAT)
        ),
        gave_up=_gave_up(_optional(source, "gave_up")),
        earlier=tuple(map(_spec, json_fields.objects(source, "earlier", what=_WHAT)))
        if "earlier" in source
        else (),
    )


def _gave_up(source: dict[str, Json] | None) -> GaveUp | None:
    if source is None:
        return None
    return GaveUp(
        revision=_text(source, "revision"),
        code=_text(source, "code"),
        reason=_text(source, "reason"),
        at=_number(source.get("at")),
    )


def _preflight(source: dict[str, Json] | None) -> PreflightResult | None:
    if source is None:
        return None
    return PreflightResult(
        spec_hash=_text(source, "spec_hash"),
        policies=_text(source, "policies"),
        verdict=_verdict(_text(source, "verdict")),
        reasons=_texts(source, "reasons"),
        at=_number(source.get("at")),
    )


def _candidate(source: dict[str, Json] | None) -> Candidate | None:
    if source is None:
        return None
    routed_at = source.get("routed_at")
    return Candidate(
        spec=_spec(json_fields.mapping(source, "spec", what=_WHAT)),
        revision=_text(source, "revision"),
        since=_number(source.get("since")),
        seen_at=_number(source.get("seen_at")),
        waited=_number(source.get("waited")),
        acceptance=_acceptance(_optional(source, "acceptance")),
        routed_at=None if routed_at is None else _number(routed_at),
    )


def _acceptance(source: dict[str, Json] | None) -> Acceptance | None:
    if source is None:
        return None
    return Acceptance(
        passed=source.get("passed") is True,
        reasons=_texts(source, "reasons"),
        at=_number(source.get("at")),
    )


def _failure(source: dict[str, Json]) -> Failure:
    return Failure(
        action=_text(source, "action"),
        count=json_fields.integer(source, "count", what=_WHAT),
        at=_number(source.get("at")),
        detail=_text(source, "detail"),
    )


def _quarantined(source: dict[str, Json]) -> Quarantined:
    failure = _optional(source, "failure")
    return Quarantined(
        revision=_text(source, "revision"),
        spec=_spec(json_fields.mapping(source, "spec", what=_WHAT)),
        host=_text(source, "host"),
        code=_text(source, "code"),
        reason=_text(source, "reason"),
        at=_number(source.get("at")),
        reverted=None if source.get("reverted") is None else _text(source, "reverted"),
        failure=None if failure is None else _failure(failure),
        by=_text(source, "by") if "by" in source else "",
        entry=_whole(source, "entry"),
        request=_request(_optional(source, "request")),
        lifted=source.get("lifted") is True,
        is_asked=source.get("is_asked") is True,
    )


def _request(source: dict[str, Json] | None) -> Request | None:
    if source is None:
        return None
    number = json_fields.integer(source, "number", what=_WHAT)
    return Request(number, _text(source, "url"), source.get("is_closed") is True)


def _optional_spec(source: dict[str, Json] | None) -> InstanceSpec | None:
    return None if source is None else _spec(source)


def _spec(source: dict[str, Json]) -> InstanceSpec:
    whole = {"version", "memory_bytes"}
    texts = {f.name for f in fields(InstanceSpec)} - whole - {"cpus"}
    if "settings" not in source:  # written before there were any
        texts.remove("settings")
    return InstanceSpec(
        version=json_fields.integer(source, "version", what=_WHAT),
        memory_bytes=json_fields.integer(source, "memory_bytes", what=_WHAT),
        cpus=_number(source.get("cpus")),
        **{name: _text(source, name) for name in texts},
    )


def _verdict(text: str) -> Verdict:
    try:
        return Verdict(text)
    except ValueError as error:
        raise InvalidInput(f"{_WHAT}: verdict {text[:40]!r} does not exist") from error


def _object(value: Json) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise InvalidInput(f"{_WHAT}: expected an object, found {type(value).__name__}")
    return value


def _optional(source: dict[str, Json], name: str) -> dict[str, Json] | None:
    return None if source.get(name) is None else _object(source[name])


def _text(source: dict[str, Json], name: str) -> str:
    return json_fields.text(source, name, what=_WHAT)


def _whole(source: dict[str, Json], name: str) -> int | None:
    found = source.get(name)
    return None if found is None else json_fields.integer(source, name, what=_WHAT)


def _texts(source: dict[str, Json], name: str) -> tuple[str, ...]:
    return tuple(str(item) for item in json_fields.sequence(source, name, what=_WHAT))


def _number(value: Json) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise InvalidInput(f"{_WHAT}: expected a number, found {type(value).__name__}")
    return float(value)
