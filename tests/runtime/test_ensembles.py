"""Ensembles: models of models, served under their own name, by members on the same host."""

import asyncio
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from registry.core import canonical, ensemble
from registry.core.ensemble import Member
from registry.errors import InvalidInput, Unavailable, WaitTimedOut
from runtime.backends.protocol import DEFAULT_CALL
from runtime.inference.asked import Asked, Outcome, Times
from runtime.inference.chain import Chain
from tests.core.publication import Publication
from tests.runtime import models
from tests.runtime.clients.environment import seen
from tests.runtime.process import ROOT, Runtime, pin, running
from tests.runtime.stand_in import StandIn

DIGEST = "sha256:" + "a" * 64
VECTOR = {"dtype": "float32", "shape": [None]}


def step(model: str, digest: str, inputs: dict[str, str], outputs: dict[str, str]) -> Any:
    return {
        "model": model, "version": 1, "digest": digest, "inputMap": inputs, "outputMap": outputs
    }  # fmt: skip


def document(two: str = DIGEST, sums: str = DIGEST) -> dict[str, Any]:
    """(left + right) and (left - right), and then their sum: twice what is on the left."""
    return {
        "version": 1,
        "inputs": [VECTOR | {"name": "left"}, VECTOR | {"name": "right"}],
        "outputs": [VECTOR | {"name": "answer"}],
        "steps": [
            step("two", two, {"a": "left", "b": "right"}, {"sum": "s", "less": "d"}),
            step("sums", sums, {"a": "s", "b": "d"}, {"sum": "answer"}),
        ],
    }


def files(found: dict[str, Any]) -> dict[str, bytes]:
    return {"plimsoll_ensemble.json": canonical.encode(found)}


@pytest.fixture
def members(registry: StandIn) -> Mapping[str, Publication]:
    return {
        name: registry.publish(models.onnx_two_inputs(), model=name) for name in ("two", "sums")
    }


@pytest.fixture
def chain(registry: StandIn, members: Mapping[str, Publication]) -> Publication:
    digests = (members[name].wanted.digest for name in ("two", "sums"))
    return registry.publish(files(document(*digests)), model="chain", format="ensemble")


def body() -> dict[str, Any]:
    return {"inputs": {"left": [3.0], "right": [4.0]}}


def test_a_stock_client_asks_an_ensemble_and_sees_its_members_count(
    runtime: Runtime, members: Mapping[str, Publication], chain: Publication
) -> None:
    runtime.models = [pin(chain), *map(pin, members.values())]
    runtime.more = {"grpcListen": runtime.grpc}
    with running(runtime):
        runtime.until(lambda: runtime.get("/readyz").status_code == 200)
        told = seen("with_ensemble.py", f"127.0.0.1:{runtime.port}", runtime.grpc)
        assert told["http"] == told["grpc"] == [6.0]
        assert told["metadata"]["inputs"][0] == {
            "name": "left", "datatype": "FP32", "shape": [-1]
        }  # fmt: skip
        assert told["platform"] == "ensemble"
        assert told["counts"] == {"chain": 2, "two": 2, "sums": 2}
        answer = runtime.post("/v1/models/chain:predict", body())
        assert answer.json() == {"outputs": [6.0]}
        refused = runtime.control("DELETE", "two/versions/1")
        assert refused.status_code == 409
        assert "two@1 is a member of chain@1" in refused.json()["detail"]
        assert runtime.control("DELETE", "chain/versions/1").status_code == 204
        assert runtime.control("DELETE", "two/versions/1").status_code == 204


def test_an_ensemble_waits_for_its_members_and_names_the_one_that_is_missing(
    runtime: Runtime, members: Mapping[str, Publication], chain: Publication
) -> None:
    runtime.models = [pin(members["two"]), pin(chain)]
    with running(runtime):
        runtime.until(lambda: "sums@1, which is not on this host" in reason(runtime))
        assert runtime.get("/v1/models/two").status_code == 200
        assert runtime.post("/v1/models/chain:predict", body()).status_code == 503
        pinned = pin(members["sums"])
        asked = {"digest": pinned["digest"], "format": "onnx"}
        assert runtime.control("PUT", "sums/versions/1", asked).status_code == 202
        runtime.until(lambda: runtime.get("/readyz").status_code == 200)
        assert runtime.post("/v1/models/chain:predict", body()).json() == {"outputs": [6.0]}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"digest": "sha256:" + "0" * 64}, "its member two@1 is here as sha256:"),
        ({"inputMap": {"a": "left", "q": "right"}}, "names 'q', which that model has not"),
        ({"inputMap": {"a": "left", "b": "answer"}}, "takes 'answer', which nothing before it"),
    ],
)
def test_an_ensemble_that_does_not_fit_is_refused_and_its_members_serve(
    registry: StandIn,
    runtime: Runtime,
    members: Mapping[str, Publication],
    changed: dict[str, Any],
    said: str,
) -> None:
    found = document(*(members[name].wanted.digest for name in ("two", "sums")))
    found["steps"][0] |= changed
    broken = registry.publish(files(found), model="chain", format="ensemble")
    runtime.models = [pin(broken), *map(pin, members.values())]
    with running(runtime):
        runtime.until(lambda: said in reason(runtime))
        assert runtime.post("/v1/models/two:predict", {"inputs": {"a": [1.0], "b": [2.0]}}).json()
        assert runtime.post("/v1/models/chain:predict", body()).status_code == 404


def reason(runtime: Runtime) -> str:
    listed = runtime.get("/plimsoll/status").json()["models"]
    return next(str(one["reason"]) for one in listed if one["model"] == "chain")


def asked_of(chain: Chain, **more: Any) -> Outcome:
    inputs = {"left": np.ones(1, np.float32), "right": np.ones(1, np.float32)}
    return asyncio.run(chain.infer(Asked(DEFAULT_CALL, inputs, **more)))


def made(ask: Any, *, seconds: float = 60) -> Chain:
    found = ensemble.parse(canonical.encode(document()))
    return Chain(found, ask, lambda _: "", deadline_seconds=seconds)


def test_what_a_member_refuses_is_told_with_its_name() -> None:
    async def ask(member: Member, asked: Asked) -> Outcome:
        if member.model == "sums":
            raise InvalidInput("input 'a' is odd")
        return Outcome({name: np.ones(1) for name in asked.outputs}, Times(0, 0, 0, 0))

    chain = made(ask)
    with pytest.raises(InvalidInput, match="sums@1: input 'a' is odd"):
        asked_of(chain)
    assert chain.statistics.snapshot().fail.count == 1


def test_a_member_that_is_gone_and_one_that_takes_all_the_time_are_said() -> None:
    async def gone(member: Member, asked: Asked) -> Outcome:
        raise Unavailable(f"{member} is not served here")

    async def slow(member: Member, asked: Asked) -> Outcome:
        assert asked.timeout_seconds is not None
        await asyncio.sleep(asked.timeout_seconds)
        return Outcome({name: np.ones(1) for name in asked.outputs}, Times(0, 0, 0, 0))

    with pytest.raises(Unavailable, match="two@1 is not served here"):
        asked_of(made(gone))
    with pytest.raises(WaitTimedOut, match="no time was left for sums@1"):
        asked_of(made(slow, seconds=0.5))


def test_branches_run_at_the_same_time_and_the_failure_of_one_ends_the_other() -> None:
    ended = []

    async def ask(member: Member, asked: Asked) -> Outcome:
        try:
            if member.model == "bad":
                await asyncio.sleep(0.001)
                raise InvalidInput("no")
            await asyncio.sleep(30)
        finally:
            ended.append(member.model)
        raise AssertionError

    found = document()
    found["steps"] = [
        step("good", DIGEST, {"a": "left"}, {"b": "l"}),
        step("bad", DIGEST, {"a": "right"}, {"b": "r"}),
        step("join", DIGEST, {"a": "l", "b": "r"}, {"c": "answer"}),
    ]
    chain = Chain(ensemble.parse(canonical.encode(found)), ask, lambda _: "", deadline_seconds=60)
    with pytest.raises(InvalidInput, match="bad@1: no"):
        asked_of(chain)
    assert ended == ["bad", "good"]


def test_the_example_in_the_documentation_can_be_read() -> None:
    page = (ROOT / "docs" / "runtime" / "ensembles.md").read_text()
    found = ensemble.parse(page.split("```json\n", 1)[1].split("```", 1)[0].encode())
    assert [str(member) for member in found.members] == ["eyes@3", "nose@1", "verdict@7"]
