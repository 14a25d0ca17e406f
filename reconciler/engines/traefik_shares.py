"""How Traefik divides a model's traffic between two instances, and how that is read back. Pure.

    route-M ─────────────────────────── split-M (weighted) ── stable | candidate
    kept-M (failover) ── copied-M (mirroring) ─┘

Requests whose bodies are known to be short go by `kept-M`, which holds the body: where the instance
that was chosen gives no answer, the other one gets the request, and the candidate its copies.
Longer ones are passed on as they come, for their bodies would fill the ingress's memory.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.core.observed import HeaderMatch, Match, Route, Share, Sticky, StickyBy

Document = dict[str, Any]

_SPLIT, _COPIED, _COPIES, _KEPT, _RESCUE = "split-", "copied-", "copies-", "kept-", "rescue-"
_ASKED = "asked-"
_CHOSEN, _GRPC = "chosen-", "grpc-"
_WHOLE = 100
# The rule is the limit: with one of its own Traefik makes room for all of that at each request.
_IS_SHORT = "HeaderRegexp(`Content-Length`, `^[0-9]{1,6}$`)"
_UNLIMITED = -1
_IS_QUESTION = "Method(`GET`)"
QUESTION_BYTES = 1000  # who sends a body with it may not fill the memory either
# Traefik's own words for an instance that is gone, and for one that it cannot connect to. The
# runtime says the second too, for a request that waited longer than its deadline.
_LOST = ["502", "504"]
# How a retry keeps bodies whose length a rule bounds.
KEPT: Document = {"retryNonIdempotentMethod": True, "maxRequestBodyBytes": _UNLIMITED}
# Traefik says 500 where an instance let go of a connection at the very moment that it was used; it
# is also what a runtime says whose model failed, so it is asked once more and not for long.
ONCE_MORE: Document = KEPT | {
    "attempts": 2,
    "initialInterval": "50ms",
    "status": ["500"],
    "disableRetryOnNetworkError": True,
}
_ASKED_FIRST, _KEPT_FIRST, _CHOSEN_FIRST = 5_000, 10_000, 20_000
_CLAUSE = re.compile(r'Header(Regexp)?\(("(?:[^"\\]|\\.)*"), ("(?:[^"\\]|\\.)*")\)')
_WHOLLY = re.compile(r"\^\(\?:(.*)\)\$", re.DOTALL)
# A candidate that hangs on copies holds their bodies for no longer than the runtime's deadline.
TRANSPORT: Document = {
    "forwardingTimeouts": {
        "dialTimeout": "1s",
        "responseHeaderTimeout": "30s",
        "idleConnTimeout": "60s",
    }
}


def kept(front: Document) -> Document:
    """The router for short bodies of a model whose traffic nobody shares: a request goes to an
    instance again where that died over it."""
    short = f"{front['rule']} && {_IS_SHORT}"
    return _kept(front, short, front["service"], _KEPT_FIRST, "once-more", "again")


def obstacles(share: Share) -> list[str]:
    """It has no hash of a header that would tell clients from each other."""
    if share.sticky is not None and share.sticky.by is StickyBy.HEADER:
        return [f"Traefik tells clients by a cookie, not by the header {share.sticky.name}"]
    return []


def routers(name: str, front: Document, route: Route, share: Share) -> Document:
    """The routers of a model that has `front` while nobody shares its traffic."""
    model, rule = route.model, front["rule"]
    entry = _SPLIT + model if share.weight else route.instance
    found = {name: front | {"service": entry}}
    if share.weight:
        question = f"{rule} && {_IS_QUESTION}"
        found[_ASKED + model] = _kept(front, question, _ASKED + model, _ASKED_FIRST)
    if share.weight or share.mirror:
        short = f"{rule} && {_IS_SHORT}"
        found[_KEPT + model] = _kept(front, short, _KEPT + model, _KEPT_FIRST, "once-more")
    if share.headers:
        chosen = f"{rule} && {_clauses(share.headers)}"
        short = f"{chosen} && {_IS_SHORT}"
        found[_CHOSEN + model] = _way(front, chosen, share.instance, _CHOSEN_FIRST)
        kept = _KEPT + _CHOSEN + model
        found[kept] = _kept(front, short, kept, _CHOSEN_FIRST + _KEPT_FIRST, "once-more")
    return found


def services(route: Route, share: Share, url: str) -> Document:
    """What these routers name; `url` is the candidate's."""
    model, stable, candidate = route.model, route.instance, share.instance
    found = {_SPLIT + model: _split(stable, candidate, share)}
    entry = _SPLIT + model if share.weight else stable
    rescue = _RESCUE + model if share.weight else stable
    if share.weight:
        found[rescue] = _either(stable, candidate)
        found[_ASKED + model] = _either(entry, rescue, limit=QUESTION_BYTES)
    if share.mirror:
        found[_COPIES + candidate] = _copies(url)
        found[_COPIED + model] = _copied(entry, _COPIES + candidate, share.mirror)
        entry = _COPIED + model
    if share.weight or share.mirror:
        found[_KEPT + model] = _either(entry, rescue)
    if share.headers:
        found[_KEPT + _CHOSEN + model] = _either(candidate, stable)
    return found


def grpc_routers(name: str, front: Document, route: Route, share: Share) -> Document:
    """Likewise for gRPC, whose calls may be streams: none is held, and none is copied."""
    entry = _GRPC + (_SPLIT + route.model if share.weight else route.instance)
    found = {name: front | {"service": entry}}
    if share.headers:
        rule = f"({front['rule']}) && {_clauses(share.headers)}"
        found[_CHOSEN + name] = _way(front, rule, _GRPC + share.instance, _CHOSEN_FIRST)
    return found


def grpc_services(route: Route, share: Share) -> Document:
    """What these routers name; clients of gRPC keep no cookies."""
    if not share.weight:
        return {}
    stable, candidate = _GRPC + route.instance, _GRPC + share.instance
    weights = _weights(stable, candidate, share.weight)
    return {_GRPC + _SPLIT + route.model: {"weighted": {"services": weights}}}


def read(model: str, http: Mapping[str, Any]) -> tuple[str, Share]:
    """Who serves `model`, and the candidate's share; raises as dictionaries do."""
    split = http["services"][_SPLIT + model]["weighted"]
    stable, candidate = split["services"]
    copied = http["services"].get(_COPIED + model)
    chosen = http["routers"].get(_CHOSEN + model)
    cookie = split.get("sticky")
    share = Share(
        candidate["name"],
        weight=candidate["weight"],
        mirror=copied["mirroring"]["mirrors"][0]["percent"] if copied else 0,
        headers=tuple(_matches(chosen["rule"])) if chosen else (),
        sticky=Sticky(StickyBy.COOKIE, cookie["cookie"]["name"]) if cookie else None,
    )
    return stable["name"], share


def _split(stable: str, candidate: str, share: Share) -> Document:
    weighted: Document = {"services": _weights(stable, candidate, share.weight)}
    if share.sticky is not None:
        cookie = {"name": share.sticky.name, "httpOnly": True, "sameSite": "lax"}
        weighted["sticky"] = {"cookie": cookie}
    return {"weighted": weighted}


def _weights(stable: str, candidate: str, weight: int) -> list[Document]:
    rest = {"name": stable, "weight": _WHOLE - weight}
    return [rest, {"name": candidate, "weight": weight}]


def _copied(entry: str, copies: str, percent: int) -> Document:
    mirrors = [{"name": copies, "percent": percent}]
    return {"mirroring": {"service": entry, "maxBodySize": _UNLIMITED, "mirrors": mirrors}}


def _copies(url: str) -> Document:
    return {"loadBalancer": {"serversTransport": "copies", "servers": [{"url": url}]}}


def _either(first: str, then: str, *, limit: int = _UNLIMITED) -> Document:
    """`then` where `first` gives no answer; bodies above `limit` bytes are refused."""
    errors = {"status": _LOST, "maxRequestBodyBytes": limit}
    return {"failover": {"service": first, "fallback": then, "errors": errors}}


def _way(front: Document, rule: str, service: str, priority: int) -> Document:
    return front | {"rule": rule, "service": service, "priority": priority}


def _kept(front: Document, rule: str, service: str, priority: int, *tries: str) -> Document:
    """With these in the place of the retry that keeps no body: after a failover it is used up."""
    middlewares = [*tries, *(name for name in front["middlewares"] if name != "retry")]
    return _way(front, rule, service, priority) | {"middlewares": middlewares}


def _clauses(headers: tuple[HeaderMatch, ...]) -> str:
    return " && ".join(_clause(header) for header in headers)


def _clause(header: HeaderMatch) -> str:
    name = _quoted(header.name)
    match header.match:
        case Match.EXACT:
            return f"Header({name}, {_quoted(header.value)})"
        case Match.PREFIX:
            return f"HeaderRegexp({name}, {_quoted('^' + re.escape(header.value))})"
        case Match.REGEX:
            return f"HeaderRegexp({name}, {_quoted(f'^(?:{header.value})$')})"


def _quoted(text: str) -> str:
    """As a string of Go, whose rules these are; JSON's are a part of them."""
    return json.dumps(text, ensure_ascii=False)


def _matches(rule: str) -> Iterator[HeaderMatch]:
    for is_pattern, name, value in _CLAUSE.findall(rule):
        yield _match(json.loads(name), json.loads(value), is_pattern=bool(is_pattern))


def _match(name: str, value: str, *, is_pattern: bool) -> HeaderMatch:
    if not is_pattern:
        return HeaderMatch(name, Match.EXACT, value)
    if wholly := _WHOLLY.fullmatch(value):
        return HeaderMatch(name, Match.REGEX, wholly[1])
    unescaped = re.sub(r"\\(.)", r"\1", value.removeprefix("^"), flags=re.DOTALL)
    return HeaderMatch(name, Match.PREFIX, unescaped)
