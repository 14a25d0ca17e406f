"""Brings versions up, swaps them, takes them down, and runs requests on them.

A version is obtained and verified, opened and warmed up on other threads, and enters service by
one assignment on the event loop. Whatever goes wrong before that touches nothing that serves.
"""

import asyncio
import logging
import secrets
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace
from functools import partial
from pathlib import Path

from registry import errors
from registry.core.canonical import Json
from registry.core.checks import Check
from registry.core.entries import Kind
from registry.core.envelope import Refused
from runtime import costs, ensembles, identity, obtain, pauses, priority
from runtime.backends import opening
from runtime.backends.protocol import Backend
from runtime.cache import Cache, Copy
from runtime.config import Config, Pin
from runtime.ensembles import Members
from runtime.events import Events
from runtime.explaining.later import Later
from runtime.inference import cached, means, warming
from runtime.inference.asked import Asked, Outcome
from runtime.inference.cached import Runs
from runtime.inference.means import Places
from runtime.inference.scheduler import Scheduler
from runtime.metrics import Metrics
from runtime.observing.observatory import Observatory
from runtime.obtain import NotNow
from runtime.policy import Policy
from runtime.room import Room
from runtime.table import Slot, State, Table
from runtime.witness import Rounds, Witness

_LOADERS, _MEMORY_SECONDS = 4, 1.0
_LONGEST_REASON = 2000  # an engine may print half a graph; the log's entries are bounded
_log = logging.getLogger("plimsoll.runtime")


class Serving:
    """Made on the event loop, used on the event loop; only the blocking parts leave it."""

    def __init__(self, config: Config, *, cores: int, recorded: warming.ReadRecorded) -> None:
        self._config = config
        self._cache = Cache(config.cache, keep=config.limits.keep_versions)
        self._identity = identity.load_or_create(config.cache / "identity.age")
        self._registry = obtain.registry_of(config, self._identity)
        self._witness = Witness(self._registry, config.cache)
        if config.image is None:
            Rounds(self._witness, lambda: obtain.trust_of(config.trust_file, self._cache))
        self.events = Events(self._registry, host=config.host)
        self._loop = asyncio.get_running_loop()
        # The threads that an engine starts while it is loaded take after the loader.
        self._loaders = ThreadPoolExecutor(_LOADERS, "load", priority.stand_back)
        self._cores, self._recorded = cores, recorded
        self._places = Places(config.limits.queue)
        self._scales = costs.Scales(self._cache.costs)
        self._tasks: set[asyncio.Task[None]] = set()
        self.host, self.limits, self.has_kserve_v1 = config.host, config.limits, config.kserve_v1
        self.unpacked = Room(config.limits.room)
        self.table = Table()
        for model, declared in config.policies.items():
            self.table.set_policy(model, declared)
        self.metrics = Metrics(self.table)
        self.desk = Later(self.table.requests)
        self.observatory = Observatory(config.observing, host=config.host)
        self.is_draining = False

    @property
    def recipient(self) -> str:
        """What this host is to be enrolled with, for the registry to encrypt to."""
        return self._identity.recipient

    def is_ready(self) -> bool:
        """Whether every model that should answer does, and the process is not going down."""
        slots = self.table.slots()
        waiting = [slot for slot in slots if slot is self.table.active(slot.pin.model)
                   and (slot.state is not State.AVAILABLE or slot.trouble)]  # fmt: skip
        return not self.is_draining and not waiting

    def find(self, model: str, version: int | None, label: str | None, *, preview: bool) -> Slot:
        """See `Table.find`; without a version or a label, the model's active one."""
        return self.table.find(model, version, label, preview=preview)

    def begin(self, pin: Pin) -> Slot:
        """Start to bring a version up in the background."""
        slot = Slot(pin)
        self.table.put(slot)
        self.keep(self._loop.create_task(self.bring_up(slot)))
        return slot

    def govern(self, model: str, policy: Policy) -> None:
        """Clients see from now on what the policy says; what is of no use any more is unloaded."""
        self._retire(self.table.set_policy(model, policy))

    async def end(self, slot: Slot) -> None:
        """Take a version out of service, let its requests finish, and give its memory back.

        A request that never ends is not waited for longer than a request may take: whatever the
        engine still does for it is for nobody, and what it holds is freed when it is done.
        """
        self.table.remove(slot)
        if slot.successor is not None:
            await self.end(slot.successor)
        try:
            async with asyncio.timeout(self.limits.deadline_seconds):
                await slot.drained()
        except TimeoutError:
            _log.warning("not drained", extra={**_named(slot.pin), "in_flight": slot.in_flight})
        if self.table.get(slot.pin.model, slot.pin.version) is None:  # not loaded again meanwhile
            self.observatory.forget(slot.pin)
        if slot.scheduler is not None:
            slot.scheduler.close()
            slot.scheduler = None
        await self._loop.run_in_executor(self._loaders, slot.give_back)
        _log.info("unloaded", extra=_named(slot.pin))

    async def infer(self, slot: Slot, asked: Asked) -> Outcome:
        """One inference, see `Scheduler.infer`. The version stays loaded until it is done."""
        if slot.scheduler is None:
            raise errors.Unavailable(f"{slot.pin.model}@{slot.pin.version} is {slot.state}")
        slot.enter()
        try:
            return await slot.scheduler.infer(asked)
        finally:
            slot.leave()

    def _retire(self, unused: list[Slot]) -> None:
        for slot in unused:
            if ensembles.users(self.table, slot.pin.model, slot.pin.version):
                continue
            self.keep(self._loop.create_task(self.end(slot)))

    def keep(self, task: asyncio.Task[None]) -> None:
        """Let a task run to its end, though nobody waits for it."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def bring_up(self, slot: Slot) -> None:
        """Until it is in service, refused, or ended meanwhile."""
        occasion = secrets.token_hex(8)
        with self.observatory.loading(slot):
            try:
                await self._bring_up(slot, occasion)
            except errors.PlimsollError as error:
                said = f"verified, but not loadable: {error.detail}"
                self._refuse(slot, Refused(error.code, said, Check.FORMAT), occasion=occasion)
            except Exception as error:  # noqa: BLE001  the boundary of this task
                # A defect of ours must not leave the version LOADING for ever, nor hide.
                _log.exception("bringing a version up failed", extra=_named(slot.pin))
                refused = Refused("internal", f"internal error: {error!r}", "")
                self._refuse(slot, refused, occasion=occasion)

    async def _bring_up(self, slot: Slot, occasion: str) -> None:
        # The engine's import goes on while the files come; what it raises, opening raises again.
        preparing = self._loop.run_in_executor(
            self._loaders, opening.prepare, slot.pin.format, slot.pin.isolation
        )
        preparing.add_done_callback(lambda done: done.cancelled() or done.exception())
        with self.observatory.step("obtain"):
            copy = await self._obtained(slot, occasion)
        if copy is None:
            return
        slot.copy = copy
        if copy.verified.format != slot.pin.format:
            raise errors.UnsafeModel(
                f"its format is {copy.verified.format!r}, the configuration says "
                f"{slot.pin.format!r}"
            )
        size = sum(file.size for file in copy.verified.files)
        slot.progress.finish(size)
        # What serves already is never pushed out for it.
        cost = costs.key(slot.pin.digest, slot.pin.isolation, slot.pin.tuning.weights)
        look = partial(self._cache.costs.shortage, cost, files=size, limit=self.limits.memory_bytes)
        while slot.state is not State.END and (
            short := await self._loop.run_in_executor(self._loaders, look)
        ):
            self._postpone(slot, short, discarded=None, occasion=occasion)
            await asyncio.sleep(_MEMORY_SECONDS)
        if slot.pin.format == ensembles.FORMAT:
            await self._chain(slot, copy, occasion)
        else:
            async with self._scales.weighing(cost, self._loaders):
                with self.observatory.step("open"):
                    await self._open(slot, copy, occasion)
        if slot.state is State.END:  # unloaded while it was loading
            slot.scheduler = None
            await self._loop.run_in_executor(self._loaders, slot.give_back)
        else:
            self._enter_service(slot, occasion)

    async def _open(self, slot: Slot, copy: Copy, occasion: str) -> None:
        """Sooner or later: that a process was killed over it says nothing against the version."""
        pin, seconds = slot.pin, self.limits.deadline_seconds
        settings = opening.settings(pin.isolation, pin.tuning, seconds=seconds)
        open_ = partial(opening.opened, pin.format, copy.files, settings)
        for pause in pauses.growing():
            try:
                backend = await self._loop.run_in_executor(self._loaders, open_)
                break
            except (errors.Unavailable, OSError) as error:
                self._postpone(slot, f"not opened: {error}", discarded=None, occasion=occasion)
            await asyncio.sleep(pause)
            if slot.state is State.END:
                return
        # Set after the warm-up: an unload must not close an engine that is at work.
        slot.backend, slot.scheduler = backend, await self._warmed_up(pin, backend, copy.files)

    async def _chain(self, slot: Slot, copy: Copy, occasion: str) -> None:
        observers = [self.observatory.of(slot.pin)]
        chain = await Members(self.table, self.infer).chained(
            slot, copy.files, observers, deadline_seconds=self.limits.deadline_seconds,
            postpone=lambda said: self._postpone(slot, said, discarded=None, occasion=occasion),
        )  # fmt: skip
        if chain is not None:
            slot.backend, slot.scheduler = chain, cached.kept(chain, slot.pin.tuning, observers)

    async def _warmed_up(self, pin: Pin, backend: Backend, files: Path) -> Runs:
        recorded = self._recorded(files, backend, pin)
        runs, seconds = await self._loop.run_in_executor(
            self._loaders, warming.warmed_up, backend, pin.tuning, recorded
        )
        if seconds is not None:
            self.metrics.tensorflow.warmed_up(pin, seconds=seconds)
        given = means.of(pin, backend, self._places, cores=self._cores, limits=self.limits)
        observers = [self.observatory.of(pin)]
        scheduler = Scheduler(backend, pin.tuning, given, observers)
        for call, size, nanoseconds in runs:
            scheduler.prime(call, size, nanoseconds)
        return cached.kept(scheduler, pin.tuning, observers)

    async def _obtained(self, slot: Slot, occasion: str) -> Copy | None:
        """Verified files, sooner or later; None where the version is refused, or gone meanwhile."""
        for pause in pauses.growing():
            if slot.state is State.END:
                break
            attempt = partial(copy_context().run, self._attempt, slot)
            match await self._loop.run_in_executor(self._loaders, attempt):
                case Copy() as copy:
                    self.metrics.verified(slot.pin.model, "verified")
                    self.events.tell(Kind.VERIFIED, slot.pin, occasion=occasion)
                    return copy
                case Refused() as refused:
                    said = f"{refused.code}: {refused.reason}"
                    self._refuse(slot, replace(refused, reason=said), occasion=occasion)
                    return None
                case NotNow(reason, discarded):
                    self._postpone(slot, reason, discarded=discarded, occasion=occasion)
            await asyncio.sleep(pause)
        return None

    def _attempt(self, slot: Slot) -> Copy | Refused | NotNow:
        image, trust = self._config.image, self._config.trust_file
        if image is not None:
            return obtain.of_image(slot.pin, image, trust_file=trust, cache=self._cache)
        return obtain.obtain(
            slot.pin, host=self._config.host, trust_file=trust, cache=self._cache,
            witness=self._witness, progress=slot.progress,
        )  # fmt: skip

    def _enter_service(self, slot: Slot, occasion: str) -> None:
        slot.state, slot.reason, slot.check, slot.code = State.AVAILABLE, "", "", ""
        self.events.tell(Kind.LOADED, slot.pin, occasion=occasion)
        _log.info("available", extra=_named(slot.pin))
        self._retire(self.table.settle(slot.pin.model))

    def _postpone(
        self, slot: Slot, reason: str, *, discarded: Refused | None, occasion: str
    ) -> None:
        """Keep trying. A cached copy that lied is a refusal, even while a new pull is awaited."""
        if discarded is not None:
            self._refuse(slot, discarded, occasion=occasion)
            slot.discarded = f"{discarded.reason}; "
        slot.reason = slot.discarded + reason
        _log.warning("waiting", extra={**_named(slot.pin), "reason": slot.reason})

    def _refuse(self, slot: Slot, refused: Refused, *, occasion: str) -> None:
        reason = refused.reason[:_LONGEST_REASON]
        if slot.copy is not None:
            slot.copy.lease.close()
            slot.copy = None
        if slot.state is not State.END:
            slot.state, slot.reason = State.REFUSED, reason
            slot.check, slot.code = refused.check, refused.code
        self.metrics.verified(slot.pin.model, "refused")
        self.metrics.refused(slot.pin.model, refused.check or "none", refused.code)
        failed: dict[str, Json] = {"check": refused.check, "code": refused.code}
        self.events.tell(Kind.REFUSED, slot.pin, occasion=occasion, reason=reason, detail=failed)
        _log.error("refused", extra={**_named(slot.pin), **failed, "reason": reason})


def _named(pin: Pin) -> dict[str, object]:
    return {"model": pin.model, "version": pin.version, "digest": pin.digest}
