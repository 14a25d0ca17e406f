"""A batched model's lone client pays nothing for batches, and a crowd is still gathered."""

import asyncio

from runtime.inference.company import LOOKED_AT
from runtime.inference.pace import Pace
from runtime.tuning import Batching, Tuning
from tests.runtime.simulated import Rig, simulate


def test_who_comes_alone_waits_for_nobody_and_two_together_are_gathered_again() -> None:
    async def turns_of(rig: Rig) -> int:
        task, turns = rig.ask(1.0), 0
        while not task.done():
            await asyncio.sleep(0)
            turns += 1
        return turns

    async def main() -> None:
        rig = Rig(Tuning(batching=Batching(8)), pace=Pace)
        rig.scheduler.prime("double", 8, 1000)
        gathered = await turns_of(rig)
        for _ in range(100):
            await turns_of(rig)
        assert await turns_of(rig) < gathered
        before = len(rig.backend.runs)
        for _ in range(5):
            await asyncio.wait([rig.ask(float(number)) for number in range(4)])
        crowd = rig.backend.runs[before:]
        assert sum(crowd) == 20
        assert crowd.count(1) <= LOOKED_AT, "found within as many requests as are let pass"
        assert crowd[-2:] == [4, 4]
        assert await turns_of(rig) == gathered

    simulate(main())
