"""Process mode: versions loaded, swapped and unloaded inside one runtime, by whoever has the token.

Each change is written to the configuration file before it takes effect, so a restart serves what
was asked for last. Without `controlTokenFile` none of these paths exist.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, TypeVar

from registry import errors
from registry.core import canonical, names
from registry.core.canonical import Json
from runtime import config, ensembles, manual, paths, pinned, policy, renewal, status
from runtime.config import Config, Pin
from runtime.control_token import ControlToken
from runtime.policy import Policy
from runtime.protocols import http
from runtime.protocols.http import Answer, Request
from runtime.refusals import WrongMethod
from runtime.serving import Serving
from runtime.table import Slot, State

_BODY_LIMIT = 64 * 1024
# What a change leaves to be ended is ended while others may already change the next thing.
Act = Callable[[], Awaitable[Answer | Slot]]
T = TypeVar("T")


class Control:
    """The one writer of the configuration file; changes are made one at a time."""

    def __init__(self, serving: Serving, loaded: Config, *, path: Path) -> None:
        self._serving = serving
        self._config = loaded
        self._path = path
        self._token = ControlToken(loaded.control_token_file)
        # Asked for each request: not through one more coroutine.
        self.may_preview = self._token.may_preview
        self._changing = asyncio.Lock()
        self._under_way: set[asyncio.Task[Any]] = set()

    async def answer(self, request: Request) -> Answer:
        """The answer to any request below /plimsoll/models/."""
        try:
            await self._token.require(request)
            return await self._whole(self._change(self._action(request)))
        except errors.PlimsollError as error:
            return http.problem(error)

    async def _change(self, act: Act) -> Answer:
        async with self._changing:
            done = await act()
        if isinstance(done, Slot):
            await self._serving.end(done)
            return Answer(204, b"", ())
        return done

    async def _whole(self, change: Coroutine[None, None, T]) -> T:
        """To its end, though whoever asked may be gone: half of a change is what nobody wants."""
        task = asyncio.ensure_future(change)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await asyncio.shield(task)

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
                return lambda: self._switch(model, version, request)
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
        known = pinned.find(self._config.models, model, version)
        if known is None:
            await self._pin((*self._config.models, pin))
            return self._described(202, self._serving.begin(pin))
        if known.digest != pin.digest:
            raise errors.Conflict(
                f"{model}@{version} is here as {known.digest}",
                fix="a version never changes its digest: pin the one that was published",
            )
        if slot is None:  # pinned, and not up
            wanted = renewal.settled(known, pin)
            await self._pin(pinned.changed(self._config.models, wanted))
            slot = self._serving.begin(wanted)
        elif slot.state is State.REFUSED:
            wanted = renewal.settled(known, pin)
            await self._pin(pinned.changed(self._config.models, wanted))
            await self._serving.end(slot)
            slot = self._serving.begin(wanted)
        else:
            await self._pin(pinned.changed(self._config.models, renewal.permitted(known, pin)))
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
                await self._pin(pinned.changed(self._config.models, coming.pin))
            except errors.PlimsollError as error:
                renewal.failed(coming, error)
                await self._serving.end(coming)
                return
            table.replace(slot, coming)
        await self._serving.end(slot)

    async def _switch(self, model: str, version: int, request: Request) -> Answer:
        """With the labels that are to move with the traffic, or to go; none is half a switch."""
        document = {} if request.body in (b"", b"null") else _document(request)
        labels = None
        if "labels" in document:
            labels = policy.parse({"labels": document["labels"]}, what="body").labels
        return await self._activate(model, version, labels)

    async def _activate(
        self, model: str, version: int, labels: Mapping[str, int] | None = None
    ) -> Answer:
        slot = self._serving.table.require(model, version)
        if slot.state is not State.AVAILABLE:
            raise errors.Conflict(
                f"{model}@{version} is {slot.state}, not AVAILABLE. {slot.reason}".strip(),
                fix="wait until GET /plimsoll/status says AVAILABLE",
            )
        models = pinned.with_active(self._config.models, model, version=version)
        wanted = config.with_models(self._config, models)
        if labels is not None:
            shown = self._config.policies.get(model, Policy()).versions
            wanted = config.with_policy(wanted, model, Policy(shown, labels))
        await self._persist(wanted)
        self._serving.table.activate(model, version)
        if labels is not None:
            await self._govern(model, wanted.policies.get(model, Policy()))
        return self._described(200, slot)

    async def _deactivate(self, model: str) -> Answer:
        await self._pin(pinned.with_active(self._config.models, model, version=None))
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
        await self._pin(pinned.without(self._config.models, model, version))
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
        await self._token.require(request)
        await self._whole(self._load_pinned(model))

    async def _load_pinned(self, model: str) -> None:
        async with self._changing:
            await manual.begin(self._serving, self._config.models, model)
        newest = await manual.ready(self._serving, model)
        async with self._changing:
            if self._serving.table.active(model) is None:
                await self._activate(model, newest.pin.version)

    async def unload(self, request: Request, model: str) -> None:
        """See `runtime.manual`."""
        await self._token.require(request)
        for slot in self._serving.table.versions(model):
            self._require_unused(model, slot.pin.version)
        await self._whole(self._end_pinned(model))

    async def _end_pinned(self, model: str) -> None:
        async with self._changing:
            await self._deactivate(model)
        await manual.end(self._serving, model)

    def _described(self, code: int, slot: Slot) -> Answer:
        return http.json_answer(code, status.described(self._serving, slot))


def _document(request: Request) -> dict[str, Json]:
    if len(request.body) > _BODY_LIMIT:
        raise http.too_large(_BODY_LIMIT)
    return canonical.decode_object(request.body, what="body")
