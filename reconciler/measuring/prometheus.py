"""An instant query to a Prometheus that the configuration knows: docs, "HTTP API", /api/v1/query.

No data and NaN are not enough to judge; what cannot be a list of numbers is trouble.
"""

import math
from urllib.parse import urlencode

from reconciler.config import Source
from reconciler.core import substitution
from reconciler.core.kinds.providers import Prometheus
from reconciler.core.measurements import Found, Measurement, NotEnough
from reconciler.measuring import asking
from reconciler.measuring.context import Context
from registry import errors
from registry.core import canonical, fields
from registry.core.canonical import Json

_WHAT = "answer of Prometheus"
_HEADERS = {"content-type": "application/x-www-form-urlencoded"}
_TIMEOUT = "8s"
_MOST_SERIES = 1000


def measure(asked: Prometheus, context: Context) -> Measurement:
    """Raises `Unavailable`, `InvalidInput` and `InvalidConfig`."""
    source = _source(asked.address, context)
    found = _numbers(source, substitution.into_query(asked.query, context.args))
    samples = None
    if asked.samples is not None:
        counted = _listed(_numbers(source, substitution.into_query(asked.samples, context.args)))
        total = fields.finite(sum(one for one in counted if not math.isnan(one)))
        if total is None:
            raise errors.InvalidInput("the number of samples is not finite")
        samples = max(0, int(total))
    numbers = _listed(found)
    if not numbers:
        return NotEnough("the query finds no series", samples)
    if any(math.isnan(one) for one in numbers):
        return NotEnough("the query's result is NaN, as 0/0 is", samples)
    return Found([*numbers] if isinstance(found, list) else found, samples)


def _source(address: str, context: Context) -> Source:
    wanted = address.rstrip("/")
    for source in context.sources.prometheus:
        if source.address.rstrip("/") == wanted:
            return source
    raise errors.InvalidConfig(
        f"{address} is not a Prometheus that this reconciler may ask",
        fix="add it to [[reconciler.prometheus]] in plimsoll.toml",
    )


def _numbers(source: Source, query: str) -> float | list[float]:
    answer = asking.ask(
        f"{source.address.rstrip('/')}/api/v1/query",
        method="POST",
        headers=_HEADERS,
        body=urlencode({"query": query, "timeout": _TIMEOUT}).encode(),
        source=source,
    )
    document = _document(answer)
    data = fields.mapping(document, "data", what=_WHAT)
    match fields.text(data, "resultType", what=_WHAT):
        case "scalar":
            return _number(fields.sequence(data, "result", what=_WHAT))
        case "vector":
            series = fields.objects(data, "result", what=_WHAT)
            if len(series) > _MOST_SERIES:
                raise errors.Unavailable(
                    f"the query finds {len(series)} series, at most {_MOST_SERIES} are judged"
                )
            return [_number(fields.sequence(one, "value", what=_WHAT)) for one in series]
        case kind:
            raise errors.InvalidInput(
                f"the query gives a {kind}, neither a vector nor a scalar",
                fix="ask for the value at one moment, such as rate(x[1m])",
            )


def _document(answer: asking.Answer) -> dict[str, Json]:
    if answer.status in {401, 403}:
        raise errors.Unavailable(f"Prometheus answers status {answer.status}: see its token_file")
    try:
        document = canonical.decode_object(answer.body, what=_WHAT)
    except errors.InvalidInput as error:
        raise errors.Unavailable(
            f"Prometheus answers status {answer.status}, and no document: {error.detail}"
        ) from error
    if document.get("status") != "success":
        said = f"{document.get('errorType')}: {document.get('error')}"[:300]
        raise errors.Unavailable(f"Prometheus answers status {answer.status}: {said}")
    if warnings := document.get("warnings"):
        raise errors.Unavailable(f"Prometheus warns: {str(warnings)[:300]}")
    return document


def _number(value: list[Json]) -> float:
    """A pair of a time and a number as text."""
    try:
        return float(str(value[1]))
    except (IndexError, ValueError) as error:
        raise errors.InvalidInput(f"{_WHAT} has a value {str(value)[:60]}") from error


def _listed(found: float | list[float]) -> list[float]:
    return found if isinstance(found, list) else [found]
