"""An object store that fails or stalls: refused in bounded time, nothing half, all resumable."""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import httpx2
import pytest

from registry import errors
from registry.settings import Limits, Settings
from registry.store.objects import Objects
from tests.registry import proxies, spools
from tests.registry.proxies import Proxy
from tests.registry.publishing import digest_of
from tests.registry.spools import Replica

MIB = 1024**2
PIECE = 8 * MIB
DATA = os.urandom(20 * MIB)
DIGEST = digest_of(DATA)
T = TypeVar("T")
FAULTS = pytest.mark.parametrize("fault", ["stall", "cut"])


@pytest.fixture
def proxy(bucket: str, s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """Between us and the object store, from now on."""
    with proxies.before(s3_endpoint) as standing:
        monkeypatch.setenv("AWS_ENDPOINT_URL", standing.url)
        yield standing


@pytest.fixture
def here(proxy: Proxy, bucket: str) -> Replica:
    return spools.replica(bucket, seconds=1)


@FAULTS
def test_every_call_ends_where_the_store_does_not_answer(
    here: Replica, proxy: Proxy, fault: str
) -> None:
    upload = again(here.uploads.begin)
    send_rest(here, upload)
    proxy.stall() if fault == "stall" else proxy.cut()
    calls: list[Callable[[], object]] = [
        here.uploads.begin,
        lambda: here.uploads.offset(upload),
        lambda: here.append(upload, b"more"),
        lambda: here.finish(upload, DIGEST),
        lambda: here.take(DATA, digest=DIGEST),
        lambda: here.uploads.expire(older_than=0),
        lambda: here.blobs.size(DIGEST),
        lambda: here.blobs.put(b"x", digest_of(b"x")),
        lambda: list(here.blobs.digests()),
        here.blobs.check,
    ]
    with ThreadPoolExecutor(len(calls)) as at_once:
        for outcome in [at_once.submit(call) for call in calls]:
            with pytest.raises(errors.Unavailable):
                outcome.result()
    assert here.claims == []
    proxy.mend()
    send_rest(here, upload)
    finish(here, upload)


def again(call: Callable[[], T]) -> T:
    """As a client does: on a busy machine, a store that is well may need more than its second."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        with suppress(errors.Unavailable):
            return call()
    return call()


def asked_again(ask: Callable[[], httpx2.Response]) -> httpx2.Response:
    """As `again`, over HTTP."""
    end = time.monotonic() + 120
    while (answer := ask()).status_code == 503 and time.monotonic() < end:
        pass
    return answer


def send_rest(here: Replica, upload: str) -> None:
    """As a client does: what was held up on its way may arrive after we asked how far it is."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        offset = again(lambda: here.uploads.offset(upload))
        if offset >= len(DATA):
            return
        with suppress(errors.OutOfOrder, errors.Conflict, errors.Unavailable):
            here.append(upload, DATA[offset:], start=offset)
    raise AssertionError("it never got whole")


def finish(here: Replica, upload: str) -> None:
    # Not found: it was finished before, and only the answer was late.
    with suppress(errors.NotFound):
        assert again(lambda: here.finish(upload, DIGEST)).size == len(DATA)
    assert again(lambda: here.blobs.size(DIGEST)) == len(DATA)


@FAULTS
@pytest.mark.parametrize("moment", [1 * MIB, 17 * MIB])
def test_an_append_that_the_store_breaks_off_goes_on_later(
    here: Replica, proxy: Proxy, fault: str, moment: int
) -> None:
    upload = again(here.uploads.begin)
    proxy.after(moment, fault)
    with pytest.raises(errors.Unavailable):
        here.append(upload, *(DATA[at : at + MIB] for at in range(0, len(DATA), MIB)))
    proxy.mend()
    send_rest(here, upload)
    finish(here, upload)
    assert again(lambda: here.content(DIGEST)) == DATA


@FAULTS
def test_a_blob_is_not_there_by_half_where_the_store_breaks_off_its_finish(
    here: Replica, proxy: Proxy, fault: str
) -> None:
    upload = again(here.uploads.begin)
    send_rest(here, upload)
    proxy.after(10 * MIB, fault)
    with pytest.raises(errors.Unavailable):
        here.finish(upload, DIGEST)
    proxy.mend()
    assert again(lambda: here.blobs.size(DIGEST)) is None
    finish(here, upload)
    assert again(lambda: here.content(DIGEST)) == DATA


@FAULTS
def test_of_one_request_nothing_is_there_where_the_store_breaks_off(
    here: Replica, proxy: Proxy, fault: str
) -> None:
    proxy.after(10 * MIB, fault)
    with pytest.raises(errors.Unavailable):
        here.take(*(DATA[at : at + MIB] for at in range(0, len(DATA), MIB)), digest=DIGEST)
    proxy.mend()
    assert again(lambda: list(here.blobs.digests())) == []
    assert again(lambda: here.take(DATA, digest=DIGEST)).size == len(DATA)


def fill(received: bytearray, blocks: Iterable[bytes]) -> None:
    for block in blocks:
        received += block


@FAULTS
def test_a_download_that_the_store_breaks_off_ends_short_and_can_go_on(
    proxy: Proxy,
    bucket: str,
    settings: Settings,
    client_of_registry: Callable[[Settings], httpx2.Client],
    fault: str,
) -> None:
    data = DATA * 2  # more than is fetched ahead
    digest = digest_of(data)
    limits = Limits(storage_seconds=4, max_file_bytes=64 * MIB)
    client = client_of_registry(replace(settings, storage=bucket, limits=limits))
    place = f"/v1/blobs/{digest}"
    sending = {"params": {"digest": digest}, "content": data}
    assert asked_again(lambda: client.post("/v1/uploads", **sending)).status_code == 201
    received = bytearray()
    while not received:
        proxy.mend()
        proxy.after(30 * MIB, fault)
        with client.stream("GET", place) as sent:
            if sent.status_code == 503:
                continue  # not even the first piece came in time
            blocks = sent.iter_raw()
            with pytest.raises(httpx2.TransportError):
                fill(received, blocks)
    assert 0 < len(received) < len(data)
    proxy.mend()
    end = time.monotonic() + 120
    while time.monotonic() < end:
        span = {"Range": f"bytes={len(received)}-"}
        with (
            suppress(httpx2.TransportError, httpx2.HTTPStatusError),
            client.stream("GET", place, headers=span) as sent,
        ):
            fill(received, sent.raise_for_status().iter_raw())
        if len(received) == len(data):
            break
    assert received == data


def test_a_store_that_is_away_is_said_and_not_taken_for_a_missing_blob(
    proxy: Proxy,
    bucket: str,
    settings: Settings,
    client_of_registry: Callable[[Settings], httpx2.Client],
) -> None:
    limits = Limits(storage_seconds=1)
    client = client_of_registry(replace(settings, storage=bucket, limits=limits))
    proxy.cut()
    for method, path in [
        ("GET", f"/v1/blobs/{DIGEST}"),
        ("POST", "/v1/uploads"),
        ("PUT", f"/v1/uploads/{'a' * 32}?digest={DIGEST}"),
    ]:
        answer = client.request(method, path)
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert client.get("/readyz").status_code == 503
    assert client.get("/livez").status_code == 200
    assert client.get("/metrics").status_code == 200


def test_a_registry_that_starts_before_its_store_works_once_that_is_there(
    proxy: Proxy,
    bucket: str,
    settings: Settings,
    client_of_registry: Callable[[Settings], httpx2.Client],
) -> None:
    proxy.cut()
    limits = Limits(storage_seconds=1)
    client = client_of_registry(replace(settings, storage=bucket, limits=limits))
    assert client.post("/v1/uploads").status_code == 503
    proxy.mend()
    sending = {"params": {"digest": digest_of(b"abc")}, "content": b"abc"}
    assert asked_again(lambda: client.post("/v1/uploads", **sending)).status_code == 201
    place = f"/v1/blobs/{digest_of(b'abc')}"
    assert asked_again(lambda: client.get(place)).content == b"abc"


@pytest.fixture
def well(bucket: str) -> Replica:
    """Nothing is wrong with its store, and there is time."""
    return spools.replica(bucket)


@pytest.fixture
def parts(bucket: str) -> Objects:
    """The same objects as `well` works on."""
    return Objects(bucket, seconds=60)


def test_a_part_behind_a_gap_is_met_again_by_whoever_resumes(well: Replica, parts: Objects) -> None:
    upload = well.uploads.begin()
    well.append(upload, DATA[:PIECE])
    parts.put(f"uploads/{upload}/{2 * PIECE:020d}", DATA[2 * PIECE :])
    assert well.uploads.offset(upload) == PIECE
    assert well.append(upload, DATA[PIECE:], start=PIECE) == len(DATA)
    assert well.finish(upload, DIGEST).size == len(DATA)


def test_a_part_with_other_bytes_is_another_writers(well: Replica, parts: Objects) -> None:
    upload = well.uploads.begin()
    parts.put(f"uploads/{upload}/{PIECE:020d}", b"else")
    with pytest.raises(errors.Conflict):
        well.append(upload, DATA)
    assert well.uploads.offset(upload) == PIECE + len(b"else")


def test_what_a_crash_left_of_a_finished_upload_expires(well: Replica, parts: Objects) -> None:
    upload = well.uploads.begin()
    well.append(upload, DATA)
    parts.delete([f"uploads/{upload}/begun"])  # the first thing that goes
    with pytest.raises(errors.NotFound):
        well.finish(upload, DIGEST)
    assert well.uploads.expire(older_than=3600) == 0
    assert well.uploads.expire(older_than=-5) == 1
    assert list(parts.list("uploads")) == []


def test_what_a_crash_left_of_a_small_document_expires(tmp_path: Path) -> None:
    here = spools.replica(str(tmp_path))
    (tmp_path / "uploads" / f"{'b' * 32}.part").write_bytes(b"half a docu")
    assert here.uploads.expire(older_than=3600) == 0
    assert here.uploads.expire(older_than=-5) == 1
    assert list((tmp_path / "uploads").iterdir()) == []


@pytest.mark.parametrize("how", ["put", "take", "append"])
def test_a_full_disk_leaves_nothing_half(full_disk: Path, how: str) -> None:
    here = spools.replica(str(full_disk))
    data = DATA[: 6 * MIB]
    upload = here.uploads.begin()
    calls: dict[str, Callable[[], object]] = {
        "put": lambda: here.blobs.put(data, digest_of(data)),
        "take": lambda: here.take(data, digest=digest_of(data)),
        "append": lambda: here.append(upload, data),
    }
    with pytest.raises(errors.StorageFull):
        calls[how]()
    assert list(here.blobs.digests()) == []
    here.uploads.abort(upload)
    assert list((full_disk / "uploads").iterdir()) == []
    (full_disk / "ballast").unlink()
    here.blobs.put(data, digest_of(data))
    assert here.content(digest_of(data)) == data
