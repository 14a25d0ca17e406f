"""Every request gets exactly one outcome, its own rows, and nothing is left behind."""

import asyncio
import itertools
import time
from collections import Counter
from random import Random
from typing import Any

import numpy as np
import pytest

from registry import errors
from runtime.inference.pace import NeverQuick, Pace, Worked, own, worked
from runtime.tuning import Batching, Queue, Tuning
from tests.runtime.simulated import CRASH, POISON, Rig, draws, simulate

MOST = Tuning(batching=Batching(8))


def raised(task: "asyncio.Task[Any]") -> BaseException | None:
    return task.exception()


@pytest.mark.parametrize("seed", range(12))
def test_whatever_happens_each_request_has_one_outcome_and_its_own_rows(seed: int) -> None:
    async def main() -> None:
        draw = draws(seed)
        rig = any_rig(draw)
        tasks: list[Task] = []
        for number in range(300):
            tasks.append(any_request(rig, draw, float(number)))
            if draw.random() < 0.5:
                await asyncio.sleep(draw.choice([0, 0.0004, 0.003, 0.03]))
            if number == 250 and draw.random() < 0.5:
                rig.scheduler.close()
        await asyncio.wait([task for *_, task in tasks])
        await rig.scheduler.drained()
        ends = Counter(ended(*one) for one in tasks)
        assert (rig.places.taken, rig.scheduler.pending, rig.engines.running) == (0, 0, 0)
        assert rig.engines.most <= rig.instances
        seen = rig.scheduler.statistics.snapshot()
        assert seen.success.count == ends["answered"] > 0
        assert seen.fail.count == len(tasks) - ends["answered"]

    simulate(main())


Task = tuple[float, int, bool, "asyncio.Task[Any]"]


def any_rig(draw: Random) -> Rig:
    queue = Queue(draw.choice([None, 5]), draw.choice([None, 40]))
    delay, preferred = draw.choice([0, 300, 5000]), draw.choice([(), (), (1,)])
    batching = Batching(draw.choice([1, 4, 8]), delay, preferred, queue)
    return Rig(
        Tuning(batching=draw.choice([None, batching, batching])),
        instances=draw.choice([1, 2]),
        limit=draw.choice([10, 1000]),
        seconds=lambda: draw.choice([0.0, 0.001, 0.02, 0.2]),
        deadline=0.3,
        pace=draw.choice([Pace, NeverQuick]),
    )


def any_request(rig: Rig, draw: Random, number: float) -> Task:
    value = draw.choice([POISON, CRASH]) if draw.random() < 0.05 else number
    rows, width = draw.choice([1, 1, 1, 2, 5]), draw.choice([1, 1, 3])
    outputs = ("sum",) if draw.random() < 0.3 else ()
    seconds = draw.choice([None, 0.01])
    task = rig.ask(*[value] * rows, width=width, outputs=outputs, timeout_seconds=seconds)
    leaves = draw.random() < 0.1
    if leaves:
        asyncio.get_running_loop().call_later(draw.random() * 0.05, task.cancel)
    return value, rows * width, leaves, task


def ended(value: float, cells: int, leaves: bool, task: "asyncio.Task[Any]") -> str:
    if task.cancelled():
        assert leaves
        return "left"
    match task.exception():
        case None:
            outputs = task.result().outputs
            assert value not in (POISON, CRASH)
            rows = outputs["sum"]
            width = cells // len(rows)
            assert (rows == value * width).all()
            assert (
                "y" not in outputs or (outputs["y"] == np.full((len(rows), width), 2 * value)).all()
            )
            return "answered"
        case errors.InvalidInput():
            assert value == POISON
            return "invalid"
        case errors.Unavailable() | errors.WaitTimedOut() as error:
            return error.code
        case other:
            assert value == CRASH, other
            assert type(other) is errors.PlimsollError
            return "failed"


def test_what_came_in_one_turn_of_the_loop_runs_together() -> None:
    async def main() -> None:
        rig = Rig(MOST)
        tasks = [rig.ask(float(number)) for number in range(11)]
        outcomes = await asyncio.gather(*tasks)
        assert rig.backend.runs == [8, 3]
        assert [outcome.batch for outcome in outcomes] == [8] * 8 + [3] * 3
        assert [outcome.outputs["y"].tolist() for outcome in outcomes] == [
            [[2.0 * number]] for number in range(11)
        ]

    simulate(main())


def test_other_shapes_and_other_outputs_are_not_mixed() -> None:
    async def main() -> None:
        rig = Rig(MOST)
        await asyncio.gather(
            rig.ask(1.0), rig.ask(1.0, width=2), rig.ask(1.0, outputs=("sum",)), rig.ask(1.0)
        )
        assert sorted(rig.backend.runs) == [1, 1, 2]

    simulate(main())


def test_one_bad_request_fails_alone() -> None:
    async def main() -> None:
        rig = Rig(MOST)
        good, bad, worse, other = rig.ask(1.0), rig.ask(POISON), rig.ask(CRASH), rig.ask(2.0)
        await asyncio.wait([good, bad, worse, other])
        assert good.result().outputs["y"].tolist() == [[2.0]]
        assert other.result().outputs["y"].tolist() == [[4.0]]
        assert isinstance(raised(bad), errors.InvalidInput)
        assert type(raised(worse)) is errors.PlimsollError
        assert rig.backend.runs == [4, 1, 1, 1, 1]

    simulate(main())


def test_a_batch_waits_as_long_as_it_was_told_and_no_longer() -> None:
    async def main() -> None:
        rig = Rig(Tuning(batching=Batching(8, 5000)))
        loop = asyncio.get_running_loop()
        first = rig.ask(1.0)
        await asyncio.sleep(0.003)
        await asyncio.gather(first, rig.ask(2.0))
        assert rig.backend.runs == [2]
        assert loop.time() == pytest.approx(0.015, abs=0.001)
        await asyncio.gather(*(rig.ask(1.0) for _ in range(8)))
        assert loop.time() == pytest.approx(0.025, abs=0.001)

    simulate(main())


def test_preferred_sizes_go_at_once() -> None:
    async def main() -> None:
        rig = Rig(Tuning(batching=Batching(8, 50_000, (2, 4))), instances=9)
        await asyncio.gather(*(rig.ask(1.0) for _ in range(7)))
        assert rig.backend.runs == [4, 2, 1]

    simulate(main())


def test_higher_priorities_go_first_and_each_has_a_queue_of_its_own() -> None:
    async def main() -> None:
        levels = (Queue(), Queue(size=2))
        rig = Rig(Tuning(batching=Batching(1, priorities=levels, default_priority=2)))
        running = rig.ask(0.0)
        await asyncio.sleep(0.001)
        order: list[str] = []
        low = [rig.ask(1.0) for _ in range(3)]
        high = [rig.ask(2.0, priority=1) for _ in range(3)]
        for name, tasks in (("low", low), ("high", high)):
            for task in tasks:
                task.add_done_callback(lambda _, name=name: order.append(name))
        await asyncio.wait([running, *low, *high])
        assert order == ["low", "high", "high", "high", "low", "low"]
        assert isinstance(raised(low[2]), errors.Busy)

    simulate(main())


def test_who_waits_too_long_in_the_queue_is_told_so() -> None:
    async def main() -> None:
        queue = Queue(timeout_milliseconds=20)
        rig = Rig(Tuning(batching=Batching(1, queue=queue)), seconds=lambda: 1.0)
        first, second = rig.ask(1.0), rig.ask(2.0)
        with pytest.raises(errors.WaitTimedOut, match="20 ms in the queue"):
            await second
        assert (await first).outputs["y"].tolist() == [[2.0]]

    simulate(main())


def test_who_leaves_is_taken_out_of_the_queue() -> None:
    async def main() -> None:
        rig = Rig(MOST)
        running = rig.ask(0.0)
        await asyncio.sleep(0.001)
        waiting = [rig.ask(float(number)) for number in range(4)]
        await asyncio.sleep(0.001)
        waiting[1].cancel()
        waiting[2].cancel()
        await asyncio.wait([running, *waiting])
        assert rig.backend.runs == [1, 2]
        assert rig.scheduler.statistics.snapshot().failures["CANCELED"] == 2

    simulate(main())


def test_a_request_given_up_keeps_its_place_until_the_engine_is_done() -> None:
    async def main() -> None:
        rig = Rig(Tuning(), seconds=lambda: 5.0, deadline=1.0, limit=1)
        with pytest.raises(errors.WaitTimedOut, match="no answer within 1 seconds"):
            await rig.ask(1.0)
        with pytest.raises(errors.Busy):
            await rig.ask(1.0)
        await rig.scheduler.drained()
        assert asyncio.get_running_loop().time() == pytest.approx(5.0, abs=0.001)
        assert rig.places.taken == 0

    simulate(main())


def test_of_a_tiny_model_nobody_asks_what_it_worked_until_one_run_is_too_long() -> None:
    async def main() -> None:
        looks: list[int] = []
        now = [0]
        takes = [50_000]

        def clock() -> int:
            now[0] += takes[0]
            return now[0]

        def worked() -> Worked:
            looks.append(1)
            return Worked(now[0], 0)

        rig = Rig(Tuning(), pace=Pace, clock=clock, worked=worked)
        for _ in range(4):
            rig.scheduler.prime("double", 8, 50_000)
        for _ in range(10):
            await rig.ask(1.0)
        assert not looks
        takes[0] = 30_000_000  # nobody knows whose time that was
        await rig.ask(1.0)
        assert not looks
        assert rig.engines.most == 0
        await rig.ask(1.0)  # here it is the model's own: the next ones are kept from the loop
        assert looks
        takes[0] = 50_000
        await rig.ask(1.0)
        assert rig.engines.most == 1

    simulate(main())


def test_rows_that_do_not_stack_turn_batching_off() -> None:
    async def main() -> None:
        rig = Rig(MOST)
        whole = rig.backend.run
        rig.backend.run = (
            lambda call, inputs: {  # type: ignore[method-assign]
                name: value[:1] for name, value in whole(call, inputs).items()
            }
        )
        for _ in range(3):
            await asyncio.gather(*(rig.ask(1.0) for _ in range(3)))
        rig.backend.runs.clear()
        await asyncio.gather(*(rig.ask(1.0) for _ in range(3)))
        assert rig.backend.runs == [1, 1, 1]

    simulate(main())


def test_a_quick_model_never_leaves_the_event_loop() -> None:
    async def main() -> None:
        rig = Rig(Tuning(), pace=Pace)
        rig.scheduler.prime("double", 8, 50_000)
        assert (await rig.ask(1.0)).outputs["y"].tolist() == [[2.0]]
        assert rig.engines.most == 0

    simulate(main())


def test_a_slow_model_leaves_the_loop_and_comes_back_only_when_it_is_clearly_quick() -> None:
    pace = Pace()
    for _ in range(8):
        pace.took(100, 3_000_000)
    assert not pace.is_quick(100)
    for _ in range(40):
        pace.took(100, 1_000_000)
    assert not pace.is_quick(100)
    for _ in range(40):
        pace.took(100, 500_000)
    assert pace.is_quick(100)
    for _ in range(40):
        pace.took(100, 1_000_000)
    assert pace.is_quick(100)
    assert not pace.is_quick(100_000)


def test_what_once_held_the_loop_up_is_kept_from_it() -> None:
    pace = Pace()
    for _ in range(8):
        pace.took(100, 50_000)
    assert pace.is_quick(100)
    pace.took(100, 900_000_000)
    for _ in range(500):
        pace.took(100, 50_000)
    assert not pace.is_quick(100)


def test_one_run_held_up_keeps_a_model_from_the_loop_for_a_moment_and_two_for_long() -> None:
    pace = Pace()
    for _ in range(8):
        pace.took(100, 50_000)
    pace.took(100, 30_000_000)
    assert not pace.is_quick(100)
    for _ in range(40):
        pace.took(100, 50_000)
    assert pace.is_quick(100)
    pace.took(100, 30_000_000)
    for _ in range(500):
        pace.took(100, 50_000)
    assert not pace.is_quick(100)


def test_a_run_is_as_long_as_it_worked_unless_it_waited_for_too_long_for_a_chance() -> None:
    assert own(30_000_000, Worked(60_000, 3)) == 60_000
    assert own(50_000, Worked(900_000, 0)) == 50_000  # other threads worked beside it
    assert own(900_000_000, Worked(60_000, 1)) == 900_000_000
    assert own(900_000_000, Worked(60_000, 0)) == 60_000  # it never gave its core up by itself


def test_a_thread_that_sleeps_has_waited_and_one_that_reckons_has_worked() -> None:
    before = worked()
    time.sleep(0.001)
    assert worked().since(before).waits >= 1
    before = worked()
    assert sum(range(500_000)) > 0
    assert worked().since(before).nanoseconds > 0


def test_a_machine_that_takes_the_core_away_does_not_send_a_quick_model_to_threads() -> None:
    async def main() -> None:
        ticks = itertools.count(step=30_000_000)
        rig = Rig(Tuning(), pace=Pace, clock=lambda: next(ticks), worked=lambda: Worked(0, 0))
        rig.scheduler.prime("double", 8, 50_000)
        for _ in range(30):
            await rig.ask(1.0)
        assert rig.engines.most == 0

    simulate(main())
