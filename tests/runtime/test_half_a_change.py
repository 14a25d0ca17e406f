"""Changes of process mode are whole: for who is gone before the answer, and for who restarts."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from runtime import config
from runtime.control import Control
from runtime.policy import All
from runtime.protocols.http import Answer, Request
from runtime.serving import Serving
from runtime.table import Slot, State
from tests.runtime.process import CONTROL_TOKEN

DIGEST = "sha256:" + "a" * 64
VERSION = "/plimsoll/models/digits/versions/1"


class Disk(type(Path())):  # type: ignore[misc]
    """Where the configuration file lies; each write waits for `turns`, and is counted."""

    turns: threading.Semaphore
    begun: threading.Event
    writes = 0

    def with_name(self, name: str) -> Path:
        Disk.writes += 1
        Disk.begun.set()
        assert Disk.turns.acquire(timeout=60)
        return Path(self).with_name(name)


@pytest.fixture
def file(tmp_path: Path) -> Disk:
    (tmp_path / "control").write_text(CONTROL_TOKEN)
    document = {
        "listen": "127.0.0.1:1",
        "cache": str(tmp_path / "cache"),
        "image": str(tmp_path / "no-image"),
        "trustFile": str(tmp_path / "trust.json"),
        "host": "edge-1",
        "models": [{"model": "digits", "version": 1, "digest": DIGEST, "format": "onnx",
                    "active": False, "deployment": "production/digits"}],
        "controlTokenFile": str(tmp_path / "control"),
    }  # fmt: skip
    (tmp_path / "runtime.json").write_text(json.dumps(document))
    Disk.turns, Disk.begun, Disk.writes = threading.Semaphore(100), threading.Event(), 0
    return Disk(tmp_path / "runtime.json")


def with_control(file: Path, scenario: Callable[[Serving, Control], Awaitable[None]]) -> None:
    async def run() -> None:
        loaded = config.read(file)
        serving = Serving(loaded, cores=1, recorded=lambda *_: [])
        await scenario(serving, Control(serving, loaded, path=file))

    asyncio.run(run())


def request(method: str, path: str, body: object) -> Request:
    shown = {b"authorization": f"Bearer {CONTROL_TOKEN}".encode()}
    return Request(method, path, shown, json.dumps(body).encode())


def document(answer: Answer) -> object:
    return json.loads(answer.body)


def test_a_change_is_made_whole_though_whoever_asked_is_killed_before_the_answer(
    file: Disk,
) -> None:
    Disk.turns = threading.Semaphore(0)

    async def scenario(serving: Serving, control: Control) -> None:
        wish = request("PUT", "/plimsoll/models/digits/policy", {"versions": "all"})
        asking = asyncio.create_task(control.answer(wish))
        await asyncio.to_thread(Disk.begun.wait)
        asking.cancel()
        with suppress(asyncio.CancelledError):
            await asking
        Disk.turns.release(100)
        # Waits for its turn behind the first, and finds in effect what the file says.
        label = request("PUT", "/plimsoll/models/digits/labels/stable", {"version": 1})
        assert (await control.answer(label)).status == 200
        assert serving.table.policy("digits").versions == All()
        assert config.read(file).policies["digits"].versions == All()

    with_control(file, scenario)


def test_what_is_pinned_and_not_up_is_pinned_once_when_it_is_loaded(file: Disk) -> None:
    """Such as after Triton's unload. Pinned twice, the file would not be read any more."""

    async def scenario(serving: Serving, control: Control) -> None:
        body = {"digest": DIGEST, "format": "onnx", "threads": 2}
        assert (await control.answer(request("PUT", VERSION, body))).status == 202
        (known,) = config.read(file).models
        assert (known.tuning.threads, known.deployment) == (2, "production/digits")
        assert serving.table.get("digits", 1) is not None
        await serving.end(serving.table.require("digits", 1))
        other = {"digest": "sha256:" + "b" * 64, "format": "onnx"}
        answer = await control.answer(request("PUT", VERSION, other))
        assert (answer.status, "is here as" in str(document(answer))) == (409, True)

    with_control(file, scenario)


def test_labels_move_with_the_traffic_in_one_write(file: Disk) -> None:
    async def scenario(serving: Serving, control: Control) -> None:
        slot = Slot(config.read(file).models[0])
        slot.state = State.AVAILABLE
        serving.table.put(slot)
        told = request("POST", f"{VERSION}/activate", {"labels": {"stable": 1}})
        assert (await control.answer(told)).status == 200
        assert Disk.writes == 1
        found = config.read(file)
        assert (found.models[0].active, found.policies["digits"].labels) == (True, {"stable": 1})
        assert serving.table.labels("digits") == {"stable": 1}
        assert (await control.answer(request("POST", f"{VERSION}/activate", None))).status == 200
        assert serving.table.labels("digits") == {"stable": 1}

    with_control(file, scenario)
