"""An ensemble at work: each step is a request to a member, which batches and counts as ever.

What passes between members stays where it is: arrays of this process, never written to.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

from registry.core.ensemble import Ensemble, Member, Step
from registry.errors import InvalidInput, PlimsollError, WaitTimedOut
from runtime.backends import protocol
from runtime.backends.protocol import DEFAULT_CALL, Array, Call
from runtime.inference.asked import Asked, Observer, Outcome, Times
from runtime.inference.form import chosen
from runtime.inference.statistics import Statistics

# One inference of a member, on its own scheduler; raises `Unavailable` where it is not served.
Ask = Callable[[Member, Asked], Awaitable[Outcome]]


class Chain:
    """What a version of an ensemble offers, and how it runs: backend and scheduler in one.

    `trouble_of` says why a member cannot answer at present, and is empty while it can.
    """

    calls: Mapping[str, Call]
    pending = 0  # what waits, waits for a member and is counted there

    def __init__(
        self,
        ensemble: Ensemble,
        ask: Ask,
        trouble_of: Callable[[Member], str],
        *,
        deadline_seconds: float,
        observers: Sequence[Observer] = (),
    ) -> None:
        self.members = ensemble.members
        self.statistics = Statistics()
        self._waves = ensemble.waves()
        self._ask, self._trouble_of = ask, trouble_of
        self._deadline_seconds = deadline_seconds
        self._observers: tuple[Observer, ...] = (self.statistics, *observers)
        self._signature = ensemble.signature
        inputs, outputs = (
            tuple(tensor.name for tensor in side)
            for side in (ensemble.signature.inputs, ensemble.signature.outputs)
        )
        self._outputs = outputs
        self.calls = {
            DEFAULT_CALL: Call(
                ensemble.signature, "tensorflow/serving/predict", inputs, outputs,
                protocol.has_free_rows(ensemble.signature),
            )
        }  # fmt: skip

    @property
    def trouble(self) -> str:
        """See `Backend`; a member's is the ensemble's."""
        return next(filter(None, map(self._trouble_of, self.members)), "")

    async def infer(self, asked: Asked) -> Outcome:
        """See `Scheduler.infer`. A member's refusal is passed on with its name."""
        arrived = time.perf_counter_ns()
        try:
            self._require_fit(asked)
            tensors = dict(asked.inputs)
            for wave in self._waves:
                await self._through(wave, tensors, asked, arrived)
            outputs = chosen({name: tensors[name] for name in self._outputs}, asked.outputs)
        except PlimsollError as error:
            for observer in self._observers:
                observer.failed(asked, error)
            raise
        except BaseException:
            for observer in self._observers:
                observer.abandoned(asked)
            raise
        times = Times(0, 0, time.perf_counter_ns() - arrived, 0)
        outcome = Outcome(outputs, times, _rows(asked))
        self.statistics.executed(outcome.batch, times)
        for observer in self._observers:
            observer.inferred(asked, outcome)
        return outcome

    async def drained(self) -> None:
        """Whoever is under way holds the version; nobody waits here."""

    def close(self) -> None:
        """Members are versions of their own and go on."""

    def _require_fit(self, asked: Asked) -> None:
        if asked.call not in self.calls:
            raise InvalidInput(f"the model has no call {asked.call!r}")
        for tensor in self._signature.inputs:
            if tensor.name not in asked.inputs:
                raise InvalidInput(f"input {tensor.name!r} is missing")
        protocol.require_fit(self._signature, asked.inputs)

    async def _through(
        self, wave: tuple[Step, ...], tensors: dict[str, Array], asked: Asked, arrived: int
    ) -> None:
        if len(wave) == 1:
            tensors |= await self._step(wave[0], tensors, asked, arrived)
            return
        tasks = [asyncio.ensure_future(self._step(step, tensors, asked, arrived)) for step in wave]
        try:
            found = await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()  # where one failed, the others' answers are for nobody
        for one in found:
            tensors |= one

    async def _step(
        self, step: Step, tensors: Mapping[str, Array], asked: Asked, arrived: int
    ) -> dict[str, Array]:
        left = min(asked.timeout_seconds or self._deadline_seconds, self._deadline_seconds)
        left -= (time.perf_counter_ns() - arrived) / 1e9
        if left <= 0:
            raise WaitTimedOut(f"no time was left for {step.member}")
        given = {name: tensors[outer] for name, outer in step.inputs.items()}
        inner = Asked(DEFAULT_CALL, given, tuple(step.outputs), asked.priority, left)
        try:
            outcome = await self._ask(step.member, inner)
        except InvalidInput as error:
            raise InvalidInput(f"{step.member}: {error.detail}", fix=error.fix) from error
        return {outer: outcome.outputs[name] for name, outer in step.outputs.items()}


def _rows(asked: Asked) -> int:
    shape = next(iter(asked.inputs.values())).shape
    return max(shape[0], 1) if shape else 1
