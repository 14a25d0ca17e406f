"""Where explanations are made: a question comes in, attributions go out, within its budget.

A budget that ends gives the best answer so far, with what is known of its error. Whatever is wrong
with a question is refused before the engine is asked for it.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from registry.core.explaining import scores as scoring
from registry.core.explaining.grad_cam import GradCam
from registry.core.explaining.gradients import GradientMethod
from registry.core.explaining.kernel_shap import KernelShap
from registry.core.explaining.lime import Lime
from registry.core.explaining.occlusion import Occlusion
from registry.core.explaining.permutation import Permutation
from registry.core.explaining.terms import Array, Attribution, Method
from registry.errors import Unavailable, WaitTimedOut
from runtime.backends.protocol import Backend
from runtime.explaining import asking, deriving, surrogates
from runtime.explaining.asking import Subject
from runtime.explaining.derivation import Derivation, Derived, Origin
from runtime.explaining.lane import Clock, Lane
from runtime.explaining.question import Wish
from runtime.inference.scheduler import Scheduler

_FIRST_ROWS, _MOST_ROWS = 8, 4096
Sliced = Callable[[Backend, int], int]
Found = Method | GradientMethod | GradCam


@dataclass(frozen=True, slots=True)
class Explained:
    """`found` has one attribution an instance, or one for all of them together (`is_global`);
    `targets` the column of the output that each is about, -1 for all. `layer` is the one that
    Grad-CAM looked at, and `surrogate` what the small model consists of."""

    wish: Wish
    subject: Subject
    found: tuple[Attribution, ...]
    targets: tuple[int, ...]
    is_global: bool
    layer: str = ""
    surrogate: Mapping[str, Array] = field(default_factory=dict)


class Desk:
    """One for a process. Made and used on the event loop."""

    def __init__(self, asked: Callable[[], int]) -> None:
        self._lane = Lane(asked)
        self._derivation = Derivation()

    async def explained(
        self, scheduler: Scheduler, wish: Wish, subject: Subject, origin: Origin | None
    ) -> Explained:
        """Raises `InvalidInput`, `Busy`, `Unavailable`, `WaitTimedOut`, and `PlimsollError` itself
        where the engine failed. The version stays loaded until it is done; `origin` is where to
        load it from once more, for methods that need its gradients."""
        until = asyncio.get_running_loop().time() + wish.budget_ms / 1000
        if origin is None:
            return await self._in_turn(scheduler, wish, subject, until, None)
        derived = await self._derivation.enter(origin, until)
        try:
            return await self._in_turn(scheduler, wish, subject, until, derived)
        finally:
            self._derivation.leave()

    async def _in_turn(
        self, scheduler: Scheduler, wish: Wish, subject: Subject, until: float,
        derived: Derived | None,
    ) -> Explained:  # fmt: skip
        await self._lane.enter(max(until - asyncio.get_running_loop().time(), 0.0))
        try:
            job = _Job(self._lane, scheduler, until, self._lane.clock(in_thread=subject.in_thread))
            if wish.method == "surrogate":
                return await self._in_its_stead(job, wish, subject)
            if wish.method == "permutation":
                return await self._together(job, wish, subject)
            return await self._each(job, wish, subject, derived)
        finally:
            self._lane.leave()

    async def _each(
        self, job: "_Job", wish: Wish, subject: Subject, derived: Derived | None
    ) -> Explained:
        scores = await job.own_scores(subject)
        columns = scoring.targets(scores, wish.target)
        found, layer = [], ""
        for instance, column in enumerate(columns):
            method, sliced = _begun(wish, subject, instance, int(column), derived)
            if derived is not None:
                job.clock = derived.clock
            share = (job.until - job.now()) / (subject.rows - instance)
            found.append(await job.driven(method, sliced, job.now() + share))
            layer = sliced.layer if isinstance(sliced, deriving.Located) else ""
        targets = tuple(int(column) for column in columns)
        return Explained(wish, subject, tuple(found), targets, is_global=False, layer=layer)

    async def _together(self, job: "_Job", wish: Wish, subject: Subject) -> Explained:
        scores = await job.own_scores(subject)
        labels = np.array(wish.labels) if wish.labels else None
        loss, target = scoring.loss(scores, labels, wish.target)
        random = np.random.default_rng(wish.seed)
        method = Permutation(subject.rows, subject.layout.count, wish.repeats, loss, random)
        # Absent features come from other rows of the request itself.
        within = replace(subject, background=subject.instances)
        sliced = partial(asking.whole, within, method)
        found = await job.driven(method, sliced, job.until)
        return Explained(wish, subject, (found,), (target,), is_global=True)

    async def _in_its_stead(self, job: "_Job", wish: Wish, subject: Subject) -> Explained:
        within = surrogates.given(wish, subject)
        method = surrogates.method(wish, within)
        sliced = surrogates.Slice(within, method, wish.target)
        found = await job.driven(method, sliced, job.until)
        target = -1 if wish.target is None else wish.target
        return Explained(wish, subject, (found,), (target,), is_global=True,
                         surrogate=method.parts)  # fmt: skip


class _Job:
    """One explanation on its way through the lane."""

    def __init__(self, lane: Lane, scheduler: Scheduler, until: float, clock: Clock) -> None:
        self._lane, self._scheduler, self.until, self.clock = lane, scheduler, until, clock
        self._most = _FIRST_ROWS

    def now(self) -> float:
        """Of the loop's clock, in seconds."""
        return asyncio.get_running_loop().time()

    async def own_scores(self, subject: Subject) -> Array:
        """(instances, numbers of a row): what is to be explained. One run, as a request would."""

        def own(backend: Backend) -> Array:
            return subject.scores(backend, subject.instances)

        try:
            found, _ = await self._lane.run(self._scheduler, own, self.until, self.clock)
        except TimeoutError as error:
            raise _too_soon() from error
        return found

    async def driven(self, method: Found, sliced: Sliced, until: float) -> Attribution:
        """Until the method has enough or the time is over; raises `WaitTimedOut` where that was
        too little for any answer."""
        while self.now() < until:
            try:
                rows, factor = await self._lane.run(
                    self._scheduler,
                    lambda backend: sliced(backend, self._most),
                    until,
                    self.clock,
                )
            except (TimeoutError, Unavailable):
                break  # a version that is taken away meanwhile has the answer that there is
            if not rows:
                break
            self._most = max(min(int(rows * min(factor, 4.0)), _MOST_ROWS), 1)
        found = await self._found(method)
        if found is None:
            raise _too_soon()
        return found

    async def _found(self, method: Found) -> Attribution | None:
        """Regressions and trees take milliseconds and more, which are not the loop's."""
        return await self._lane.reckon(method.found)


def _begun(
    wish: Wish, subject: Subject, instance: int, column: int, derived: Derived | None
) -> tuple[Found, Sliced]:
    """The method, and how a slice of what it wants is asked for."""
    if derived is not None and wish.method == "grad_cam":
        cam = GradCam(*subject.picture)
        return cam, deriving.Located(subject, derived, cam, instance, column, wish.layer)
    if derived is not None:
        pointed = deriving.method(wish, subject, instance)
        return pointed, deriving.Slice(subject, derived, pointed, instance, column)
    method = _method(wish, subject.layout.count, instance)
    return method, asking.Sliced(subject, method, instance, column)


def _method(wish: Wish, features: int, instance: int) -> Method:
    random = np.random.default_rng([wish.seed, instance])
    match wish.method:
        case "occlusion":
            return Occlusion(features)
        case "lime":
            return Lime(features, wish.samples, random)
    return KernelShap(features, wish.samples, random)


def _too_soon() -> WaitTimedOut:
    return WaitTimedOut(
        "the budget was over before there was any answer: raise 'budget_ms', lower 'samples', or "
        "join elements in 'feature_mask'"
    )
