"""SIGKILL at bad moments: nothing acknowledged is lost, nothing is there by half."""

import base64
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from registry.core import envelope, merkle, trustroot
from registry.settings import Settings
from tests.registry.publishing import Publisher, digest_of, onnx_model, upload
from tests.registry.serving import kill, running

DATA = os.urandom(24 * 1024**2)
FILES = {"model.onnx": onnx_model()}


def test_an_upload_goes_on_after_a_kill_in_its_middle(tmp_path: Path) -> None:
    with running(tmp_path) as (client, process):
        location = client.post("/v1/uploads").headers["location"]

        def dying() -> Iterator[bytes]:
            yield DATA[: 16 * 1024**2]
            until_some_is_taken(client, location)
            kill(process)
            yield DATA[16 * 1024**2 :]

        with pytest.raises(httpx2.TransportError):
            client.patch(location, content=dying())

    with running(tmp_path) as (client, _):
        offset = int(client.get(location).headers["upload-offset"])
        assert 0 < offset <= 16 * 1024**2
        rest = {"Content-Range": f"{offset}-{len(DATA) - 1}"}
        digest = digest_of(DATA)
        answer = client.put(
            location, params={"digest": digest}, content=DATA[offset:], headers=rest
        )
        assert answer.status_code == 201
        assert client.get(f"/v1/blobs/{digest}").content == DATA


def until_some_is_taken(client: httpx2.Client, location: str) -> int:
    """What was sent may lie anywhere; what counts is what the process has written."""
    end = time.monotonic() + 60
    while not (taken := int(client.get(location).headers["upload-offset"])):
        assert time.monotonic() < end
        time.sleep(0.01)
    return taken


def test_no_acknowledged_version_is_lost_however_often_it_is_killed(tmp_path: Path) -> None:
    alice = Publisher()
    alice.list_in(Settings(tmp_path).publishers_file)
    acknowledged: dict[int, str] = {}
    checkpoint = (0, b"")
    round_ = 0
    while round_ < 5 or not acknowledged:
        with running(tmp_path) as (client, process):
            checkpoint = checked_state(client, tmp_path, acknowledged, checkpoint)
            upload(client, FILES["model.onnx"])
            # Ever later, until even a busy machine has acknowledged something by then.
            moment = 0.2 * 1.6**round_
            round_ += 1
            timer = threading.Timer(moment, kill, [process])
            timer.start()
            publish_until_killed(client, alice, acknowledged)
            timer.join()
    with running(tmp_path) as (client, _):
        checked_state(client, tmp_path, acknowledged, checkpoint)
    assert acknowledged


def publish_until_killed(
    client: httpx2.Client, alice: Publisher, acknowledged: dict[int, str]
) -> None:
    try:
        while True:
            answer = client.post("/v1/models/digits/versions", json=alice.body(FILES))
            assert answer.status_code == 201, answer.text
            acknowledged[answer.json()["version"]] = answer.json()["digest"]
    except httpx2.TransportError:
        return


def listed(client: httpx2.Client) -> Iterator[dict[str, Any]]:
    """All versions there are."""
    token: str | None = ""
    while token is not None:
        page = client.get("/v1/versions", params={"pageToken": token}).json()
        yield from page["versions"]
        token = page["nextPageToken"]


def checked_state(
    client: httpx2.Client, data_dir: Path, acknowledged: dict[int, str], before: tuple[int, bytes]
) -> tuple[int, bytes]:
    """Every promise that was made still holds; returns the log's (size, root)."""
    versions = {one["version"]: one["digest"] for one in listed(client)}
    assert acknowledged.items() <= versions.items()
    trust = trustroot.parse(Settings(data_dir).trust_file.read_bytes())
    for number, digest in versions.items():
        sent = client.get(f"/v1/models/digits/versions/{number}/bundle").content
        wanted = envelope.Wanted("digits", number, digest)
        assert isinstance(envelope.verify(sent, trust, wanted), envelope.Verified)
    published = [
        leaf
        for entry in client.get("/log/entries", params={"limit": 1000}).json()["entries"]
        if b'"kind":"published"' in (leaf := base64.b64decode(entry["leaf"]))
    ]
    assert len(published) == len(versions)
    lines = client.get("/log/checkpoint").text.split("\n")
    now = int(lines[1]), base64.b64decode(lines[2])
    if before[0]:
        answer = client.get("/log/consistency", params={"from": before[0], "to": now[0]})
        proof = [base64.b64decode(one) for one in answer.json()["hashes"]]
        merkle.check_consistency(before, now, proof)
    return now


def test_sigterm_ends_requests_in_flight_before_the_process(tmp_path: Path) -> None:
    with running(tmp_path) as (client, process):
        location = client.post("/v1/uploads").headers["location"]

        def slow() -> Iterator[bytes]:
            yield DATA[: 16 * 1024**2]
            until_some_is_taken(client, location)
            process.send_signal(signal.SIGTERM)
            until_closed(client)
            yield DATA[16 * 1024**2 :]

        digest = digest_of(DATA)
        answer = client.put(location, params={"digest": digest}, content=slow())
        assert answer.status_code == 201
        assert process.wait(timeout=60) == 0
    assert Settings(tmp_path).data_dir.joinpath("blobs/sha256").is_dir()


def until_closed(client: httpx2.Client) -> None:
    """The signal was taken: there is nobody any more to connect to."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            httpx2.get(client.base_url.join("/livez"))
        except httpx2.TransportError:
            return
        time.sleep(0.01)
    raise AssertionError("it still answers")
