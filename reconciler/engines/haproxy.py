"""The routes of one host as HAProxy's configuration, and back again. Pure.

See `ingress.Driver`. The first line says the routing as JSON, sealed by the digest of all lines
that follow, so what we read back is what HAProxy reads: a file changed by another hand is none
of ours. A reload hands the listening sockets on, and nobody is turned away meanwhile.

Each model has a backend with one server, or with two while it is shared. Who of the two gets a
request is said by weights, or by `use-server`; where that one gives no answer, the other gets it.
"""

import dataclasses
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from reconciler.core.observed import HeaderMatch, Match, Route, Share, Sticky, StickyBy
from reconciler.engines.ingress import (
    DEPLOYMENT_HEADER,
    INSTANCE_HEADER,
    MODEL_HEADER,
    PING_PATH,
    SECRET_HEADER,
    SHARE_HEADER,
    Routing,
    ends,
    signature,
)

FILE = "haproxy.cfg"
SIGNAL = "SIGUSR2"
METRICS: tuple[str, ...] = ()  # its door is in the document, and closed unless it is published
_SEAL = re.compile(r"# plimsoll ([0-9a-f]{64}) (\{.*\})\n")
_NAME = re.compile(r"[A-Za-z0-9._-]+")
_WHOLE = 100
_GRPC = "grpc-"
_METRICS = "http-request use-service prometheus-exporter if { path /metrics }"
# Docker's own name server, for instances that come back under another address. The idle times
# are shorter than the runtime's (120 s), or a request sent at that very moment would be lost.
_HEAD = """\
global
    log stdout format raw daemon err
    maxconn 2000
    tune.bufsize 65536
    hard-stop-after 1h

resolvers engine
    nameserver engine 127.0.0.11:53
    hold valid 1s

defaults
    mode http
    log global
    option dontlognull
    option forwardfor
    option idle-close-on-response
    option redispatch 1
    retries 3
    retry-on conn-failure empty-response
    http-reuse safe
    timeout connect 1s
    timeout client 10m
    timeout http-request 60s
    timeout http-keep-alive 60s
    timeout server 10m
    timeout queue 2s
    default-server init-addr libc,none resolvers engine pool-purge-delay 30s
"""


def command(file: str, *, grpc: bool) -> list[str]:
    """As a master with workers, which is how it takes up another document."""
    del grpc  # its door is in the document
    return ["-W", "-db", "-f", file]


def render(
    routing: Routing, upstreams: Mapping[str, str], grpc: Mapping[str, str] | None = None
) -> bytes:
    """See `ingress.Driver`."""
    sections = [_HEAD, _front(), _preview(routing.secret)]
    sections += [_backend(route, upstreams) for route in routing.routes]
    sections += [_candidate(name, url) for name, url in sorted(upstreams.items())]
    if grpc is not None:
        sections.append(_grpc_front(routing))
        sections += [_backend(route, grpc, _GRPC) for route in routing.routes]
    sections.append(_section("frontend metrics", "bind :8082", _METRICS))
    sections.append("backend nobody\n    http-request return status 404\n")
    text = "\n".join(sections)
    said = json.dumps(dataclasses.asdict(routing), sort_keys=True)
    return f"# plimsoll {_digest(text)} {said}\n{text}".encode()


def parse(document: bytes) -> Routing | None:
    """See `ingress.Driver`."""
    try:
        text = document.decode()
        seal = _SEAL.match(text)
        if seal is None or seal[1] != _digest(text[seal.end() :]):
            return None
        said = json.loads(seal[2])
        return Routing(said["secret"], tuple(_route(one) for one in said["routes"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def obstacles(share: Share) -> list[str]:
    """It copies no requests, and does not take every name that HTTP does."""
    names = [header.name for header in share.headers]
    if share.sticky is not None:
        names.append(share.sticky.name)
    found = ["HAProxy copies no requests"] if share.mirror else []
    found += [f"HAProxy takes no name like {name!r}" for name in names if not _NAME.fullmatch(name)]
    if any("\0" in header.value for header in share.headers):
        found.append("no header has a value with a zero byte")
    return found


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _front() -> str:
    """The model's exact name, followed by nothing, a `/` or a `:`."""
    return _section(
        "frontend front",
        "bind :8080",
        # Only a request that is held whole can be handed to the other instance.
        "option http-buffer-request",
        "http-request set-var(txn.model) path,field(4,/),field(1,:) "
        "if { path_reg ^/v[12]/models/ }",
        "use_backend model-%[var(txn.model)] if { var(txn.model) -m found }",
        "default_backend nobody",
    )


def _preview(secret: str) -> str:
    knows = f"{{ req.fhdr({SECRET_HEADER}) -m str {secret} }}"
    return _section(
        "frontend preview",
        "bind :8081",
        f"http-request return status 200 if {knows} {{ path {PING_PATH} }}",
        f"use_backend candidate-%[req.fhdr({INSTANCE_HEADER})] if {knows}",
        "default_backend nobody",
    )


def _grpc_front(routing: Routing) -> str:
    """A call says its model in its metadata or in the first label of the name that it connects
    to. Where there is one model every call is for that."""
    named = f"use_backend {_GRPC}model-%[req.fhdr({MODEL_HEADER})]"
    lines = [f"{named} if {{ req.fhdr({MODEL_HEADER}) -m found }}"]
    for route in routing.routes:
        label = re.escape(route.model)
        lines.append(
            f"use_backend {_GRPC}model-{route.model} if {{ req.fhdr(host) -i -m reg ^{label}\\. }}"
        )
    only = f"{_GRPC}model-{routing.routes[0].model}" if len(routing.routes) == 1 else "nobody"
    return _section(f"frontend {_GRPC}front", "bind :8500 proto h2", *lines,
                    f"default_backend {only}")  # fmt: skip


def _candidate(instance: str, url: str) -> str:
    return _section(
        f"backend candidate-{instance}",
        f"http-request del-header {SECRET_HEADER}",
        *_answers({INSTANCE_HEADER: instance}),
        _server(instance, url),
    )


def _backend(route: Route, upstreams: Mapping[str, str], kind: str = "") -> str:
    """A route may outlive its instance (somebody removed the container): it answers 503 until
    the reconciler has routed the model to another."""
    lines = list(_answers(signature(route)))
    if kind:
        lines.append("retry-on conn-failure")  # a call may be a stream
    weights = dict.fromkeys(ends(route), 1)
    if route.share is not None:
        weights |= _weights(route, route.share)
        lines += _choices(route, route.share, with_cookies=not kind)
    protocol = " proto h2" if kind else ""
    for instance in ends(route):
        if (url := upstreams.get(instance)) is not None:
            cookie = f" cookie {_digest(instance)[:16]}" if _keeps(route.share) else ""
            weight = f" weight {weights[instance]}"
            lines.append(_server(instance, url) + weight + protocol + ("" if kind else cookie))
    return _section(f"backend {kind}model-{route.model}", *lines)


def _weights(route: Route, share: Share) -> dict[str, int]:
    """Whoever has the least of them still gets what the other does not answer."""
    if _is_hashed(share) and share.weight:
        return {route.instance: 1, share.instance: 1}
    return {route.instance: max(1, _WHOLE - share.weight), share.instance: share.weight}


def _choices(route: Route, share: Share, *, with_cookies: bool) -> Iterator[str]:
    """Requests for which it is settled who answers; what is left goes by weights."""
    if _keeps(share) and with_cookies and share.sticky is not None:
        name, how = _word(share.sticky.name), 'httponly attr "SameSite=Lax"'
        yield f"cookie {name} insert indirect nocache {how}"
    if _is_hashed(share) and share.weight and share.sticky is not None:
        # The deployment is hashed too: who comes first in one experiment need not in the next.
        unit = f"%[{_header(share.sticky.name)}] {route.deployment}"
        yield f'http-request set-var-fmt(txn.unit) "{unit}"'
    if share.headers:
        chosen = " ".join(f"{{ {_clause(one)} }}" for one in share.headers)
        yield f"use-server {share.instance} if {chosen}"
    if share.weight == _WHOLE:
        yield f"use-server {share.instance} if TRUE"
    elif _is_hashed(share) and share.weight and share.sticky is not None:
        known = f"{{ {_header(share.sticky.name)} -m found }}"
        part = f"{{ var(txn.unit),xxh32,mod({_WHOLE}) -m int lt {share.weight} }}"
        yield f"use-server {share.instance} if {known} {part}"
        yield f"use-server {route.instance} if TRUE"


def _keeps(share: Share | None) -> bool:
    """Whether clients get a cookie."""
    if share is None or share.sticky is None or not share.weight:
        return False
    return share.sticky.by is StickyBy.COOKIE


def _is_hashed(share: Share) -> bool:
    return share.sticky is not None and share.sticky.by is StickyBy.HEADER


def _clause(header: HeaderMatch) -> str:
    match header.match:
        case Match.EXACT:
            how, value = "str", header.value
        case Match.PREFIX:
            how, value = "beg", header.value
        case Match.REGEX:
            how, value = "reg", f"^(?:{header.value})$"
    return f"{_header(header.name)} -m {how} -- {_word(value)}"


def _header(name: str) -> str:
    return f"req.fhdr({_word(name)})"


def _word(text: str) -> str:
    """One word of a line, whatever is in it: nothing but letters and digits stands for itself."""
    return "".join(
        chr(byte) if (chr(byte).isalnum() and byte < 128) or byte in b"-_." else f"\\x{byte:02x}"
        for byte in text.encode()
    )


def _answers(names: Mapping[str, str]) -> Iterator[str]:
    """What an instance claims of itself in these headers is not passed on."""
    for name in (INSTANCE_HEADER, DEPLOYMENT_HEADER, SHARE_HEADER):
        if name in names:
            yield f"http-after-response set-header {name} {names[name]}"
        else:
            yield f"http-after-response del-header {name}"


def _server(instance: str, url: str) -> str:
    return f"server {instance} {urlsplit(url).netloc}"


def _section(name: str, *lines: str) -> str:
    return "\n    ".join((name, *lines)) + "\n"


def _route(said: Mapping[str, Any]) -> Route:
    share = said["share"]
    return Route(**{**said, "share": None if share is None else _share(share)})


def _share(said: Mapping[str, Any]) -> Share:
    headers = tuple(
        HeaderMatch(one["name"], Match(one["match"]), one["value"]) for one in said["headers"]
    )
    known = said["sticky"]
    sticky = None if known is None else Sticky(StickyBy(known["by"]), known["name"])
    return Share(**{**said, "headers": headers, "sticky": sticky})
