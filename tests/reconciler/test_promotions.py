"""A version on its way through three environments, with everything real but the hosts."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from reconciler.cli import app
from registry import errors
from registry.core import evidence_documents as documents
from registry.core.entries import Kind
from registry.core.envelope import Wanted
from registry.settings import Settings
from registry.trust import sign
from tests.reconciler.forges import servers
from tests.reconciler.measuring.service import serving as serving_numbers
from tests.reconciler.simulated import SimulatedEngine
from tests.reconciler.test_experiments import until
from tests.reconciler.test_following import forge_settings
from tests.reconciler.test_rollback import running, told
from tests.reconciler.town import HOST, Town, manifest, town
from tests.registry.publishing import Publisher

AT = "2026-11-23T09:00:00.000Z"
PLACES = {"dev": "edge-1", "staging": "edge-2", "production": "edge-3"}
CAROL, DAVE = Publisher("carol"), Publisher("dave")

PROMOTION = """\
apiVersion: plimsoll.dev/v1
kind: Promotion
metadata: {{name: {name}}}
spec:
  from: {source}/digits
  to: {to}/digits
  conditions: {{soak: {soak}{more}}}
  by: {by}
"""


def path_of(environment: str) -> str:
    return f"models.d/{environment}/digits.yaml"


def serving(here: Town) -> dict[str, int]:
    found = {name: here.hosts[host].serving("digits") for name, host in PLACES.items()}
    return {name: one.version for name, one in found.items() if one is not None}


def deployment(here: Town, environment: str, version: int) -> str:
    text = manifest(version, here.digests[version], hosts=f"[{PLACES[environment]}]")
    return "# ours\n" + text.replace("production", environment)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Town]:
    """Version 1 serves in all three."""
    alice = Publisher()
    approvers = [{"name": one.name, "publicKey": one.key.public_pem} for one in (CAROL, DAVE)]
    listed = Settings(data_dir=tmp_path / "registry").approvers_file
    listed.parent.mkdir(parents=True)
    listed.write_text(json.dumps({"approvers": approvers}))
    with town(tmp_path, alice) as made:
        for version in (1, 2):
            made.publish(version, alice)
        made.hosts["edge-3"] = SimulatedEngine("edge-3")
        onward = PROMOTION.format(
            name="to-staging", source="dev", to="staging", soak="5s", more="", by="commit"
        )
        last = PROMOTION.format(
            name="to-production",
            source="staging",
            to="production",
            soak="10s",
            more=", approvals: {count: 2}",
            by="pullRequest",
        )
        made.origin.commit(
            {
                "models.d/hosts/edge-3.yaml": HOST.format(name="edge-3"),
                "models.d/promotions/to-staging.yaml": onward,
                "models.d/promotions/to-production.yaml": last,
                **{path_of(name): deployment(made, name, 1) for name in PLACES},
            }
        )
        made.loop.hint()
        made.settle()
        assert serving(made) == dict.fromkeys(PLACES, 1), made.loop.source.error
        yield made


def approve(here: Town, who: Publisher) -> None:
    about = Wanted("digits", 2, here.digests[2])
    bundle = sign.sign_statement(documents.approval(about, reason="good", at=AT), who.key)
    path = "/v1/models/digits/versions/2/evidence"
    minted = here.registry.post("/v1/tokens", json={"role": "approver", "name": who.name}).json()
    allowed = {"Authorization": f"Bearer {minted['token']}"}
    answer = here.registry.post(path, json={"bundle": bundle}, headers=allowed)
    assert answer.status_code == 201, answer.text


def waits(here: Town) -> str:
    return " ".join(str(one["text"]) for one in here.status()["waiting"])  # type: ignore[attr-defined]


def test_a_person_promotes_a_version_and_the_promotions_conditions_count(here: Town) -> None:
    def promote(*more: str) -> Result:
        config = str(here.folder / "plimsoll.toml")
        told = ["model", "promote", *more, "--reason", "the old one drifts", "--config", config]
        with running(here):
            return CliRunner().invoke(app, told)

    refused = promote("digits@2", "--to", "production")
    assert isinstance(refused.exception, errors.Conflict)
    assert "approved by nobody, 2 have to" in refused.exception.detail
    approve(here, CAROL)
    approve(here, DAVE)
    done = promote("digits@2", "--to", "production")
    assert done.exit_code == 0, done.output
    assert "production/digits: version 2: branch plimsoll/promote/production-digits-" in done.output
    (entry,) = told(here, Kind.PROMOTION_DECIDED)
    assert (entry.version, entry.detail["reason"]) == (2, "the old one drifts")
    assert (entry.detail["promotion"], len(entry.detail["approvals"])) == ("to-production", 2)  # type: ignore[arg-type]
    assert serving(here) == dict.fromkeys(PLACES, 1)
    done = promote("digits@2", "--to", "dev/digits", "--by", "commit")
    assert done.exit_code == 0, done.output
    assert here.origin.message("main").startswith("Promote digits version 2 to dev/digits\n")
    here.loop.hint()
    until(here, lambda: serving(here)["dev"] == 2)
    again = promote("digits@2", "--to", "dev")
    assert "version 2 is what Git asks for" in str(again.exception)
    for wrong, to, said in (
        ("digits@2", "nowhere", "no deployment in nowhere serves digits"),
        ("digits", "dev", "'digits' names no version"),
        ("digits@9", "dev", "digits"),
    ):
        assert said in str(promote(wrong, "--to", to).exception)


def test_a_version_goes_from_dev_to_production_when_it_has_soaked_and_two_approve(
    here: Town,
) -> None:
    here.origin.commit({path_of("dev"): deployment(here, "dev", 2)}, "Try version 2")
    here.loop.hint()
    until(here, lambda: serving(here)["dev"] == 2)
    until(here, lambda: bool(told(here, Kind.PROMOTION_DECIDED)))
    here.loop.hint()
    until(here, lambda: serving(here)["staging"] == 2)
    approve(here, CAROL)
    until(here, lambda: "approved by carol, 2 have to" in waits(here))
    assert len(told(here, Kind.PROMOTION_DECIDED)) == 1
    approve(here, DAVE)
    until(here, lambda: "was proposed: branch plimsoll/promote/" in waits(here))
    first, second = told(here, Kind.PROMOTION_DECIDED)
    assert (first.version, first.detail["promotion"]) == (2, "to-staging")
    assert (second.detail["from"], len(second.detail["approvals"])) == ("staging/digits", 2)  # type: ignore[arg-type]
    here.origin.git("pull", "--quiet", "origin", "main")
    assert here.origin.git("diff", "--stat", "HEAD~1").count("1 file changed, 2 insertions") == 1
    assert (here.origin.work / path_of("staging")).read_text().startswith("# ours\n")
    here.origin.git("fetch", "--quiet")
    branch = here.origin.git("branch", "-r", "--list", "origin/plimsoll/promote/*").strip()
    body = here.origin.git("log", "-1", "--format=%B", branch)
    assert "Approved-By: carol" in body
    assert "Approved-By: dave" in body
    here.origin.git("merge", "--quiet", branch)
    here.origin.git("push", "--quiet", "origin", "main")
    here.loop.hint()
    until(here, lambda: serving(here) == dict.fromkeys(PLACES, 2))
    here.settle()
    assert len(told(here, Kind.PROMOTION_DECIDED)) == 2


def test_a_newer_version_closes_the_request_of_the_one_that_it_overtakes(tmp_path: Path) -> None:
    alice = Publisher()
    with servers.serving("gitlab") as forge:
        more = forge_settings(tmp_path, forge, "gitlab")
        with town(tmp_path, alice, more) as here:
            for version in (1, 2, 3):
                here.publish(version, alice)
            onward = PROMOTION.format(
                name="on", source="dev", to="staging", soak="1s", more="", by="pullRequest"
            )
            here.origin.commit(
                {
                    "models.d/promotions/on.yaml": onward,
                    path_of("dev"): deployment(here, "dev", 2),
                    path_of("staging"): deployment(here, "staging", 1),
                }
            )
            here.loop.hint()
            until(here, lambda: bool(forge.pulls))
            promoted(here, 2)
            here.origin.commit({path_of("dev"): deployment(here, "dev", 3)})
            here.loop.hint()
            until(here, lambda: len(told(here, Kind.PROMOTION_WITHDRAWN)) == 2)
            first, by_hand, second = forge.pulls
            assert (first.state, by_hand.state, second.state) == ("closed", "closed", "open")
            assert second.title == "Promote digits version 3 to staging/digits"
            (comment,) = first.comments
            assert "version 3 takes its place: https://" in comment
            assert "version 3 takes its place: https://" in by_hand.comments[0]
            entries = told(here, Kind.PROMOTION_WITHDRAWN)
            assert {entry.deployment for entry in entries} == {"staging/digits"}
            assert [entry.detail for entry in entries] == [{"number": 1}, {"number": 2}]


def test_what_a_person_asked_for_is_closed_once_it_is_overtaken_but_not_what_somebody_edits(
    tmp_path: Path,
) -> None:
    alice = Publisher()
    with (
        servers.serving("gitea") as forge,
        town(tmp_path, alice, forge_settings(tmp_path, forge)) as here,
    ):
        for version in (1, 2, 3, 4):
            here.publish(version, alice)
        here.origin.commit({path_of("staging"): deployment(here, "staging", 1)})
        here.loop.hint()
        here.settle()
        assert promoted(here, 2).endswith("/pull/1\n")
        assert promoted(here, 3).endswith("/pull/2\n")
        first, second = forge.pulls
        assert (first.state, second.state) == ("closed", "open")
        (comment,) = first.comments
        assert "version 3 takes its place: https://forge.example/pull/2" in comment
        (entry,) = told(here, Kind.PROMOTION_WITHDRAWN)
        assert (entry.version, entry.digest) == (2, here.digests[2])
        assert entry.detail == {"number": 1}
        push_to(here, second.head)
        said = promoted(here, 4)
        assert "pull/3; https://forge.example/pull/2 stays open: somebody has pushed" in said
        assert second.state == "open"
        assert len(told(here, Kind.PROMOTION_WITHDRAWN)) == 1


def promoted(here: Town, version: int) -> str:
    """What a person is told who promotes `version` to staging."""
    config = str(here.folder / "plimsoll.toml")
    words = ["model", "promote", f"digits@{version}", "--to", "staging", "--reason", "it drifts"]
    with running(here):
        done = CliRunner().invoke(app, [*words, "--config", config])
    assert done.exit_code == 0, done.output
    return done.output


def push_to(here: Town, branch: str) -> None:
    """A commit of somebody's own on top of what was proposed."""
    here.origin.git("fetch", "--quiet", "origin", branch)
    here.origin.git("checkout", "--quiet", "--detach", "FETCH_HEAD")
    here.origin.git("commit", "--quiet", "--allow-empty", "-m", "Mind the memory")
    here.origin.git("push", "--quiet", "origin", f"HEAD:refs/heads/{branch}")


ANALYSIS = """\
apiVersion: plimsoll.dev/v1
kind: AnalysisTemplate
metadata: {{name: complaints}}
spec:
  metrics:
    - name: complaints
      provider: {{http: {{url: "{url}/of/{{{{args.candidate-version}}}}", jsonPointer: /count}}}}
      successCondition: result < 5
"""


@pytest.mark.parametrize(("count", "comes"), [(1, True), (9, False)])
def test_a_version_comes_on_only_where_its_analysis_succeeds(
    tmp_path: Path, count: int, *, comes: bool
) -> None:
    alice = Publisher()
    with serving_numbers() as service:
        service.answers["/of/2"] = 200, json.dumps({"count": count}).encode()
        more = f'\n[[reconciler.checks]]\naddress = "{service.url}/of"\n'
        with town(tmp_path, alice, more) as here:
            for version in (1, 2):
                here.publish(version, alice)
            analysis = ", analysis: {templates: [{templateName: complaints}]}"
            onward = PROMOTION.format(
                name="on", source="dev", to="staging", soak="2s", more=analysis, by="commit"
            )
            files = {
                "models.d/promotions/on.yaml": onward,
                "models.d/templates/complaints.yaml": ANALYSIS.format(url=service.url),
                path_of("dev"): deployment(here, "dev", 2),
                path_of("staging"): deployment(here, "staging", 1),
            }
            here.origin.commit(files)
            here.loop.hint()
            until(here, lambda: bool(told(here, Kind.ANALYSED)))
            (entry,) = told(here, Kind.ANALYSED)
            assert (entry.deployment, entry.version) == ("dev/digits", 2)
            assert [one[1] for one in service.asked] == ["/of/2"]
            if comes:
                until(here, lambda: bool(told(here, Kind.PROMOTION_DECIDED)))
                return
            here.settle()
            shown = here.registry.get("/v1/deployments/staging/digits").json()["waiting"]
            assert "version 2 is not promoted: complaints: 1 failed" in str(shown)
            assert told(here, Kind.PROMOTION_DECIDED) == []
