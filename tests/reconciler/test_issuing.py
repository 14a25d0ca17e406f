"""Permits for pods that no reconciler starts: the decision, the log, the manifests, the runtime."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import Result

from registry.core import permit
from registry.core.entries import Kind
from tests.reconciler import outside
from tests.reconciler.core.kubernetes import published
from tests.reconciler.outside import CLUSTER, KEY
from tests.reconciler.town import Town, town
from tests.registry.publishing import Publisher
from tests.runtime.process import running


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Its reconciler runs nothing here, but holds the state folder as one that runs does."""
    publisher = Publisher()
    with town(tmp_path_factory.mktemp("town"), publisher) as made:
        for version in (1, 2):
            made.publish(version, publisher)
        outside.listed(made)
        outside.asked_for(made, 1)
        yield made


@pytest.fixture(scope="module")
def first(here: Town) -> permit.Permit:
    """The permit of version 1, whatever Git asks for later."""
    return said(outside.issued(here))


def said(result: Result) -> permit.Permit:
    assert result.exit_code == 0, result.output
    return permit.claimed(result.stdout)


def check_refused(result: Result, words: str, *, code: str) -> None:
    """Nothing is printed that somebody could take for a permit or a manifest."""
    assert result.stdout == ""
    assert type(result.exception).code == code  # type: ignore[union-attr]
    assert words in str(result.exception)


def test_a_permit_names_the_cluster_and_is_in_the_log_before_anybody_has_it(
    here: Town, first: permit.Permit
) -> None:
    assert first.claim.host == CLUSTER
    assert first.claim.deployment == KEY
    assert first.claim.wanted.digest == here.digests[1]
    assert first.policies.startswith("sha256:")
    assert permit.when(first.expires) - permit.when(first.decided_at) == timedelta(days=7)
    told = [one for one in here.log() if one.kind is Kind.PERMITTED]
    assert told[0].detail == {"permit": first.serial, "expires": first.expires}
    assert (told[0].host, told[0].deployment) == (CLUSTER, KEY)
    assert (told[0].digest, told[0].commit) == (here.digests[1], first.commit)
    kinds = [one.kind for one in here.log()]
    assert kinds.index(Kind.DECIDED) < kinds.index(Kind.PERMITTED)


def test_a_permit_lasts_as_long_as_asked_for_and_no_longer_than_permits_do(here: Town) -> None:
    short = said(outside.issued(here, "--for", "12h"))
    assert permit.when(short.expires) - permit.when(short.decided_at) == timedelta(hours=12)
    check_refused(outside.issued(here, "--for", "169h"), "not within 7 days", code="invalid_input")
    check_refused(
        outside.issued(here, "--for", "soon"), "--for: 'soon' is not", code="invalid_input"
    )


def test_a_host_of_the_reconcilers_own_gets_its_permits_at_each_start_alone(here: Town) -> None:
    check_refused(
        outside.issued(here, host="edge-1"), "edge-1 is a Host in Git", code="invalid_input"
    )
    check_refused(
        outside.issued(here, host="No Such"), "'No Such' is not allowed", code="invalid_name"
    )


def test_what_a_policy_of_deployment_denies_is_not_permitted_and_the_log_says_so(
    here: Town,
) -> None:
    outside.write(here, "deploy", "verification.size < 10")
    try:
        result = outside.issued(here)
    finally:
        outside.write(here, "deploy", None)
    check_refused(result, "policy other: because verification.size < 10", code="policy_denied")
    told = [one for one in here.log() if one.kind is Kind.REFUSED and one.host == CLUSTER]
    assert "because verification.size < 10" in told[-1].reason


def test_what_planning_holds_back_gets_no_first_permit_but_one_that_runs_out_is_renewed(
    here: Town, first: permit.Permit, tmp_path: Path
) -> None:
    """A freeze must not leave pods that serve already without a way to be started again."""
    (tmp_path / "former").write_text(outside.signed(here, first))
    outside.write(here, "plan", "now < timestamp(0)")
    try:
        anew = outside.issued(here)
        again = said(outside.issued(here, "--renew", str(tmp_path / "former")))
    finally:
        outside.write(here, "plan", None)
    check_refused(anew, "policy other: because now < timestamp(0)", code="policy_denied")
    assert again.claim == first.claim
    assert again.serial != first.serial
    told = [one for one in here.log() if one.kind is Kind.PERMITTED]
    assert told[-1].detail["renews"] == first.serial


def test_a_version_that_git_asks_for_no_longer_is_renewed_by_todays_policies(
    here: Town, first: permit.Permit, tmp_path: Path
) -> None:
    (tmp_path / "former").write_text(outside.signed(here, first))
    outside.asked_for(here, 2)
    outside.write(here, "deploy", "version.version > 1")
    try:
        denied = outside.issued(here, "--renew", str(tmp_path / "former"))
        outside.write(here, "deploy", None)
        again = said(outside.issued(here, "--renew", str(tmp_path / "former")))
        newer = said(outside.issued(here))
    finally:
        outside.write(here, "deploy", None)
        outside.asked_for(here, 1)
    check_refused(denied, "policy other: because version.version > 1", code="policy_denied")
    assert again.claim.wanted.digest == here.digests[1]
    assert newer.claim.wanted.digest == here.digests[2]


@pytest.mark.parametrize(
    ("flaw", "code"),
    [
        ({"host": "cluster-us"}, "permit_refused"),
        ({"deployment": "production/other"}, "permit_refused"),
        ({"expires": "2026-01-01T00:00:00Z"}, "permit_expired"),
        ({}, "signature_invalid"),
    ],
    ids=["of-another-host", "of-another-deployment", "expired", "signed-by-nobody-listed"],
)
def test_a_permit_that_would_not_count_is_not_renewed(
    here: Town, first: permit.Permit, tmp_path: Path, flaw: dict[str, str], code: str
) -> None:
    (tmp_path / "former").write_text(outside.worthless(here, first, flaw))
    result = outside.issued(here, "--renew", str(tmp_path / "former"))
    assert result.stdout == ""
    assert result.exception.code == code  # type: ignore[union-attr]


def test_without_the_registry_there_is_no_permit(here: Town, tmp_path: Path) -> None:
    text = (here.folder / "plimsoll.toml").read_text()
    away = text.replace(here.server.addresses[0], "http://127.0.0.1:9")
    file = here.folder / "away.toml"
    file.write_text(away)
    result = outside.ask("permit", "issue", KEY, "--host", CLUSTER, "--config", str(file))
    assert result.stdout == ""
    assert result.exception.code == "unavailable"  # type: ignore[union-attr]


def test_a_pipeline_of_its_own_needs_a_key_that_the_trust_root_lists(
    here: Town, tmp_path: Path
) -> None:
    """A key under a cluster's name in agents.json permits that cluster, and nothing else."""
    file = here.folder / "pipeline.toml"
    file.write_text((here.folder / "plimsoll.toml").read_text() + 'state = "pipeline"\n')
    asked = ("permit", "issue", KEY, "--config", str(file), "--host")
    check_refused(outside.ask(*asked, CLUSTER), "has no key to sign permits with", code="not_found")
    key = json.loads(outside.ask("permit", "key", "--config", str(file), "--name", CLUSTER).stdout)
    check_refused(outside.ask(*asked, CLUSTER), "whose permits count", code="policy_denied")
    with outside.trusting(here, agents=[key]):
        assert said(outside.ask(*asked, CLUSTER)).claim.host == CLUSTER
        other = outside.ask(*asked, "cluster-us")
    check_refused(other, "refused on cluster-us", code="policy_denied")


def test_pods_serve_with_exactly_what_is_rendered(here: Town, tmp_path: Path) -> None:
    result = outside.issued(here)
    assert said(result).claim.host == CLUSTER
    (tmp_path / "permit").write_text(result.stdout)
    trust = str(here.folder / "registry" / "trust.json")
    printed = outside.rendered(here, "--permit", str(tmp_path / "permit"), "--trust", trust)
    assert printed.exit_code == 0, printed.output
    for one in outside.objects(printed.stdout):
        published.check(one)
    with running(outside.pod(here, tmp_path / "pod", printed.stdout)) as pod:
        pod.until_state("AVAILABLE")
        answer = pod.post("/v1/models/digits:predict", {"instances": [[1.0, 2.0, 3.0, 4.0]]})
        assert answer.json() == {"predictions": [[2.0, 3.0, 4.0, 5.0]]}


@pytest.mark.parametrize(
    ("flaw", "code"),
    [
        (None, "permit_missing"),
        ({"host": "cluster-us"}, "permit_refused"),
        ({"digest": "sha256:" + "3" * 64}, "permit_refused"),
        (
            {"decided_at": "2026-01-01T00:00:00Z", "expires": "2026-01-08T00:00:00Z"},
            "permit_expired",
        ),
    ],
    ids=["none", "of-another-host", "of-another-digest", "expired"],
)
def test_pods_do_not_serve_without_the_permit_of_this_version_here_and_now(
    here: Town,
    first: permit.Permit,
    tmp_path: Path,
    flaw: dict[str, str] | None,
    code: str,
) -> None:
    """As rendering would never print it: somebody else wrote it into the ConfigMap."""
    printed = outside.rendered(here, "--host", CLUSTER).stdout
    pod = outside.pod(here, tmp_path / "pod", printed)
    if flaw is not None:
        document = json.loads(pod.files["runtime.json"])
        document["models"][0]["permit"] = json.loads(
            outside.signed(here, outside.flawed(first, flaw))
        )
        pod.files["runtime.json"] = json.dumps(document)
    with running(pod):
        found = pod.until_state("REFUSED")
    assert (found["check"], found["code"]) == ("permit", code)


@pytest.mark.parametrize(
    ("flaw", "code"),
    [
        ({"host": "cluster-us"}, "permit_refused"),
        ({"digest": "sha256:" + "3" * 64}, "permit_refused"),
        ({"expires": "2026-01-01T00:00:00Z"}, "permit_expired"),
        ({}, "signature_invalid"),
    ],
    ids=["of-another-host", "of-another-digest", "expired", "signed-by-nobody-listed"],
)
def test_a_permit_with_which_pods_would_not_start_is_not_rendered(
    here: Town, first: permit.Permit, tmp_path: Path, flaw: dict[str, str], code: str
) -> None:
    (tmp_path / "permit").write_text(outside.worthless(here, first, flaw))
    trust = ["--trust", str(here.folder / "registry" / "trust.json")]
    result = outside.rendered(here, "--permit", str(tmp_path / "permit"), "--host", CLUSTER, *trust)
    assert result.stdout == ""
    assert result.exception.code == code  # type: ignore[union-attr]


@pytest.mark.parametrize("form", ["kubernetes", "kserve"])
def test_both_versions_of_a_canary_have_permits_of_their_own(
    here: Town, first: permit.Permit, tmp_path: Path, form: str
) -> None:
    shutil.copytree(here.origin.work, tmp_path / "serving")
    outside.asked_for(here, 2)
    try:
        newer = replace(first, claim=replace(first.claim, wanted=outside.wanted(here, 2)))
        for name, one in (("former", first), ("permit", newer)):
            (tmp_path / name).write_text(outside.signed(here, one))
        canary = ["--serving", str(tmp_path / "serving"), "--weight", "10", "--format", form]
        both = [str(tmp_path / "former"), "--permit", str(tmp_path / "permit")]
        trust = ["--trust", str(here.folder / "registry" / "trust.json")]
        printed = outside.rendered(here, *canary, "--permit", *both, *trust)
        one_alone = outside.rendered(here, *canary, "--permit", both[0])
    finally:
        outside.asked_for(here, 1)
    check_refused(one_alone, "no --permit is for digits@2", code="permit_refused")
    told = [one for one in outside.objects(printed.stdout) if one["kind"] == "ConfigMap"]
    pins = [json.loads(one["data"]["runtime.json"])["models"][0] for one in told]
    for version, pin in zip((1, 2), pins, strict=True):
        said = permit.claimed(json.dumps(pin["permit"]))
        assert said.claim.wanted == outside.wanted(here, version)
        assert pin["digest"] == here.digests[version]


def test_where_the_trust_root_asks_for_permits_nothing_is_rendered_without(here: Town) -> None:
    trust = str(here.folder / "registry" / "trust.json")
    result = outside.rendered(here, "--host", CLUSTER, "--trust", trust)
    check_refused(result, "the trust root asks for permits", code="permit_missing")


def test_what_is_no_permit_is_not_rendered(here: Town, tmp_path: Path) -> None:
    (tmp_path / "permit").write_text("{}")
    result = outside.rendered(here, "--permit", str(tmp_path / "permit"))
    check_refused(result, "permit", code="invalid_input")
    result = outside.rendered(here, "--permit", str(tmp_path / "nowhere"))
    check_refused(result, "cannot be read", code="invalid_input")
