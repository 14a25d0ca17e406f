"""Asks an HTTP service that the configuration knows, and takes one value out of its JSON."""

from reconciler.core import substitution
from reconciler.core.kinds.providers import Http
from reconciler.core.measurements import Found, Measurement, NotEnough
from reconciler.measuring import asking
from reconciler.measuring.context import Context
from registry import errors
from registry.core import canonical, fields
from registry.core.canonical import Json

_WHAT = "answer of the check"


def measure(asked: Http, context: Context) -> Measurement:
    """Raises `Unavailable`, `InvalidInput` and `InvalidConfig`."""
    url = substitution.into_url(asked.url, context.args)
    source = asking.below(url, context.sources.checks)
    if source is None:
        raise errors.InvalidConfig(
            f"{url.partition('?')[0][:200]} is not below an address that this reconciler may ask",
            fix="add it to [[reconciler.checks]] in plimsoll.toml",
        )
    body, headers = b"", {"accept": "application/json"}
    if asked.body is not None:
        body = canonical.encode(substitution.into_json(asked.body, context.args))
        headers["content-type"] = "application/json"
    answer = asking.ask(url, method=asked.method, headers=headers, body=body, source=source)
    if answer.status != asked.expected_status:
        raise errors.Unavailable(
            f"the check answers status {answer.status}, not {asked.expected_status}"
        )
    document = canonical.decode(answer.body, what=_WHAT)
    samples = None
    if asked.samples_pointer is not None:
        found = fields.finite(at(document, asked.samples_pointer))
        if found is None or found < 0:
            raise errors.InvalidInput(f"{_WHAT}: {asked.samples_pointer} is no number of samples")
        samples = int(found)
    result = at(document, asked.json_pointer)
    return NotEnough("the check says null", samples) if result is None else Found(result, samples)


def at(document: Json, pointer: str) -> Json:
    """The value that a JSON pointer leads to (RFC 6901); raises `InvalidInput` where none is."""
    here = document
    for token in pointer.split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        if isinstance(here, dict) and name in here:
            here = here[name]
        elif isinstance(here, list) and name.isascii() and name.isdigit() and int(name) < len(here):
            here = here[int(name)]
        else:
            raise errors.InvalidInput(f"{_WHAT}: there is nothing at {pointer}")
    return here
