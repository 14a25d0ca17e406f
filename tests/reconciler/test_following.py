"""Deployments that follow an alias and a range, with everything real around them but the hosts."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reconciler import service
from registry.core import evidence_documents as documents
from registry.core.entries import Kind
from registry.core.envelope import Wanted
from registry.settings import Settings
from registry.trust import sign
from tests.reconciler.forges import servers
from tests.reconciler.test_experiments import until
from tests.reconciler.test_rollback import told
from tests.reconciler.town import DEPLOYMENT, Town, manifest, town
from tests.registry.publishing import Publisher

AT = "2026-11-23T09:00:00.000Z"
CAROL = Publisher("carol")
BRANCH = "plimsoll/follow/production-digits"
PEOPLE = "  # as carol asked, and nobody else\n"


def following(here: Town, version: int, follow: str) -> str:
    text = manifest(version, here.digests[version])
    text = text.replace("  model:\n", f"{PEOPLE}  model:\n")
    return text.replace("  targets:", f"    follow: {follow}\n  targets:")


def move(here: Town, alias: str, version: int) -> None:
    body = {"version": version, "reason": "the best one"}
    answer = here.registry.put(f"/v1/models/digits/aliases/{alias}", json=body)
    assert answer.status_code == 200, answer.text


def approve(here: Town, version: int) -> None:
    about = Wanted("digits", version, here.digests[version])
    bundle = sign.sign_statement(documents.approval(about, reason="good", at=AT), CAROL.key)
    minted = here.registry.post("/v1/tokens", json={"role": "approver", "name": "carol"}).json()
    answer = here.registry.post(
        f"/v1/models/digits/versions/{version}/evidence",
        json={"bundle": bundle},
        headers={"Authorization": f"Bearer {minted['token']}"},
    )
    assert answer.status_code == 201, answer.text


def served(here: Town) -> int:
    found = here.serving()
    return 0 if found is None else found.version


def waits(here: Town) -> str:
    return " ".join(str(one["text"]) for one in here.status()["waiting"])  # type: ignore[attr-defined]


@contextmanager
def begun(folder: Path, follow: str, more: str = "") -> Iterator[Town]:
    """Version 1 serves, champion points at it, and there are 2 and 3."""
    alice = Publisher()
    listed = Settings(data_dir=folder / "registry").approvers_file
    listed.parent.mkdir(parents=True)
    approver = {"name": "carol", "publicKey": CAROL.key.public_pem}
    listed.write_text(json.dumps({"approvers": [approver]}))
    with town(folder, alice, more) as here:
        for version in (1, 2, 3):
            here.publish(version, alice)
        move(here, "champion", 1)
        here.origin.commit({DEPLOYMENT: following(here, 1, follow)})
        here.loop.hint()
        here.settle()
        assert served(here) == 1, here.loop.source.error

        def rounds() -> float:
            return here.loop.clock()

        here.loop.follower._clock = rounds
        yield here


def test_an_alias_is_followed_by_commits_of_two_lines_there_and_back(tmp_path: Path) -> None:
    with begun(tmp_path, "{alias: champion, by: commit, stableFor: 3s}") as here:
        move(here, "champion", 2)
        until(here, lambda: bool(told(here, Kind.FOLLOWED)))
        here.loop.hint()
        until(here, lambda: served(here) == 2)
        here.origin.git("pull", "--quiet", "origin", "main")
        assert "1 file changed, 2 insertions" in here.origin.git("diff", "--stat", "HEAD~1")
        assert PEOPLE in (here.origin.work / DEPLOYMENT).read_text()
        body = here.origin.message("main")
        assert body.startswith("Let production/digits serve digits version 2")
        assert "Follows: alias champion" in body
        move(here, "champion", 1)
        until(here, lambda: len(told(here, Kind.FOLLOWED)) == 2)
        here.loop.hint()
        until(here, lambda: served(here) == 1)
        first, second = told(here, Kind.FOLLOWED)
        assert (first.version, second.version) == (2, 1)
        assert "leads back from version 2" in second.reason
        assert here.origin.message("main").startswith("Take production/digits back to digits")
        here.settle()
        assert len(told(here, Kind.FOLLOWED)) == 2


def pull_url(number: int) -> str:
    return f"https://forge.example/pull/{number}"


def forge_settings(folder: Path, forge: servers.State, kind: str = "gitea") -> str:
    (folder / "forge.token").write_text(servers.TOKEN)
    return f"""
[[reconciler.forge]]
kind = "{kind}"
address = "{forge.url}"
project = "acme/models"
token_file = "forge.token"
"""


def test_a_range_is_followed_by_one_request_at_a_time_and_a_plan_says_so(tmp_path: Path) -> None:
    follow = """{range: ">=1 <9", by: pullRequest, stableFor: 1s,
      evidence: [{expression: 'verification.approvals.size() > 0', message: not approved}]}"""
    with servers.serving("gitea") as forge:
        more = forge_settings(tmp_path, forge)
        with begun(tmp_path, follow, more) as here:
            until(here, lambda: "version 3: not approved; version 2: not approved" in waits(here))
            assert forge.pulls == []
            planned = service.preview(tmp_path / "plimsoll.toml").render()
            assert "range >=1 <9" in planned
            approve(here, 2)
            until(here, lambda: bool(forge.pulls))
            (pull,) = forge.pulls
            assert pull.title == "Let production/digits serve digits version 2"
            (entry,) = told(here, Kind.FOLLOWED)
            assert entry.detail["passedOver"] == ["version 3: not approved"]
            both = f"version 2 was proposed: {pull_url(1)}; version 3: not approved"
            until(here, lambda: both in waits(here))
            approve(here, 3)
            until(here, lambda: len(forge.pulls) == 2)
            first, second = forge.pulls
            assert (first.state, second.state) == ("closed", "open")
            assert "version 3 takes its place" in first.comments[0]
            assert here.digests[3] in here.origin.branch(BRANCH, DEPLOYMENT)
            assert len(told(here, Kind.FOLLOW_WITHDRAWN)) == 1
            assert served(here) == 1
