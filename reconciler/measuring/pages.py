"""An instance's own pages: what it has counted, and what it answered of late."""

from collections.abc import Iterator

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from reconciler.core.counting import Counts
from reconciler.measuring import asking
from reconciler.measuring.context import Variant
from registry import errors
from registry.core import canonical, fields
from registry.core.canonical import Json

_REQUESTS, _BUCKET = "plimsoll_requests_total", "plimsoll_request_seconds_bucket"
_LIMIT = 8 << 20
# For so long an instance keeps answers to requests without an id too, once it was asked for them.
_MATCHING_S = 600


def page(variant: Variant) -> bytes:
    """The page of metrics; raises `Unavailable`."""
    return _page(variant, "/metrics")


def counts(page: bytes, model: str, version: int) -> Counts:
    """The counters of one version; raises `Unavailable` for a page that is none."""
    requests = failed = rejected = 0.0
    buckets = dict[float, float]()
    for sample in _samples(page):
        labels = sample.labels
        if (labels.get("model"), labels.get("version")) != (model, str(version)):
            continue
        if sample.name == _REQUESTS:
            status = labels.get("status", "")
            requests += sample.value
            failed += sample.value if status >= "500" else 0.0
            rejected += sample.value if "400" <= status < "500" else 0.0
        elif sample.name == _BUCKET:
            buckets[float(labels["le"])] = sample.value
    return Counts(requests, failed, rejected, buckets)


def answers(variant: Variant, model: str) -> list[dict[str, Json]]:
    """The version's recent answers with their values; from now on also those to requests that
    have no id. Raises `Unavailable`."""
    found = _page(variant, f"/plimsoll/recent?values=1&match={_MATCHING_S}")
    what = f"recent answers of {variant.instance}"
    try:
        document = canonical.decode_object(found, what=what)
        for version in fields.objects(document, "versions", what=what):
            if (version.get("model"), version.get("version")) == (model, variant.version):
                return fields.objects(version, "answers", what=what)
    except errors.InvalidInput as error:
        raise errors.Unavailable(error.detail) from error
    return []


def posted(variant: Variant, path: str, body: dict[str, Json]) -> dict[str, Json]:
    """What the instance answers to a question of ours; raises `Unavailable`."""
    door, what = variant.preview, f"{path} of {variant.instance}"
    headers = {**door.headers, "content-type": "application/json"}
    url, asked = f"{door.url}{path}", canonical.encode(body)
    answer = asking.ask(url, method="POST", headers=headers, body=asked, limit=_LIMIT)
    if answer.status != 200:
        raise errors.Unavailable(f"{variant.instance} {_refusal(answer)} for {path}")
    try:
        return canonical.decode_object(answer.body, what=what)
    except errors.InvalidInput as error:
        raise errors.Unavailable(error.detail) from error


def _refusal(answer: asking.Answer) -> str:
    """With the instance's own words, where it says why."""
    try:
        detail = canonical.decode_object(answer.body, what="refusal").get("detail")
    except errors.InvalidInput:
        detail = None
    said = f", {detail[:200]!r}," if isinstance(detail, str) else ""
    return f"answers status {answer.status}{said}"


def _page(variant: Variant, path: str) -> bytes:
    door = variant.preview
    answer = asking.ask(f"{door.url}{path}", headers=door.headers, limit=_LIMIT)
    if answer.status != 200:
        where = path.partition("?")[0]
        raise errors.Unavailable(f"{variant.instance} answers status {answer.status} for {where}")
    return answer.body


def _samples(page: bytes) -> Iterator[Sample]:
    try:
        for family in text_string_to_metric_families(page.decode()):
            if family.name.startswith("plimsoll_request"):
                yield from family.samples
    except (ValueError, KeyError, IndexError) as error:
        raise errors.Unavailable(f"a page of metrics cannot be read: {error}") from error
