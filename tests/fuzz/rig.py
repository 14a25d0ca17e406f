"""A whole runtime without sockets: bytes go in as a client sends them, answers come out."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from registry.core.tensors import Tensor
from runtime import config
from runtime.config import Config, Pin
from runtime.control import Control
from runtime.inference.means import Means, Places
from runtime.inference.scheduler import Scheduler
from runtime.limits import Limits
from runtime.protocols import warmup_files
from runtime.protocols.datatypes import NAMES
from runtime.protocols.grpc.calls import Call, Code, Ending, Unary
from runtime.protocols.grpc.methods import Methods
from runtime.protocols.http import Answer
from runtime.room import Room
from runtime.server import Application
from runtime.serving import Serving
from runtime.table import Slot, State
from runtime.tuning import DEFAULT_TUNING
from runtime.wire.reading import Reader
from tests.runtime.mirror import Mirror

# A model for each type of tensor, and one that takes two of them.
MODELS = (*sorted(NAMES), "two")
BODY_LIMIT = 1 << 20
CONTROL_TOKEN = "control"


class Rig:
    """Loop and runtime; used from one thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, application: Application,
                 methods: Methods) -> None:  # fmt: skip
        self._loop = loop
        self._application = application
        self._methods = methods
        self._room = Room(8 * BODY_LIMIT)

    def http(self, data: bytes) -> list[Answer]:
        """What a connection that sends `data` is answered."""
        reader = Reader(body_limit=BODY_LIMIT, room=self._room)
        fault = reader.feed(data)
        reader.closed()
        found = [
            self._loop.run_until_complete(self._application.answer(request))
            for request in reader.requests
        ]
        if fault is not None:
            found.append(self._application.refusal(fault.path, fault.error))
        return found

    def grpc(self, path: bytes, message: bytes) -> bytes | Ending:
        """What a call is answered."""
        method = self._methods.find(path)
        assert isinstance(method, Unary)
        return self._loop.run_until_complete(_settled(method, message))


async def _settled(method: Unary, message: bytes) -> bytes | Ending:
    return await method.answer(Call({}, None), message)


def require_no_defect(answers: list[Answer]) -> None:
    """Whatever came, it was answered, or refused as the client's fault."""
    for answer in answers:
        assert answer.status != 500, answer.body


def require_no_defect_in_call(answer: bytes | Ending) -> None:
    """The same of gRPC."""
    if isinstance(answer, Ending):
        assert answer.code not in {Code.INTERNAL, Code.UNKNOWN}, answer.text


@contextmanager
def rig() -> Iterator[Rig]:
    """Models that give back what they get, under the names of `MODELS`."""
    loop = asyncio.new_event_loop()
    with TemporaryDirectory() as folder:
        file = Path(folder, "runtime.json")
        loaded = _config(Path(folder))
        engine = ThreadPoolExecutor(1)
        application, methods = loop.run_until_complete(_started(loaded, file, engine))
        try:
            yield Rig(loop, application, methods)
        finally:
            engine.shutdown()
            loop.close()


def _config(folder: Path) -> Config:
    (folder / "token").write_text("token")
    (folder / "control").write_text(CONTROL_TOKEN)
    return config.Config(
        listen="127.0.0.1:0",
        cache=folder / "cache",
        registry="http://127.0.0.1:1",
        token_file=folder / "token",
        trust_file=folder / "trust.json",
        host="here",
        models=(),
        control_token_file=folder / "control",
        limits=Limits(body_bytes=BODY_LIMIT),
    )


async def _started(
    loaded: Config, file: Path, engine: ThreadPoolExecutor
) -> tuple[Application, Methods]:
    serving = Serving(loaded, cores=1, recorded=warmup_files.Reader(BODY_LIMIT).read)
    for model in MODELS:
        _serve(serving, model, engine)
    application = Application(serving, Control(serving, loaded, path=file))
    return application, Methods(serving, application)


def _serve(serving: Serving, model: str, engine: ThreadPoolExecutor) -> None:
    shape = (None, 2)
    two = (Tensor("a", "float32", shape), Tensor("b", "int64", (None,)))
    backend = Mirror(*(two if model == "two" else (Tensor("x", model, shape),)))
    pin = Pin(model, 1, "sha256:" + "0" * 64, "onnx", active=True)
    slot = Slot(pin, State.AVAILABLE)
    slot.backend = backend
    means = Means(engine, 1, Places(16), 30.0)
    slot.scheduler = Scheduler(backend, DEFAULT_TUNING, means, [serving.observatory.of(pin)])
    # Measured quick, so that it runs on the loop and an input is one straight way.
    slot.scheduler.prime("serving_default", 1, 1000)
    serving.table.put(slot)
    serving.table.activate(model, 1)
