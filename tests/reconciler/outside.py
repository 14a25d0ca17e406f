"""A cluster that no reconciler looks after: its permits, its manifests, its pods as processes."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from click.testing import Result
from typer.testing import CliRunner

from reconciler import signing
from registry.cli import program
from registry.core import documents, dsse, permit
from registry.core.envelope import Wanted
from registry.trust import keys
from tests.reconciler.town import DEPLOYMENT, Town, manifest
from tests.runtime.process import Runtime
from tests.runtime.stand_in import StandIn

IMAGE = "registry.example/plimsoll-runtime@sha256:" + "a" * 64
KEY = "production/digits"
CLUSTER = "cluster-eu"


def ask(*words: str) -> Result:
    """What a person gets who types `plimsoll` and these words; errors of ours included."""
    return CliRunner().invoke(program.build(), [*words])


def listed(here: Town) -> None:
    """Let the trust root name the reconciler: from now on hosts ask for permits."""
    key = signing.peek(here.folder / "reconciler")
    assert key is not None
    trust = here.folder / "registry" / "trust.json"
    document = json.loads(trust.read_bytes())
    document["reconcilers"] = [{"name": "reconciler", "publicKey": key.public_pem}]
    trust.write_text(json.dumps(document))


def asked_for(here: Town, version: int) -> str:
    """Git asks for `version`, with an image that a cluster may pull. Returns the commit."""
    text = manifest(version, here.digests[version]).replace("plimsoll-runtime:dev", IMAGE)
    return here.origin.commit({DEPLOYMENT: text}, f"Ask for version {version}")


def issued(here: Town, *more: str, host: str = CLUSTER) -> Result:
    """`plimsoll permit issue` beside the reconciler of `here`, which has its folder locked."""
    config = str(here.folder / "plimsoll.toml")
    return ask("permit", "issue", KEY, "--host", host, "--config", config, *more)


def signed(here: Town, said: permit.Permit) -> str:
    """`said`, in the words of the reconciler's own key."""
    key = signing.peek(here.folder / "reconciler")
    assert key is not None
    return json.dumps(key.sign(permit.encode(said)))


def rendered(here: Town, *more: str) -> Result:
    to = ["--registry", here.server.addresses[0], "--gateway", "infra/public"]
    return ask("render", KEY, str(here.origin.work), *to, *more)


def objects(text: str) -> list[dict[str, Any]]:
    """The rendered documents."""
    found = []
    for one in text.split("---\n"):
        document = documents.read("rendered.yaml", one.encode())
        assert isinstance(document, documents.Document), document
        assert isinstance(document.value, dict)
        found.append(document.value)
    return found


@dataclass
class Pod(Runtime):
    """A runtime that is handed what a pod finds in its mounts: `files`, by name. In place of the
    mount points stand folders of the test's, and a port that is free here."""

    files: dict[str, str] = field(default_factory=dict)

    def write_config(self) -> None:
        for name, text in self.files.items():
            own = text.replace("/run/plimsoll", str(self.folder))
            own = own.replace("/var/lib/plimsoll", str(self.cache))
            (self.folder / name).write_text(own.replace("0.0.0.0:8501", f"127.0.0.1:{self.port}"))


def pod(here: Town, folder: Path, text: str, *, host: str = CLUSTER) -> Pod:
    """A pod of the rendered Deployment, with the ConfigMap and the Secret that it mounts."""
    found = {one["kind"]: one for one in objects(text)}
    spec = found["Deployment"]["spec"]["template"]["spec"]
    (launch,) = [one["projected"] for one in spec["volumes"] if "projected" in one]
    mounted, secret = launch["sources"]
    assert mounted["configMap"]["name"] == found["ConfigMap"]["metadata"]["name"]
    assert secret["secret"]["name"] == "plimsoll-registry"
    folder.mkdir()
    return Pod(folder, StandIn(), files={**found["ConfigMap"]["data"], **_secret(here, host)})


def _secret(here: Town, host: str) -> dict[str, str]:
    """Made by hand once a namespace, as docs/kubernetes.md says."""
    answer = here.registry.post("/v1/tokens", json={"role": "host", "name": host})
    assert answer.status_code == 201, answer.text
    trust = (here.folder / "registry" / "trust.json").read_text()
    return {"token": answer.json()["token"], "trust.json": trust}


def signed_by_a_stranger(said: permit.Permit) -> str:
    """By a key that no trust root has."""
    key = keys.generate_signing_key()
    payload = permit.encode(said)
    return json.dumps(dsse.bundle(payload, key.sign(dsse.pae(payload)), hint=key.hint))


def worthless(here: Town, good: permit.Permit, flaw: dict[str, str]) -> str:
    """`good` with this flaw, signed as it should be; without one, by somebody unknown."""
    return signed(here, flawed(good, flaw)) if flaw else signed_by_a_stranger(good)


@contextmanager
def trusting(here: Town, *, agents: list[dict[str, str]]) -> Iterator[None]:
    """The trust root with these agents' keys as well, for a while."""
    trust = here.folder / "registry" / "trust.json"
    before = trust.read_text()
    trust.write_text(json.dumps(json.loads(before) | {"agents": agents}))
    yield
    trust.write_text(before)


def wanted(here: Town, version: int) -> Wanted:
    """The version as a permit names it."""
    return Wanted("digits", version, here.digests[version])


def flawed(good: permit.Permit, flaw: dict[str, str]) -> permit.Permit:
    """`good`, but for these fields of its own or of its claim."""
    claim = good.claim
    if "digest" in flaw:
        claim = replace(claim, wanted=replace(claim.wanted, digest=flaw["digest"]))
    claim = replace(claim, **{k: v for k, v in flaw.items() if k in {"host", "deployment"}})
    own = {k: v for k, v in flaw.items() if k in {"expires", "decided_at"}}
    return replace(good, claim=claim, **own)


def write(here: Town, area: str, expression: str | None) -> None:
    """A policy beside the others, or none any more."""
    text = None
    if expression is not None:
        text = (
            "apiVersion: plimsoll.dev/v1\nkind: Policy\nmetadata: {name: other}\n"
            f"spec:\n  mode: enforce\n  validations: [{{expression: '{expression}', "
            f"message: 'because {expression}'}}]\n"
        )
    if expression is not None or (here.origin.work / f"policies/{area}/other.yaml").exists():
        here.origin.commit({f"policies/{area}/other.yaml": text})
