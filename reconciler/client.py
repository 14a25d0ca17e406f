"""The registry, as the reconciler talks to it: read versions, append to the log, report status."""

import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

import httpx2

from reconciler import tokens
from registry import errors, traceparent
from registry.core import canonical, fields, problem, trustroot
from registry.core.canonical import Json
from registry.core.envelope import Wanted

_SILENCE_S = 10.0
_TIMEOUT = httpx2.Timeout(10.0, connect=3.0)
_LEASES = "answer to a wish for leases"
_CLAIM = "answer about agents"


@dataclass(frozen=True, slots=True)
class Leased:
    """The hosts that are ours, each with the epoch of its lease, and all reconcilers there are."""

    held: Mapping[str, int]
    reconcilers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Claim:
    """The host is ours, under this epoch since then; `now` is the registry's time."""

    epoch: int
    since: datetime
    now: datetime


@dataclass(frozen=True, slots=True)
class Agent:
    """A host that looks after itself; `document` is None where it was not new."""

    host: str
    seen_at: datetime
    document: dict[str, Json] | None


@dataclass(frozen=True, slots=True)
class Agents:
    """All of them; `now` is the registry's time, `newest` what to ask with next."""

    agents: tuple[Agent, ...]
    now: datetime
    newest: datetime | None


class Registry:
    """One registry. After a call that timed out the next ones fail at once for some seconds:
    healing hosts must not wait for a registry that is gone.
    """

    def __init__(self, url: str, token_file: Path, authority: Path | None = None) -> None:
        self.url = url.rstrip("/")
        self._token_file = token_file
        self._http = httpx2.Client(
            base_url=self.url, timeout=_TIMEOUT, trust_env=False, verify=_trusting(authority)
        )
        self._silent_until = 0.0

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def version(self, wanted: Wanted) -> dict[str, Json]:
        """The version document of `wanted`."""
        return self._json("GET", f"/v1/models/{wanted.model}/versions/{wanted.version}")

    def document(self, path: str) -> dict[str, Json]:
        """What is at `path`, as the registry says it."""
        return self._json("GET", path)

    def envelope(self, wanted: Wanted) -> bytes:
        """The pull envelope of `wanted`, unverified."""
        path = f"/v1/models/{wanted.model}/versions/{wanted.version}/bundle"
        return self._call("GET", f"{path}?digest={wanted.digest}")

    def trust(self) -> bytes:
        """The trust root that the registry states; believed only on the very first contact."""
        return self._call("GET", "/v1/trust")

    def append(self, event: Mapping[str, Json], *, holder: str = "") -> int:
        """Append `event` to the log and return its index; the same `id` again is the same entry.

        With a `holder` raises Conflict unless that one has the lease on the event's host.
        """
        body = canonical.encode(event)
        extra = {"plimsoll-holder": holder} if holder else {}
        answer = self._json("POST", "/v1/events", body, extra)
        return fields.integer(answer, "index", what="event answer")

    def report(self, deployment: str, status: Mapping[str, Json]) -> None:
        """Publish the status of `environment/name`."""
        self._call("PUT", f"/v1/deployments/{deployment}", canonical.encode(status))

    def report_host(self, host: str, document: Mapping[str, Json]) -> None:
        """Publish what `host` has and holds; it replaces what was told before."""
        self._call("PUT", f"/v1/hosts/{host}/report", canonical.encode(document))

    def deployment(self, deployment: str) -> dict[str, Json] | None:
        """The status of `environment/name`; None where nobody told of one."""
        try:
            return self._json("GET", f"/v1/deployments/{deployment}")
        except errors.NotFound:
            return None

    def withdraw(self, deployment: str) -> None:
        """Drop the status of a deployment that is no more."""
        with suppress(errors.NotFound):
            self._call("DELETE", f"/v1/deployments/{deployment}")

    def host_token(self, host: str) -> str:
        """Mint a token that lets `host` pull and report about itself, and nothing else."""
        wish = canonical.encode({"role": "host", "name": host})
        return fields.text(self._json("POST", "/v1/tokens", wish), "token", what="token answer")

    def lease_hosts(self, holder: str, hosts: Sequence[str], *, seconds: int) -> Leased:
        """Take or renew the leases on `hosts`, and let go of all others of `holder`."""
        wish = canonical.encode({"holder": holder, "hosts": list(hosts), "seconds": seconds})
        answer = self._json("POST", "/v1/host-leases", wish)
        held = fields.mapping(answer, "held", what=_LEASES)
        return Leased(
            held={host: fields.integer(held, host, what=_LEASES) for host in held},
            reconcilers=tuple(map(str, fields.sequence(answer, "reconcilers", what=_LEASES))),
        )

    def release_hosts(self, holder: str) -> None:
        """Let go of all leases of `holder`."""
        self._call("POST", "/v1/host-leases/release", canonical.encode({"holder": holder}))

    def tell(
        self, host: str, document: Mapping[str, Json], *, holder: str, epoch: int | None
    ) -> Claim:
        """Tell how our own host does; without an `epoch` it becomes ours first, or Conflict."""
        body: dict[str, Json] = {"holder": holder, "epoch": epoch, "document": dict(document)}
        answer = self._json("PUT", f"/v1/agents/{host}", canonical.encode(body))
        return Claim(
            fields.integer(answer, "epoch", what=_CLAIM),
            _time(answer, "claimedAt", _CLAIM),
            _time(answer, "now", _CLAIM),
        )

    def let_go(self, host: str, holder: str) -> None:
        """The host is not ours any more."""
        self._call("DELETE", f"/v1/agents/{host}?holder={holder}")

    def agents(self, *, after: datetime | None) -> Agents:
        """All hosts that look after themselves, with what is new after `after`."""
        since = "" if after is None else f"?after={after.strftime('%Y-%m-%dT%H:%M:%S.%fZ')}"
        answer = self._json("GET", f"/v1/agents{since}")
        found = [
            Agent(
                fields.text(one, "host", what=_CLAIM),
                _time(one, "seenAt", _CLAIM),
                None
                if one.get("document") is None
                else fields.mapping(one, "document", what=_CLAIM),
            )
            for one in fields.objects(answer, "agents", what=_CLAIM)
        ]
        newest = _time(answer, "newest", _CLAIM) if answer.get("newest") else None
        return Agents(tuple(found), _time(answer, "now", _CLAIM), newest)

    def rollouts(self) -> dict[str, Json]:
        """What reconcilers remember: by deployment `hosts`, and `fleet` where there is that."""
        return fields.mapping(self._json("GET", "/v1/rollouts"), "rollouts", what="rollouts")

    def remember(self, holder: str, changed: Mapping[str, Json]) -> None:
        """Keep what `holder` knows, by deployment; raises Conflict where a host is not its own."""
        body = canonical.encode({"holder": holder, "rollouts": dict(changed)})
        self._call("POST", "/v1/rollouts", body)

    def post(self, path: str, document: Mapping[str, Json]) -> dict[str, Json]:
        """What the registry answers to `document`; the path begins with /v1."""
        return self._json("POST", path, canonical.encode(document))

    def checkpoint(self) -> str:
        """The newest checkpoint, unverified."""
        return self._call("GET", "/log/checkpoint").decode()

    def entries(self, start: int, limit: int) -> list[bytes]:
        """The log's leaves from `start` on, as many as the registry gives at once."""
        answer = self._json("GET", f"/log/entries?start={start}&limit={limit}")
        return [
            fields.base64_bytes(item, "leaf", what="log page")
            for item in fields.objects(answer, "entries", what="log page")
        ]

    def add_evidence(self, model: str, version: int, bundle: Mapping[str, Json]) -> None:
        """File a signed statement about a version; the very same again changes nothing."""
        body = canonical.encode({"bundle": dict(bundle)})
        self._call("POST", f"/v1/models/{model}/versions/{version}/evidence", body)

    def pushed(self, repository: str, digest: str, *, most: int) -> bytes:
        """A blob that was pushed to `repository`, unverified; raises TooLarge beyond `most`."""
        headers, what = self._headers(), f"registry {self.url}"
        with self._reaching():
            found = self._http.head(f"/v2/{repository}/blobs/{digest}", headers=headers)
        if found.status_code == 404:
            raise errors.NotFound(f"{what} has no {digest} in {repository}")
        path = f"/v1/blobs/{digest}?direct=false"
        with self._reaching(), self._http.stream("GET", path, headers=headers) as answer:
            parts, size = [], 0
            for part in answer.iter_bytes():
                parts.append(part)
                size += len(part)
                if size > most:
                    raise errors.TooLarge(f"{repository}@{digest} is over {most >> 20} MiB")
            if not answer.is_success:
                raise problem.error_from(answer.status_code, b"".join(parts), what=what)
        return b"".join(parts)

    def consistency(self, old: int, new: int) -> list[bytes]:
        """The proof that the log of `new` entries extends that of `old`."""
        answer = self._json("GET", f"/log/consistency?from={old}&to={new}")
        hashes = fields.sequence(answer, "hashes", what="consistency answer")
        return [fields.unbase64(sibling, what="consistency proof") for sibling in hashes]

    def cosign(self, text: str) -> None:
        """Tell the registry of a checkpoint with this witness's cosignature."""
        self._call("POST", "/log/cosignatures", text.encode(), media_type="text/plain")

    def _json(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        extra: Mapping[str, str] = MappingProxyType({}),
    ) -> dict[str, Json]:
        answer = self._call(method, path, body, extra=extra)
        return canonical.decode_object(answer, what=f"answer to {path}")

    def _call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        media_type: str = "application/json",
        extra: Mapping[str, str] = MappingProxyType({}),
    ) -> bytes:
        headers = {**self._headers(), **extra}
        if body is not None:
            headers["Content-Type"] = media_type
        with self._reaching():
            found = self._http.request(method, path, content=body, headers=headers)
        if not found.is_success:
            raise problem.error_from(found.status_code, found.content, what=f"registry {self.url}")
        return found.content

    def _headers(self) -> dict[str, str]:
        bearer = f"Bearer {tokens.read(self._token_file)}"
        return {"Authorization": bearer, **traceparent.headers()}

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        what = f"registry {self.url}"
        if time.monotonic() < self._silent_until:
            raise errors.Unavailable(f"{what} did not answer a moment ago")
        try:
            yield
        except httpx2.HTTPError as error:
            if isinstance(error, httpx2.TimeoutException):
                self._silent_until = time.monotonic() + _SILENCE_S
            raise errors.Unavailable(
                f"{what} does not answer: {error}", fix="start it, or check the address"
            ) from error
        except RuntimeError as error:  # closed by who goes, under a thread that asks once more
            if not self._http.is_closed:
                raise
            raise errors.Unavailable(f"{what} is asked no more") from error


def _time(document: dict[str, Json], name: str, what: str) -> datetime:
    return trustroot.instant(fields.text(document, name, what=what), what=what)


def _trusting(authority: Path | None) -> ssl.SSLContext:
    """TLS that takes the registry for itself if its certificate is from `authority`."""
    try:
        return ssl.create_default_context(cafile=None if authority is None else str(authority))
    except OSError as error:
        raise errors.InvalidConfig(
            f"{authority}: cannot be read as authorities: {error}",
            fix="set registry_ca to a PEM file of whom the registry's certificate is from",
        ) from error
