"""A version's evidence as its page gives it: one file, checked where no registry is."""

import json
import re
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from registry.api.server import Server
from registry.settings import Settings
from registry.trust import keys
from registry.usecases import access
from registry.usecases.access import Role
from tests.cli.conftest import Run, settings_of
from tests.cli.test_bundle_evidence import list_people
from tests.core.evidenced import PEOPLE
from tests.registry.conftest import ROOT


@pytest.fixture
def settings(tmp_path: Path, key: Path) -> Settings:
    found = settings_of(tmp_path, key)
    list_people(found)
    return found


@pytest.fixture
def evidence(
    plimsoll: Run, server: Server, settings: Settings, model: Path, tmp_path: Path
) -> Path:
    """Of digits@1, approved by carol, as the link on its page gives it. Then the registry ends."""
    assert plimsoll("push", "digits", model).code == 0
    keys.write(PEOPLE["carol"], tmp_path / "carol.pem")
    registry = server.app.state.registry
    token = tmp_path / "carol.token"
    token.write_text(access.mint(registry, role=Role.APPROVER, name="carol", by=ROOT))
    words = ("--key", tmp_path / "carol.pem", "--token-file", token)
    assert plimsoll("approve", "digits@1", "--reason", "they hold", *words).code == 0
    auditor = access.mint(registry, role=Role.AUDITOR, name="a-1", by=ROOT)
    cookies = {"plimsoll_token": auditor}
    with httpx2.Client(base_url=server.addresses[0], cookies=cookies, timeout=60) as browser:
        page = browser.get("/models/digits/versions/1", headers={"Accept": "text/html"}).text
        link = re.search(r'href="(/v1/[^"]+)" download="(digits-1-[a-z]+\.evidence\.json)"', page)
        assert link
        assert f"plimsoll evidence verify digits@1 --file {link[2]} --trust trust.json" in page
        assert urlsplit(link[1]).path == "/v1/models/digits/versions/1/bundle"
        file = tmp_path / link[2]
        file.write_bytes(browser.get(link[1]).content)
    server.stop()
    return file


def check(plimsoll: Run, settings: Settings, file: Path, about: str = "digits@1") -> int:
    words = ("evidence", "verify", about, "--file", file, "--trust", settings.trust_file)
    return plimsoll(*words, "-o", "json").code


def test_it_says_offline_what_counts_and_any_flaw_is_refused(
    plimsoll: Run, settings: Settings, evidence: Path
) -> None:
    trusted = ("--trust", settings.trust_file, "-o", "json")
    found = plimsoll("evidence", "verify", "digits@1", "--file", evidence, *trusted).document
    assert [(one["kind"], one["signer"]) for one in found["evidence"]] == [("approval", "carol")]
    right = json.loads(evidence.read_bytes())
    digest = "sha256:" + "0" * 64
    flawed = {
        "another digest": right | {"digest": digest},
        "another entry of the log": right | {"proof": right["proof"] | {"index": 0}},
        "no proof": {name: value for name, value in right.items() if name != "proof"},
        "another's signature": right | {"publisherBundle": right["registryBundle"]},
        "no object": [right],
        "nothing": None,
    }
    assert check(plimsoll, settings, evidence) == 0
    assert check(plimsoll, settings, evidence, "digits@2") == 5
    assert check(plimsoll, settings, evidence, "fraud@1") == 5
    assert check(plimsoll, settings, evidence, "digits:champion") == 1
    for flaw, document in flawed.items():
        evidence.write_text(json.dumps(document))
        assert check(plimsoll, settings, evidence) in {1, 5}, flaw
    evidence.unlink()
    assert check(plimsoll, settings, evidence) == 1
