"""gRPC when all does not go well: the server itself, in this process, before an engine made up."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf.json_format import MessageToDict

from registry import errors
from runtime.inference.asked import Asked, Outcome
from runtime.observing import current
from runtime.protocols import open_inference_models
from runtime.protocols.grpc import messages, models
from runtime.protocols.grpc.methods import Methods
from runtime.protocols.grpc.terms import Context
from runtime.protocols.open_inference_plan import Plans
from runtime.tuning import Batching, Tuning
from runtime.wire.http2.server import Server
from tests.runtime.grpc_echo import (
    PREDICT_REQUEST,
    REQUEST,
    RESPONSE,
    STREAMED,
    Doorkeeper,
    echoed,
    serving,
)

INFER = "/inference.GRPCInferenceService/ModelInfer"
STREAM = "/inference.GRPCInferenceService/ModelStreamInfer"
PREDICT = "/tensorflow.serving.PredictionService/Predict"


def infer(**changes: Any) -> bytes:
    x = {"name": "x", "datatype": "FP32", "shape": [1, 2]}
    whole = {"model_name": "m", "inputs": [x], "raw_input_contents": [bytes(8)], **changes}
    return bytes(REQUEST(**whole).SerializeToString())


def predict(**inputs: Any) -> bytes:
    shape = {"dim": [{"size": 1}, {"size": 2}]}
    whole = inputs or {"x": {"dtype": 1, "tensor_shape": shape, "tensor_content": bytes(8)}}
    return bytes(PREDICT_REQUEST(model_spec={"name": "m"}, inputs=whole).SerializeToString())


Conversation = Callable[[grpc.aio.Channel, Server], Awaitable[Any]]


def talk(stub: Any, conversation: Conversation, doors: Doorkeeper | None = None) -> Any:
    """What `conversation` returns, with a server that it can reach."""

    async def main() -> Any:
        server = Server(Methods(stub, doors or Doorkeeper()).find, stub.limits)
        port = await server.start(("127.0.0.1", 0))
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            found = await asyncio.wait_for(conversation(channel, server), 60)
        await server.stop(seconds=0)
        return found

    return asyncio.run(main())


async def refused(channel: grpc.aio.Channel, method: str, data: bytes) -> tuple[str, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await channel.unary_unary(method)(data)
    return caught.value.code().name, caught.value.details() or ""


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [
        (errors.InvalidInput("no"), "INVALID_ARGUMENT", 400),
        (errors.Busy("no"), "RESOURCE_EXHAUSTED", 429),
        (errors.TooLarge("no"), "RESOURCE_EXHAUSTED", 413),
        (errors.Unavailable("no"), "UNAVAILABLE", 503),
        (errors.WaitTimedOut("no"), "DEADLINE_EXCEEDED", 504),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_an_inference_is_refused_with_has_its_code_and_is_counted(
    error: errors.PlimsollError, code: str, status: int
) -> None:
    async def act(asked: Asked) -> Outcome:
        raise error

    async def conversation(channel: grpc.aio.Channel, server: Server) -> None:
        assert await refused(channel, INFER, infer()) == (code, "no")
        assert await refused(channel, PREDICT, predict()) == (code, "no")

    stub = serving(act)
    talk(stub, conversation)
    counted = f'plimsoll_requests_total{{model="m",status="{status}",version="1"}} 2.0'
    assert counted in stub.metrics.own().decode()
    assert f'{{model_name="m",status="{code}"}} 1.0' in stub.metrics.tensorflow.page().decode()
    assert 'entrypoint="GRPC"' in stub.metrics.tensorflow.page().decode()


def test_a_client_that_leaves_ends_its_inference() -> None:
    started, ended = asyncio.Event(), asyncio.Event()

    async def act(asked: Asked) -> Outcome:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        raise AssertionError("it waits for ever")

    async def conversation(channel: grpc.aio.Channel, server: Server) -> None:
        for method, data in ((INFER, infer()), (PREDICT, predict())):
            call = channel.unary_unary(method)(data)
            await started.wait()
            call.cancel()
            await ended.wait()
            started.clear()
            ended.clear()

    stub = serving(act)
    talk(stub, conversation)
    assert "plimsoll_requests_total{" not in stub.metrics.own().decode()


def test_an_inference_knows_how_long_its_client_waits_and_who_it_is() -> None:
    seen: list[tuple[float, str]] = []

    async def act(asked: Asked) -> Outcome:
        seen.append((asked.timeout_seconds or 0, current.current().id))
        return await echoed(asked)

    async def conversation(channel: grpc.aio.Channel, server: Server) -> None:
        named = (("x-request-id", "by-header"),)
        ask = channel.unary_unary(INFER)
        await ask(infer(id="by-body"), timeout=80, metadata=named)
        await ask(infer(id="by-body", parameters={"timeout": {"int64_param": 2_000_000}}))
        await channel.unary_unary(PREDICT)(predict(), timeout=80, metadata=named)
        stream = channel.stream_stream(STREAM)(iter([infer(id="1"), infer(id="2")]), timeout=80)
        assert [STREAMED.FromString(data).infer_response.id async for data in stream] == ["1", "2"]

    talk(serving(act), conversation)
    assert [name for _, name in seen] == ["by-header", "by-body", "by-header", "1", "2"]
    times = [seconds for seconds, _ in seen]
    assert times.pop(1) == 2
    assert all(0 < seconds < 81 for seconds in times)


def test_a_defect_costs_one_answer_is_logged_and_tells_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def act(asked: Asked) -> Outcome:
        raise RuntimeError("a secret")

    async def conversation(channel: grpc.aio.Channel, server: Server) -> None:
        assert await refused(channel, INFER, infer()) == ("INTERNAL", "internal error")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            _ = [data async for data in channel.stream_stream(STREAM)(iter([infer()]))]
        assert caught.value.code() is grpc.StatusCode.INTERNAL
        assert caught.value.details() == "internal error"

    with caplog.at_level(logging.ERROR, "plimsoll.runtime"):
        talk(serving(act), conversation)
    assert [record.message for record in caplog.records] == ["gRPC request failed"] * 2


def test_a_stop_lets_an_inference_finish() -> None:
    started, going_on = asyncio.Event(), asyncio.Event()

    async def act(asked: Asked) -> Outcome:
        started.set()
        await going_on.wait()
        return await echoed(asked)

    async def conversation(channel: grpc.aio.Channel, server: Server) -> bytes:
        call = channel.unary_unary(INFER)(infer())
        await started.wait()
        stopping = asyncio.create_task(server.stop(seconds=60))
        await asyncio.sleep(0)
        going_on.set()
        answer: bytes = await call
        await stopping
        return answer

    found = RESPONSE.FromString(talk(serving(act), conversation))
    assert list(found.raw_output_contents) == [bytes(8)]


def test_a_long_complaint_reaches_the_client() -> None:
    async def conversation(channel: grpc.aio.Channel, server: Server) -> None:
        code, said = await refused(channel, PREDICT, predict(**{"ü" * 20_000: {"dtype": 1}}))
        assert code == "INVALID_ARGUMENT"
        assert said.startswith("input size does not match signature")

    talk(serving(), conversation)


def test_a_configuration_is_the_one_that_http_tells_of() -> None:
    batching = Batching(max_batch_size=8, preferred_sizes=(4, 8), delay_microseconds=100)
    stub = serving(tuning=Tuning(batching=batching))
    context = Context(stub, preview=False, seconds=None)
    asked = messages.of("inference.ModelRequest")(name="m").SerializeToString()
    found = messages.of("inference.ModelConfigResponse").FromString(
        asyncio.run(models.configuration(context, asked))
    )
    told = MessageToDict(
        found.config, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    slot = stub.table.active("m")
    over_http = open_inference_models.configuration(slot, Plans().of(slot))
    assert over_http.pop("parameters") == {}
    assert numbered(over_http) == numbered(told)


def numbered(value: Any) -> Any:
    """With whole numbers as JSON's mapping of messages has large ones: as strings."""
    match value:
        case dict():
            return {name: numbered(one) for name, one in value.items()}
        case list():
            return [numbered(one) for one in value]
    return str(value) if isinstance(value, int) else value


def test_models_are_loaded_and_unloaded_by_whom_shows_the_token() -> None:
    doorkeeper = Doorkeeper()
    kind = messages.of("inference.RepositoryModelRequest")
    plain = kind(model_name="m").SerializeToString()
    unplain = kind(model_name="m", parameters={"config": {"string_param": "{}"}})

    async def conversation(channel: grpc.aio.Channel, server: Server) -> list[str]:
        async def asked(act: str, data: bytes, *shown: tuple[str, str]) -> str:
            path = f"/inference.GRPCInferenceService/RepositoryModel{act}"
            try:
                await channel.unary_unary(path)(data, metadata=shown)
            except grpc.aio.AioRpcError as error:
                return f"{error.code().name}: {error.details()}"
            return ""

        key = ("authorization", "Bearer key")
        return [
            await asked("Load", plain, key),
            await asked("Unload", plain, key),
            await asked("Load", plain, ("authorization", "Bearer other")),
            await asked("Load", plain),
            await asked("Load", unplain.SerializeToString(), key),
        ]

    loaded, unloaded, wrong, bare, configured = talk(serving(), conversation, doorkeeper)
    assert (loaded, unloaded) == ("", "")
    assert doorkeeper.changes == [("load", "m"), ("unload", "m")]
    assert wrong.startswith("UNAUTHENTICATED")
    assert bare.startswith("PERMISSION_DENIED: failed to load 'm'")
    assert configured.startswith("INVALID_ARGUMENT: failed to load 'm': the parameter 'config'")


def test_health_is_told_again_when_it_changes_until_the_process_goes_down() -> None:
    stub, ready = serving(), [True]
    stub.is_ready = lambda: ready[0]
    kind = messages.of("grpc.health.v1.HealthCheckRequest")

    async def conversation(channel: grpc.aio.Channel, server: Server) -> list[int]:
        watch = channel.unary_stream("/grpc.health.v1.Health/Watch")
        unknown = watch(kind(service="nobody").SerializeToString())
        said = [await unknown.read()]
        call = watch(kind(service="inference.GRPCInferenceService").SerializeToString())
        said.append(await call.read())
        ready[0] = False
        said.append(await call.read())
        stub.is_draining = True
        assert await call.read() is grpc.aio.EOF
        assert await call.code() is grpc.StatusCode.OK
        return [messages.of("grpc.health.v1.HealthCheckResponse").FromString(one).status
                for one in said]  # fmt: skip

    assert talk(stub, conversation) == [3, 1, 2]
