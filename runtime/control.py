"""Process mode: versions loaded, swapped and unloaded inside one runtime, by whoever has the token.

Each change is written to the configuration file before it takes effect, so a restart serves what
was asked for last. Without `controlTokenFile` none of these paths exist.
"""

import asyncio
import dataclasses
import hmac
from collections.abc import Awaitable, Callable
from pathlib import Path

from registry import errors
from registry.core import canonical, names
from registry.core.canonical import Json
from runtime import config, ensembles, manual, paths, policy, renewal, status
from runtime.config import Config, Pin
from runtime.policy import Policy
from runtime.protocols import http
from runtime.protocols.http import Answer, Request
from runtime.refusals import WrongMethod
from runtime.serving import Serving
from runtime.table import Slot, State

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
        if found is None and (allowed := paths.methods(path)):
            raise WrongMethod(path, *allowed)
        if found is None:
            raise errors.NotFound(f"there is no {method} {path}")
        return found

    def _about_version(self, request: Request) -> Act | None:
        found = paths.VERSION.fullmatch(request.path)
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
        found = paths.MODEL.fullmatch(request.path)
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
        """Asking again for what is loaded or loading changes nothing, unless it shall run in
        another way; a refused one is retried."""
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
        known = next((one for one in self._config.models if one.wanted == pin.wanted), slot.pin)
        if slot.state is State.REFUSED:
            wanted = renewal.settled(known, pin)
            await self._pin(_with(self._config.models, wanted))
            await self._serving.end(slot)
            slot = self._serving.begin(wanted)
        else:
            await self._pin(_with(self._config.models, renewal.permitted(known, pin)))
            await self._renew(slot, renewal.settled(known, pin))
        return self._described(202, slot)

    async def _renew(self, slot: Slot, pin: Pin) -> None:
        """Another way to run what is here takes effect once it is ready, see `runtime.renewal`."""
        if slot.successor is not None and (
            renewal.is_same(slot.pin, pin) or renewal.is_due(slot, pin)
        ):
            coming, slot.successor = slot.successor, None
            await self._serving.end(coming)
        if renewal.is_due(slot, pin):
            coming = slot.successor = Slot(pin)
            self._serving.keep(asyncio.create_task(self._succeed(slot, coming)))

    async def _succeed(self, slot: Slot, coming: Slot) -> None:
        await self._serving.bring_up(coming)
        async with self._changing:
            pin, table = slot.pin, self._serving.table
            if not renewal.taking_over(slot, coming, table.get(pin.model, pin.version)):
                return
            try:
                await self._pin(_with(self._config.models, coming.pin))
            except errors.PlimsollError as error:
                renewal.failed(coming, error)
                await self._serving.end(coming)
                return
            table.replace(slot, coming)
        await self._serving.end(slot)

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
        return http.json_answer(200, status.policies(self._serving).get(model, Policy().document()))

    async def _unload(self, model: str, version: int) -> Answer | Slot:
        """Answers once the version's requests are finished and its memory is given back."""
        self._require_unused(model, version)
        others = [pin for pin in self._config.models
                  if (pin.model, pin.version) != (model, version)]  # fmt: skip
        await self._pin(tuple(others))
        slot = self._serving.table.get(model, version)
        if slot is None:
            return Answer(204, b"", ())
        self._serving.table.remove(slot)
        return slot

    def _require_unused(self, model: str, version: int) -> None:
        if users := ensembles.users(self._serving.table, model, version):
            raise errors.Conflict(
                f"{model}@{version} is a member of {', '.join(users)}",
                fix="unload the ensemble first, or replace it by a version without this member",
            )

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
        for slot in self._serving.table.versions(model):
            self._require_unused(model, slot.pin.version)
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

    def _described(self, code: int, slot: Slot) -> Answer:
        return http.json_answer(code, status.described(self._serving, slot))


def _document(request: Request) -> dict[str, Json]:
    if len(request.body) > _BODY_LIMIT:
        raise http.too_large(_BODY_LIMIT)
    return canonical.decode_object(request.body, what="body")


def _with(models: tuple[Pin, ...], changed: Pin) -> tuple[Pin, ...]:
    """`changed` where that version stands, as active as the file has it."""
    return tuple(
        dataclasses.replace(changed, active=pin.active)
        if (pin.model, pin.version) == (changed.model, changed.version)
        else pin
        for pin in models
    )


def _with_active(models: tuple[Pin, ...], model: str, *, version: int | None) -> tuple[Pin, ...]:
    return tuple(
        dataclasses.replace(pin, active=pin.version == version) if pin.model == model else pin
        for pin in models
    )
