"""Google's dialect: its XML API is S3's but for some headers, which are translated here."""

import itertools
import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from registry import errors
from tests.registry import spools
from tests.registry.publishing import digest_of

DATA = os.urandom(17 * 1024**2 + 5)
DIGEST = digest_of(DATA)
_numbers = itertools.count()
_SIGNED = "AWS4-HMAC-SHA256 Credential=k/20260101/us-east-1/s3/aws4_request, Signature=0"


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty bucket of a server that speaks Google's dialect."""
    server = make_server("127.0.0.1", 0, translated(), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    account = tmp_path / "account.json"
    nobody = {"client_email": "", "private_key": "", "private_key_id": ""}
    account.write_text(json.dumps({"gcs_base_url": url, "disable_oauth": True, **nobody}))
    monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT", str(account))
    monkeypatch.setenv("GOOGLE_ALLOW_HTTP", "true")
    # Without a dash: Google's client escapes it, and the stand-in takes that for another name.
    bucket = f"models{next(_numbers)}"
    httpx2.put(f"{url}/{bucket}", timeout=60).raise_for_status()
    yield f"gs://{bucket}/place"
    server.shutdown()
    thread.join()
    server.server_close()


def translated() -> Callable[..., Iterable[bytes]]:
    inner = DomainDispatcherApplication(create_backend_app)

    def application(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        environ["HTTP_AUTHORIZATION"] = _SIGNED
        if environ.get("HTTP_X_GOOG_IF_GENERATION_MATCH") == "0":
            environ["HTTP_IF_NONE_MATCH"] = "*"

        def begin(status: str, headers: list[tuple[str, str]], *failure: Any) -> Any:
            return start(status, [*headers, ("x-goog-generation", "1")], *failure)

        answer: Iterable[bytes] = inner(environ, begin)
        return answer

    return application


def test_blobs_come_in_by_every_way_and_go_out_again(address: str) -> None:
    one, other = spools.replica(address), spools.replica(address)
    upload = one.uploads.begin()
    half = 9 * 1024**2
    one.append(upload, DATA[:half])
    with pytest.raises(errors.OutOfOrder):
        other.append(upload, b"x", start=5)
    assert other.append(upload, DATA[half:], start=half) == len(DATA)
    assert one.finish(upload, DIGEST).size == len(DATA)
    assert other.content(DIGEST) == DATA
    assert one.take(DATA[:half], digest=digest_of(DATA[:half])).size == half
    other.blobs.put(b"{}", digest_of(b"{}"))
    assert set(one.blobs.digests()) == {DIGEST, digest_of(DATA[:half]), digest_of(b"{}")}


def test_a_wrong_digest_is_refused_and_what_nobody_touches_expires(address: str) -> None:
    one, other = spools.replica(address), spools.replica(address)
    upload = one.uploads.begin()
    one.append(upload, b"some bytes")
    with pytest.raises(errors.DigestMismatch):
        other.finish(upload, DIGEST)
    with pytest.raises(errors.DigestMismatch):
        one.take(DATA, digest=digest_of(b"else"))
    assert list(one.blobs.digests()) == []
    left = one.uploads.begin()
    assert one.uploads.expire(older_than=-5) == 1
    with pytest.raises(errors.NotFound):
        other.uploads.offset(left)


def test_credentials_that_cannot_sign_offer_no_direct_transfer(address: str) -> None:
    one = spools.replica(address)
    upload = one.uploads.begin()
    assert one.uploads.direct(upload, 5, timedelta(minutes=1)) is None
    assert one.blobs.link(DIGEST, timedelta(minutes=1)) is None
