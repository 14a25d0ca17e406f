"""Known secrets go through every door of the running program, then are looked for everywhere."""

import base64
import json
import sqlite3
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest

from registry import logs
from registry.core import age
from registry.core.age import FileKey, Identity
from registry.pages import COOKIE
from registry.settings import Settings
from registry.trust.key_file import KeyFile
from registry.usecases import keyring
from tests.registry import program, vaults
from tests.registry.authorities import HostKeys
from tests.registry.program import Program
from tests.registry.publishing import Publisher, digest_of, onnx_model
from tests.registry.vaults import Transit

WEBHOOK = "whsec_" + base64.b64encode(b"known only to the test and one receiver").decode()
WRONG = "plm_00000000deadbeef_" + "W" * 43
NO_TOKEN = "not-even-a-token-but-somebodys-password"


@dataclass
class Known:
    """Each secret by what it is, and all that was answered."""

    secrets: dict[str, str] = field(default_factory=dict)
    answers: list[str] = field(default_factory=list)

    def keep(self, answer: httpx2.Response) -> httpx2.Response:
        self.answers.append(f"{answer.url} {answer.headers} {answer.text}")
        return answer


@pytest.fixture
def transit() -> Iterator[Transit]:
    with vaults.running() as found:
        yield found


@pytest.fixture
def served(tmp_path: Path, transit: Transit, alice: Publisher) -> Iterator[Program]:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    alice.list_in(Settings(data).publishers_file)
    (tmp_path / "vault.token").write_text(vaults.TOKEN)
    (tmp_path / "vault.token").chmod(0o600)
    with program.serving(
        data, encryption="vault", vault_url=transit.url, vault_token_file="vault.token"
    ) as running:
        yield running


def through_all_doors(served: Program, transit: Transit, alice: Publisher) -> Known:
    known = Known({"admin token": served.token, "Vault's token": vaults.TOKEN})
    keys = HostKeys()
    with served.client() as admin:
        minted = admin.post("/v1/tokens", json={"role": "host", "name": "edge-1"}).json()
        known.secrets["host token"] = minted["token"]
        hook = {"url": "https://127.0.0.1:9/hook", "events": ["*"], "secret": WEBHOOK}
        known.secrets["webhook secret"] = WEBHOOK
        known.keep(admin.post("/v1/webhooks", json=hook))
        invited = admin.post("/v1/hosts/edge-1/invitation").json()
        known.secrets["one-time token"] = invited["token"]
        publish(admin, alice, known)
        transit.is_sealed = True
        known.keep(admin.get(f"/v1/blobs/{digest_of(onnx_model())}"))
        transit.is_sealed = False
    knock(served, known, keys)
    known.secrets |= {"wrong token": WRONG, "password": NO_TOKEN}
    known.secrets["host identity"] = keys.age_key.text
    return known


def publish(client: httpx2.Client, alice: Publisher, known: Known) -> None:
    files = {"model.onnx": onnx_model()}
    for data in files.values():
        known.keep(client.post(f"/v1/uploads?digest={digest_of(data)}", content=data))
    published = client.post("/v1/models/digits/versions", json=alice.body(files))
    assert known.keep(published).status_code == 201, published.text


def knock(served: Program, known: Known, keys: HostKeys) -> None:
    """With right and wrong credentials, in every form that a client may show them."""
    blob = f"/v1/blobs/{digest_of(onnx_model())}"
    for token in (known.secrets["host token"], WRONG, NO_TOKEN):
        basic = base64.b64encode(f"edge:{token}".encode()).decode()
        for headers in (
            {"authorization": f"Bearer {token}"},
            {"authorization": f"Basic {basic}"},
            {"cookie": f"{COOKIE}={token}"},
        ):
            with httpx2.Client(base_url=served.address, headers=headers, timeout=60) as client:
                for path in (blob, "/v2/digits/tags/list", "/v1/models", "/v1/no/such/door"):
                    known.keep(client.get(path, headers={"accept": age.MEDIA_TYPE}))
                known.keep(client.get("/api/2.0/mlflow/registered-models/search"))
        known.keep(httpx2.post(f"{served.address}/login", data={"token": token}, timeout=60))
    bearer = {"authorization": f"Bearer {known.secrets['one-time token']}"}
    for _ in range(2):
        enrolling = f"{served.address}/v1/enrol"
        known.keep(httpx2.post(enrolling, json=keys.body(), headers=bearer, timeout=60))


def database_text(data: Path) -> str:
    with sqlite3.connect(data / "registry.db") as connection:
        rows = "\n".join(connection.iterdump())
        leaves = connection.execute("SELECT leaf FROM log_entries").fetchall()
    connection.close()
    return rows + "\n".join(bytes(leaf).decode() for (leaf,) in leaves)


def processes() -> str:
    return subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, text=True).stdout  # noqa: PLW1510


def test_no_secret_is_in_logs_database_leaves_metrics_processes_or_answers(
    served: Program, transit: Transit, alice: Publisher
) -> None:
    known = through_all_doors(served, transit, alice)
    metrics = httpx2.get(f"{served.address}/metrics", timeout=60).text
    entries = httpx2.get(f"{served.address}/log/entries", timeout=60).text
    places = {
        "the log lines": served.stderr.read_text(),
        "the database": database_text(served.data),
        "the metrics": metrics,
        "the log's leaves": entries,
        "the list of processes": processes(),
        "Vault's paths": "\n".join(transit.calls),
        "the trust root": (served.data / "trust.json").read_text(),
    }
    assert "log_entries" in places["the database"]
    assert "plimsoll" in metrics
    shown = {
        (what, place)
        for what, secret in known.secrets.items()
        for place, text in places.items()
        for form in (secret, secret.split("_", 2)[-1], base64.b64encode(secret.encode()).decode())
        if form in text
    }
    assert shown == set()
    # A login answers with the token in its cookie; no other answer repeats any.
    said = [one for one in known.answers if "set-cookie" not in one]
    assert [what for what, secret in known.secrets.items() for one in said if secret in one] == []


def test_a_secret_that_gets_into_a_log_line_is_cut_out_of_it() -> None:
    identity = Identity(bytes(range(32))).text
    once = "ple_00000000deadbeef_" + "A" * 43
    line = logs.without_tokens(json.dumps({"a": f"{WRONG} {once}", "b": identity}))
    assert "W" * 43 not in line
    assert "A" * 43 not in line
    assert identity[16:] not in line
    assert line.count("…") == 3


def test_no_repr_of_what_holds_a_key_shows_it(tmp_path: Path) -> None:
    provider = KeyFile(tmp_path / "blobs.key")
    made = keyring.new(provider)
    shown = repr([made, provider, provider.generate(), FileKey(made.key.secret)])
    assert made.key.secret.hex() not in shown
    assert repr(made.key.secret) not in shown
    assert "AGE-SECRET" not in shown
