"""The pages that tell of inputs and answers, and take labels: for whoever may see candidates.

What is asked for here is kept from then on and for a limited time; see docs/drift.md.
"""

import itertools
import math
import urllib.parse

from registry import errors
from registry.core import canonical, fields, names
from registry.core.canonical import Json
from runtime.observing.histograms import Wanted
from runtime.observing.outcomes import Judged
from runtime.protocols import http
from runtime.protocols.http import Answer, Request
from runtime.refusals import WrongMethod
from runtime.serving import Serving

PAGES = {
    "/plimsoll/sketches": ("GET", "HEAD"),
    "/plimsoll/recent": ("GET", "HEAD"),
    "/plimsoll/histograms": ("POST",),
    "/plimsoll/outcomes": ("POST",),
    "/plimsoll/labels": ("POST",),
}
_MATCH_SECONDS = 3600
_BODY_LIMIT = 256 * 1024
_MOST_LABELS = 1000
_MOST_BINS = 256
_LONGEST_S = 7 * 86_400
_LONGEST_ID = 128
_SIDES, _KINDS = ("input", "output"), ("class", "number")


def answer(serving: Serving, request: Request) -> Answer:
    """Of one of PAGES; whether the caller may see it was asked before."""
    if request.method not in PAGES[request.path]:
        return http.problem(WrongMethod(request.path, *PAGES[request.path]))
    try:
        return http.json_answer(200, _document(serving, request))
    except errors.PlimsollError as error:
        return http.problem(error)


def _document(serving: Serving, request: Request) -> dict[str, Json]:
    match request.path:
        case "/plimsoll/sketches":
            return serving.observatory.sketches()
        case "/plimsoll/recent":
            return _recent(serving, request)
        case "/plimsoll/histograms":
            return _histogram(serving, _body(request))
        case "/plimsoll/outcomes":
            return _outcomes(serving, _body(request))
    return _labels(serving, _body(request))


def _recent(serving: Serving, request: Request) -> dict[str, Json]:
    query = {name: said[0] for name, said in urllib.parse.parse_qs(request.query).items()}
    seconds = query.get("match", "")[:6]
    return serving.observatory.recent(
        query.get("id", ""),
        values=query.get("values") == "1",
        match_seconds=min(int(seconds), _MATCH_SECONDS) if seconds.isdecimal() else 0,
    )


def _histogram(serving: Serving, body: dict[str, Json]) -> dict[str, Json]:
    fields.refuse_unknown(
        body,
        {"model", "version", "seconds", "side", "tensor", "column", "edges", "categories"},
        what="body",
    )
    column = None if body.get("column") is None else fields.integer(body, "column", what="body")
    if column is not None and column < 0:
        raise errors.InvalidInput("body: 'column' is below 0")
    wanted = Wanted(
        _one_of(body, "side", _SIDES), fields.text(body, "tensor", what="body"), column,
        _edges(body), _categories(body),
    )  # fmt: skip
    if bool(wanted.edges) == bool(wanted.categories):
        raise errors.InvalidInput("body: one of 'edges' and 'categories' must be there")
    model, version = _version(body)
    return serving.observatory.histogram(model, version, wanted, seconds=_seconds(body))


def _outcomes(serving: Serving, body: dict[str, Json]) -> dict[str, Json]:
    known = {"model", "version", "seconds", "output", "kind", "purpose"}
    fields.refuse_unknown(body, known, what="body")
    purpose = fields.text(body, "purpose", what="body") if "purpose" in body else ""
    output = fields.text(body, "output", what="body")
    judged = Judged(output, _one_of(body, "kind", _KINDS), purpose)
    model, version = _version(body)
    return serving.observatory.outcomes(model, version, judged, seconds=_seconds(body))


def _labels(serving: Serving, body: dict[str, Json]) -> dict[str, Json]:
    """Whole or not at all: a body with a fault in it changes nothing."""
    fields.refuse_unknown(body, {"model", "labels"}, what="body")
    model = names.slug(fields.text(body, "model", what="body"), what="body: 'model'")
    if not serving.table.versions(model):
        raise errors.NotFound(f"there is no model {model!r} here")
    given = fields.objects(body, "labels", what="body")
    if len(given) > _MOST_LABELS:
        raise errors.InvalidInput(
            f"body: {len(given)} labels, at most {_MOST_LABELS} are taken at once",
            fix="post them in several requests",
        )
    read = [_label(one, f"body: labels[{number}]") for number, one in enumerate(given)]
    return {"labels": [_told(serving, model, *one) for one in read]}


def _told(serving: Serving, model: str, request_id: str, label: Json) -> Json:
    found = serving.observatory.label(model, request_id, label)
    for version, said in found.items():
        serving.metrics.labelled(model, str(version), said)
    if not found:
        serving.metrics.labelled(model, "", "unknown")
    said_by: dict[str, Json] = {str(version): str(said) for version, said in found.items()}
    return {"id": request_id, "versions": said_by}


def _label(given: dict[str, Json], what: str) -> tuple[str, Json]:
    fields.refuse_unknown(given, {"id", "label"}, what=what)
    if "label" not in given:
        raise errors.InvalidInput(f"{what}: 'label' is missing")
    found = fields.text(given, "id", what=what)
    if not 0 < len(found) <= _LONGEST_ID:
        raise errors.InvalidInput(f"{what}: 'id' has {len(found)} characters, must have 1 to 128")
    return found, given["label"]


def _body(request: Request) -> dict[str, Json]:
    if len(request.body) > _BODY_LIMIT:
        raise http.too_large(_BODY_LIMIT)
    return canonical.decode_object(request.body, what="body")


def _version(body: dict[str, Json]) -> tuple[str, int]:
    model = names.slug(fields.text(body, "model", what="body"), what="body: 'model'")
    return model, names.version(body.get("version"))


def _seconds(body: dict[str, Json]) -> float:
    found = fields.integer(body, "seconds", what="body")
    if not 0 < found <= _LONGEST_S:
        raise errors.InvalidInput(f"body: 'seconds' is {found}, must be from 1 to {_LONGEST_S}")
    return float(found)


def _edges(body: dict[str, Json]) -> tuple[float, ...]:
    given = fields.sequence(body, "edges", what="body") if "edges" in body else []
    found = tuple(math.nan if (one := fields.finite(edge)) is None else one for edge in given)
    if len(found) > _MOST_BINS or not all(a < b for a, b in itertools.pairwise(found)):
        raise errors.InvalidInput(
            f"body: 'edges' must be at most {_MOST_BINS} numbers, each above the one before"
        )
    if found and not math.isfinite(found[0]):
        raise errors.InvalidInput("body: 'edges' must be finite numbers")
    return found


def _categories(body: dict[str, Json]) -> tuple[str, ...]:
    given = fields.sequence(body, "categories", what="body") if "categories" in body else []
    found = tuple(one for one in given if isinstance(one, str))
    if len(found) != len(given) or len(set(found)) != len(found) or len(found) > _MOST_BINS:
        raise errors.InvalidInput(
            f"body: 'categories' must be at most {_MOST_BINS} texts, each of them once"
        )
    return found


def _one_of(body: dict[str, Json], name: str, known: tuple[str, ...]) -> str:
    found = fields.text(body, name, what="body")
    if found not in known:
        raise errors.InvalidInput(
            f"body: {name!r} is {found[:40]!r}", fix=f"write {' or '.join(known)}"
        )
    return found
