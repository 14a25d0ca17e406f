"""The response cache: the very same question gets the very same answer, and no other does."""

import asyncio

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from registry.errors import InvalidInput
from runtime.backends.protocol import Array, objects
from runtime.inference.asked import Asked, Outcome
from runtime.inference.cached import Cached, Store, key_of
from runtime.tuning import Batching, Tuning
from tests.runtime import models
from tests.runtime.process import Runtime, pin, running
from tests.runtime.simulated import POISON, Rig, simulate
from tests.runtime.stand_in import StandIn


def ask(cached: Cached, *rows: float, outputs: tuple[str, ...] = ()) -> asyncio.Task[Outcome]:
    asked = Asked("double", {"x": np.array(rows)[:, None]}, outputs)
    return asyncio.get_running_loop().create_task(cached.infer(asked))


def test_the_same_question_does_not_reach_the_engine_again() -> None:
    async def main() -> None:
        rig = Rig(Tuning(batching=Batching(8)))
        cached = Cached(rig.scheduler, 100_000)
        first, other = await ask(cached, 1.0, 2.0), await ask(cached, 3.0, 4.0)
        again = await ask(cached, 1.0, 2.0)
        assert (first.batch, again.batch) == (2, 0)
        assert again.outputs["y"].tolist() == first.outputs["y"].tolist() == [[2.0], [4.0]]
        assert other.outputs["y"].tolist() == [[6.0], [8.0]]
        assert list((await ask(cached, 1.0, 2.0, outputs=("sum",))).outputs) == ["sum"]
        seen = cached.statistics.snapshot()
        assert (seen.cache_hit.count, seen.cache_miss.count) == (1, 3)
        assert (seen.success.count, seen.inference_count) == (4, 6)

    simulate(main())


def test_who_asks_at_once_gets_rows_of_a_batch_that_is_not_kept_whole() -> None:
    async def main() -> None:
        rig = Rig(Tuning(batching=Batching(8)))
        cached = Cached(rig.scheduler, 100_000)
        outcomes = await asyncio.gather(*(ask(cached, float(number)) for number in range(4)))
        assert {one.batch for one in outcomes} == {4}
        for number in range(4):
            kept = (await ask(cached, float(number))).outputs["y"]
            assert kept.tolist() == [[2.0 * number]]
            assert kept.base is None
            with pytest.raises(ValueError, match="read-only"):
                kept[0] = 7

    simulate(main())


def test_what_is_refused_is_asked_again_every_time() -> None:
    async def main() -> None:
        cached = Cached(Rig(Tuning()).scheduler, 100_000)
        for _ in range(2):
            with pytest.raises(InvalidInput):
                await ask(cached, POISON)
        assert cached.statistics.snapshot().cache_miss.count == 2
        assert cached.store.held == (0, 0)
        await ask(cached, 1.0)
        cached.close()
        assert cached.store.held == (0, 0)

    simulate(main())


def test_a_large_question_is_hashed_off_the_loop_and_found_again() -> None:
    async def main() -> None:
        cached = Cached(Rig(Tuning()).scheduler, 100 << 20)
        rows = [float(number) for number in range(200_000)]
        first, again = await ask(cached, *rows), await ask(cached, *rows)
        assert again.batch == 0
        assert np.array_equal(first.outputs["y"], again.outputs["y"])

    asyncio.run(main())


answers = st.lists(
    st.tuples(st.binary(min_size=1, max_size=1), st.integers(0, 300), st.booleans()), max_size=60
)


@given(answers, st.integers(1, 5000))
def test_it_holds_no_more_than_its_bytes_and_what_it_gives_is_what_was_put(
    puts: list[tuple[bytes, int, bool]], limit: int
) -> None:
    store, told = Store(limit), {}
    for key, size, is_text in puts:
        text = objects([b"x" * size], (1,))
        output: Array = text if is_text else np.full(size, key[0], np.uint8)
        found = store.get(key)
        if found is None:
            store.put(key, {"y": output})
            told[key] = output
        else:
            assert found["y"].tolist() == told[key].tolist()
        count, held = store.held
        assert 0 <= held <= limit
        assert (held == 0) == (count == 0)


def test_who_was_not_asked_for_longest_goes_first() -> None:
    store = Store(2000)
    for key in (b"a", b"b"):
        store.put(key, {"y": np.zeros(200, np.uint8)})
    assert store.get(b"a") is not None
    store.put(b"c", {"y": np.zeros(200, np.uint8)})
    assert [store.get(key) is not None for key in (b"a", b"b", b"c")] == [True, False, True]


texts = st.lists(st.binary(max_size=4), max_size=4).map(lambda items: objects(items, (len(items),)))
numbers = arrays.arrays(
    st.sampled_from([np.dtype("int8"), np.dtype("uint8"), np.dtype("float16"), np.dtype("bool")]),
    arrays.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3),
)
questions = st.builds(
    Asked,
    st.sampled_from(["serve", "score"]),
    st.dictionaries(st.sampled_from(["a", "b", "ab"]), st.one_of(texts, numbers), max_size=2),
    st.sampled_from([(), ("y",), ("y", "z")]),
)


def told(asked: Asked) -> object:
    """All that an answer can depend on."""
    inputs = [
        (name, str(one.dtype), one.shape, one.tolist() if one.dtype == object else one.tobytes())
        for name, one in sorted(asked.inputs.items())
    ]
    return asked.call, asked.outputs, inputs


@given(questions, questions)
def test_keys_are_equal_where_questions_are_and_nowhere_else(one: Asked, other: Asked) -> None:
    assert (key_of(one) == key_of(other)) == (told(one) == told(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (objects([b"ab", b"c"], (2,)), objects([b"a", b"bc"], (2,))),
        (np.zeros((1, 4), np.uint8), np.zeros((4, 1), np.uint8)),
        (np.zeros(2, np.int16), np.zeros(2, np.uint16)),
        (np.array([0.0]), np.array([-0.0])),
    ],
)
def test_what_has_the_same_bytes_is_not_the_same_question(one: Array, other: Array) -> None:
    assert key_of(Asked("c", {"x": one})) != key_of(Asked("c", {"x": other}))


def test_a_view_and_its_copy_are_the_same_question() -> None:
    whole = np.arange(12).reshape(3, 4)
    assert key_of(Asked("c", {"x": whole.T})) == key_of(Asked("c", {"x": whole.T.copy()}))


def test_a_declared_cache_is_seen_in_config_statistics_and_metrics_and_never_across_versions(
    registry: StandIn, runtime: Runtime
) -> None:
    declared = {"cache": {"bytes": 1_000_000}}
    runtime.models = [
        pin(registry.publish(models.onnx_digits())) | declared,
        pin(registry.publish(models.onnx_digits(shuffled=True), version=2), active=False)
        | declared,
    ]
    body = {"instances": [[0.5] * 64]}
    with running(runtime):
        runtime.until(lambda: runtime.get("/readyz").status_code == 200)
        runtime.until_state("AVAILABLE", version=2)
        answers = [runtime.post("/v1/models/digits:predict", body).content for _ in range(3)]
        assert len(set(answers)) == 1
        assert runtime.get("/v2/models/digits/config").json()["response_cache"] == {"enable": True}
        (stats,) = runtime.get("/v2/models/digits/stats").json()["model_stats"]
        assert stats["inference_stats"]["cache_hit"]["count"] == 2
        assert stats["inference_stats"]["cache_miss"]["count"] == 1
        page = runtime.get("/metrics").text
        at = '{model="digits",version="1"}'
        assert f"nv_cache_num_hits_per_model{at} 2.0" in page
        assert f"nv_cache_num_misses_per_model{at} 1.0" in page
        assert f"plimsoll_cache_entries{at} 1.0" in page
        assert runtime.control("POST", "digits/versions/2/activate").status_code == 200
        assert runtime.post("/v1/models/digits:predict", body).content != answers[0]
