"""Process mode: versions loaded, swapped and unloaded inside one runtime, by whoever has the token.

Each change is written to the configuration file before it takes effect, so a restart serves what
was asked for last. Without `controlTokenFile` none of these paths exist.
"""

import asyncio
import dataclasses
import hmac
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

from registry import errors
from registry.core import canonical, names
from registry.core.canonical import Json
from runtime import config, manual, policy
from runtime.config import Config, Pin
from runtime.policy import Policy
from runtime.protocols import http
from runtime.protocols.http import Answer, Request
from runtime.serving import Serving
from runtime.table import Slot, State

_VERSION = re.compile(r"/plimsoll/models/([^/]+)/versions/([0-9]{1,19})(/activate)?")
_MODEL = re.compile(r"/plimsoll/models/([^/]+)/(active|policy|labels/([^/]+))")
_BODY_LIMIT = 64 * 1024
# What a change leaves to be ended is ended while others may already change the next thing.
Act = Callable[[], Awaitable[Answer | Slot]]


class Control:
    """The one writer of the configuration file; changes are made one at a time."""

    def __init__(self, serving: Serving, loaded: Config, *, path: Path) -> None:
        self._serving = serving
        self._config = loaded
        self._path = path
        self._changing = asyncio.Lock()

    async def answer(self, request: Request) -> Answer:
        """The answer to any request below /plimsoll/models/."""
        try:
            await self._authenticate(request)
            act = self._action(request)
            async with self._changing:
                done = await act()
        except errors.PlimsollError as error:
            return http.problem(error)
        if isinstance(done, Slot):
            await self._serving.end(done)
            return Answer(204, b"", ())
        return done

    def _action(self, request: Request) -> Act:
        method, path = request.method, request.path
        found = self._about_version(request) or self._about_model(request)
        if found is None:
            raise errors.NotFound(f"there is no {method} {path}")
        return found

    def _about_version(self, request: Request) -> Act | None:
        found = _VERSION.fullmatch(request.path)
        if found is None:
            return None
        model, version = names.slug(found[1]), names.version(int(found[2]))
        match request.method, found[3]:
            case "PUT", None:
                return lambda: self._load(model, version, request)
            case "POST", "/activate":
                return lambda: self._activate(model, version)
            case "DELETE", None:
                return lambda: self._unload(model, version)
        return None

    def _about_model(self, request: Request) -> Act | None:
        found = _MODEL.fullmatch(request.path)
        if found is None:
            return None
        model, label = names.slug(found[1]), found[3] and names.alias(found[3])
        match request.method, found[2], label:
            case "DELETE", "active", None:
                return lambda: self._deactivate(model)
            case "PUT", "policy", None:
                return lambda: self._decide(model, request)
            case "PUT", _, str(label):
                return lambda: self._label(model, label, request)
            case "DELETE", _, str(label):
                return lambda: self._unlabel(model, label)
        return None

    async def _load(self, model: str, version: int, request: Request) -> Answer:
        """Asking again for what is loaded or loading changes nothing; a refused one is retried."""
        document = _document(request)
        pin = config.pin(
            {**document, "model": model, "version": version, "active": False}, what="body"
        )
        slot = self._serving.table.get(model, version)
        if slot is None:
            await self._pin((*self._config.models, pin))
            return self._described(202, self._serving.begin(pin))
        if slot.pin.digest != pin.digest:
            raise errors.Conflict(
                f"{model}@{version} is here as {slot.pin.digest}",
                fix="a version never changes its digest: pin the one that was published",
            )
        await self._pin(_with_permit(self._config.models, pin))
        if slot.state is State.REFUSED:
            await self._serving.end(slot)
            slot = self._serving.begin(_permitted(slot.pin, pin))
        return self._described(202, slot)

    async def _activate(self, model: str, version: int) -> Answer:
        slot = self._serving.table.require(model, version)
        if slot.state is not State.AVAILABLE:
            raise errors.Conflict(
                f"{model}@{version} is {slot.state}, not AVAILABLE. {slot.reason}".strip(),
                fix="wait until GET /plimsoll/status says AVAILABLE",
            )
        await self._pin(_with_active(self._config.models, model, version=version))
        self._serving.table.activate(model, version)
        return self._described(200, slot)

    async def _deactivate(self, model: str) -> Answer:
        await self._pin(_with_active(self._config.models, model, version=None))
        self._serving.table.deactivate(model)
        return Answer(204, b"", ())

    async def _decide(self, model: str, request: Request) -> Answer:
        """The model's whole policy, labels included."""
        return await self._govern(model, policy.parse(_document(request), what="body"))

    async def _label(self, model: str, label: str, request: Request) -> Answer:
        document = _document(request)
        version = names.version(document.get("version"))
        found = self._config.policies.get(model, Policy())
        labels = {**found.labels, label: version}
        return await self._govern(model, Policy(found.versions, labels))

    async def _unlabel(self, model: str, label: str) -> Answer:
        found = self._config.policies.get(model, Policy())
        labels = {name: version for name, version in found.labels.items() if name != label}
        return await self._govern(model, Policy(found.versions, labels))

    async def _govern(self, model: str, found: Policy) -> Answer:
        """What the new policy shows and is pinned, but not here, is brought up."""
        await self._persist(config.with_policy(self._config, model, found))
        self._serving.govern(model, found)
        for pin in config.wanted(self._config):
            if pin.model == model and self._serving.table.get(model, pin.version) is None:
                self._serving.begin(pin)
        return http.json_answer(200, policies(self._serving).get(model, Policy().document()))

    async def _unload(self, model: str, version: int) -> Answer | Slot:
        """Answers once the version's requests are finished and its memory is given back."""
        others = [pin for pin in self._config.models
                  if (pin.model, pin.version) != (model, version)]  # fmt: skip
        await self._pin(tuple(others))
        slot = self._serving.table.get(model, version)
        if slot is None:
            return Answer(204, b"", ())
        self._serving.table.remove(slot)
        return slot

    async def _pin(self, models: tuple[Pin, ...]) -> None:
        await self._persist(config.with_models(self._config, models))

    async def _persist(self, changed: Config) -> None:
        if changed != self._config:
            try:
                await asyncio.to_thread(config.write, self._path, changed)
            except OSError as error:
                raise errors.StorageFull(
                    f"{self._path}: cannot be written: {error.strerror}",
                    fix="make the configuration file's folder writable and leave room on its disk",
                ) from error
            self._config = changed

    async def load(self, request: Request, model: str) -> None:
        """See `runtime.manual`; whatever was active stays so."""
        await self._authenticate(request)
        async with self._changing:
            await manual.begin(self._serving, self._config.models, model)
        newest = await manual.ready(self._serving, model)
        async with self._changing:
            if self._serving.table.active(model) is None:
                await self._activate(model, newest.pin.version)

    async def unload(self, request: Request, model: str) -> None:
        """See `runtime.manual`."""
        await self._authenticate(request)
        async with self._changing:
            await self._deactivate(model)
        await manual.end(self._serving, model)

    async def may_preview(self, request: Request) -> bool:
        """Whether the caller may reach versions that are not active: candidates under test.

        In a container nothing but the ingress's second door leads here, so everybody may.
        """
        if self._config.control_token_file is None:
            return True
        if b"authorization" not in request.headers:
            return False
        try:
            await self._authenticate(request)
        except errors.PlimsollError:
            return False
        return True

    async def _authenticate(self, request: Request) -> None:
        token_file = self._config.control_token_file
        if token_file is None:
            raise errors.NotFound(f"there is no {request.path}")
        try:
            token = await asyncio.to_thread(token_file.read_bytes)
        except OSError as error:
            raise errors.Unavailable(f"{token_file}: cannot be read: {error.strerror}") from error
        given = request.headers.get(b"authorization", b"")
        wanted = b"Bearer " + token.strip()
        # An empty token file opens nothing: it must not be matched by an empty token.
        if not token.strip() or not hmac.compare_digest(given, wanted):
            raise errors.Unauthenticated(
                "the control token is missing or wrong",
                fix=f"send 'Authorization: Bearer' with the content of {token_file}",
            )

    def _described(self, status: int, slot: Slot) -> Answer:
        return http.json_answer(status, described(self._serving, slot))


def described(serving: Serving, slot: Slot) -> dict[str, object]:
    """One version as /plimsoll/status shows it."""
    labels = serving.table.labels(slot.pin.model)
    return {
        "model": slot.pin.model,
        "version": slot.pin.version,
        "digest": slot.pin.digest,
        "state": str(slot.state),
        "pulled": {"bytes": slot.progress.pulled, "of": slot.progress.total},
        "reason": slot.reason or slot.trouble,
        "check": slot.check,
        "code": slot.code,
        "active": serving.table.is_active(slot),
        "visible": serving.table.is_visible(slot),
        "labels": sorted(label for label, version in labels.items() if version == slot.pin.version),
    }


def policies(serving: Serving) -> dict[str, dict[str, object]]:
    """By model, as declared; and to which version each label leads now, null where to none."""
    return {
        model: {**found.document(), "leads": serving.table.labels(model)}
        for model, found in serving.table.policies().items()
    }


def _document(request: Request) -> dict[str, Json]:
    if len(request.body) > _BODY_LIMIT:
        raise http.too_large(_BODY_LIMIT)
    return canonical.decode_object(request.body, what="body")


def _permitted(known: Pin, handed: Pin) -> Pin:
    """`known` under the permit just handed over; where there is none, under the old one."""
    if not handed.permit:
        return known
    return dataclasses.replace(known, deployment=handed.deployment, permit=handed.permit)


def _with_permit(models: tuple[Pin, ...], handed: Pin) -> tuple[Pin, ...]:
    key = handed.model, handed.version
    return tuple(
        _permitted(pin, handed) if (pin.model, pin.version) == key else pin for pin in models
    )


def _with_active(models: tuple[Pin, ...], model: str, *, version: int | None) -> tuple[Pin, ...]:
    return tuple(
        dataclasses.replace(pin, active=pin.version == version) if pin.model == model else pin
        for pin in models
    )
