"""The process that derives: it has the version once more, and gives the gradients of its scores.

Started when gradients are first asked for, shut in as a version's own process is, of one thread
that stands back, and ended when nobody asked for a minute. There is one in a runtime, so what a
client's questions can take is one more copy of one version. Used on the event loop.
"""

import asyncio
import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from registry.errors import Busy, InvalidInput, PlimsollError, Unavailable
from runtime import priority
from runtime.backends import gradient_calls
from runtime.backends.protocol import Array, Arrays, Settings
from runtime.backends.steps import stepped
from runtime.backends.worker import Ended, Failed, Worker
from runtime.explaining import question
from runtime.refusals import NotExplainable
from runtime.table import Slot

IDLE_SECONDS = 60.0
_STARTING = "the process that computes gradients is starting"
_ASK = f"use {', '.join(question.ASKING[:-1])} or {question.ASKING[-1]}, which only ask"
_WITHOUT = {"onnx": "is an ONNX file, whose engine only computes forwards"}
# `clock_getcpuclockid`: the processor time of another process.
_CPU_OF_PROCESS = 2


@dataclass(frozen=True, slots=True)
class Origin:
    """The version that is derived: its digest, format and files, and how its process is run."""

    digest: str
    form: str
    files: Path
    seconds: float
    memory_bytes: int


def origin(slot: Slot, seconds: float) -> Origin:
    """Of a version that is served; raises `NotExplainable` where it has no gradients, and
    `Unavailable` where it is gone."""
    pin = slot.pin
    named = f"{pin.model}@{pin.version}"
    if slot.copy is None:
        raise Unavailable(f"{named} was unloaded")
    wrong = _WITHOUT.get(pin.format, "")
    if not wrong and stepped.declared(slot.copy.files) is not None:
        wrong = "has steps before the model, through which there are none"
    if wrong:
        raise NotExplainable(f"{named} {wrong}: its gradients are not to be had", fix=_ASK)
    return Origin(pin.digest, pin.format, slot.copy.files, seconds, pin.tuning.memory_bytes)


class Derived:
    """A process that has loaded the version. Asked on the lane's thread."""

    def __init__(self, origin: Origin) -> None:
        settings = Settings(1, seconds=origin.seconds, memory_bytes=origin.memory_bytes)
        self._worker = Worker(f"gradients of {origin.form}", origin.files, settings)
        self.is_ended = False

    def run(self, call: str, inputs: Arrays) -> dict[str, Array]:
        """See `gradient_calls`; raises `PlimsollError` alone."""
        if call not in self._worker.calls:
            _, output, _ = gradient_calls.parts(call)
            raise InvalidInput(f"the version gives no gradients of {output!r}")
        try:
            return self._worker.run(call, inputs)
        except Ended as ended:
            self.is_ended = True
            raise Unavailable(
                f"the process that computes gradients {ended}", fix="ask again in a moment"
            ) from ended
        except Failed as failed:
            raise PlimsollError(f"the engine failed at the gradient: {failed}") from failed

    def clock(self) -> float:
        """Seconds that the process has computed: its waits for a core cost nobody anything."""
        with suppress(OSError):
            return time.clock_gettime(~self._worker.process_id << 3 | _CPU_OF_PROCESS)
        return time.perf_counter()

    def close(self) -> None:
        """End the process."""
        self._worker.close()


class Derivation:
    """One for a runtime."""

    def __init__(self) -> None:
        self._origin: Origin | None = None
        self._coming: asyncio.Future[Derived] | None = None
        self._users = 0
        self._alarm: asyncio.TimerHandle | None = None

    async def enter(self, origin: Origin, until: float) -> Derived:
        """The version's process, started where it is not there; `leave` it. Raises `Busy` while
        another version's is in use, `Unavailable` where it has not started `until`, of the loop's
        clock, which does not stop it from starting, and what refused it."""
        loop = asyncio.get_running_loop()
        if self._coming is None or self._origin != origin or self._is_over(self._coming):
            if self._users:
                raise Busy("gradients of another version are being computed",
                           fix="try again in a moment")  # fmt: skip
            self._end()
            self._origin = origin
            self._coming = asyncio.wrap_future(_begun(origin), loop=loop)
        self._users += 1
        try:
            async with asyncio.timeout_at(until):
                return await asyncio.shield(self._coming)
        except TimeoutError as error:
            self.leave()
            raise Unavailable(_STARTING, fix="ask again in a few seconds") from error
        except BaseException:
            self.leave()
            raise

    def leave(self) -> None:
        """It may be ended, once nobody asked for a while."""
        self._users -= 1
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._end_idle)

    def _end_idle(self) -> None:
        if not self._users:
            self._end()

    def _end(self) -> None:
        coming, self._coming, self._origin = self._coming, None, None
        if coming is not None:
            coming.add_done_callback(_close)

    @staticmethod
    def _is_over(coming: "asyncio.Future[Derived]") -> bool:
        if not coming.done():
            return False
        return coming.cancelled() or coming.exception() is not None or coming.result().is_ended


def _begun(origin: Origin) -> Future[Derived]:
    """On a thread that keeps nobody from stopping the runtime meanwhile."""
    found: Future[Derived] = Future()

    def begin() -> None:
        priority.stand_back()
        try:
            found.set_result(Derived(origin))
        except Exception as error:  # noqa: BLE001  else all who ask would wait for it for ever
            found.set_exception(error)

    threading.Thread(target=begin, name="derivation", daemon=True).start()
    return found


def _close(coming: "asyncio.Future[Derived]") -> None:
    """What a large process held is given back elsewhere than on the loop."""
    if not coming.cancelled() and coming.exception() is None:
        threading.Thread(target=coming.result().close, name="derivation", daemon=True).start()
