"""What a project allows, and what nobody who may change its files alone can do to another."""

import re
from pathlib import Path

import pytest

from reconciler.core import desired
from tests.reconciler.core.experiments.played import experiment_file
from tests.reconciler.core.projects.projects import (
    ANYTHING,
    labelled,
    limits,
    of_project,
    owned,
    project_file,
    two_teams,
)
from tests.reconciler.core.wishes import deployment_file

ONE, OTHER = "models.d/production/a-one.yaml", "production/b-one"


def said(files: dict[str, bytes], path: str = ONE) -> list[str]:
    state = desired.load(files, commit="c")
    assert OTHER in state.deployments  # whatever the one does, the other goes on
    return [problem.message for problem in state.problems if problem.path == path]


def by_labels(name: str, project: str, labels: str) -> bytes:
    text = deployment_file(name, 1, ("h1",), tested=False)
    return of_project(text.replace("{hosts: [h1]}", f"{{matchLabels: {{{labels}}}}}"), project)


def test_what_a_project_allows_goes_on() -> None:
    state = desired.load(two_teams(), commit="c")
    assert state.problems == ()
    assert state.deployments["production/a-one"].hosts == ("ha",)


def test_files_of_today_are_of_a_project_that_allows_everything() -> None:
    files = two_teams() | {"models.d/production/old.yaml": owned("old", "default", hosts=("hb",))}
    text = deployment_file("old", 1, ["hb"], tested=False).encode()
    for given in (files, files | {"models.d/production/old.yaml": text}):
        assert desired.load(given, commit="c").problems == ()


def test_the_default_project_can_be_made_narrow() -> None:
    files = two_teams() | {
        "models.d/projects/default.yaml": project_file("default", limits("x")),
        "models.d/production/old.yaml": deployment_file("old", 1, ["hb"], tested=False).encode(),
    }
    assert len(said(files, "models.d/production/old.yaml")) == 2


def test_a_project_that_nobody_declared_allows_nothing() -> None:
    files = two_teams() | {ONE: owned("a-one", "aa", hosts=("ha",))}
    assert said(files) == ["metadata.project: there is no project 'aa'"]


def test_a_project_whose_file_is_wrong_holds_its_deployments_and_no_others() -> None:
    files = two_teams() | {"models.d/projects/a.yaml": b"kind: ["}
    assert said(files) == [
        "metadata.project: models.d/projects/a.yaml is wrong, and so allows nothing"
    ]
    assert list(desired.load(files, commit="c").held) == ["production/a-one"]


@pytest.mark.parametrize(
    ("deployment", "refused"),
    [
        (owned("a-one", "a", hosts=("ha",), model="b-one"), "allow the model b-one"),
        (owned("a-one", "a", hosts=("ha", "hb")), "allow the host hb"),
        (
            owned("a-one", "a", hosts=("ha",)).replace(b"runtime:1", b"r.example/runtime:1"),
            "allow the image r.example/runtime:1",
        ),
    ],
    ids=("model", "host", "image"),
)
def test_a_project_cannot_take(deployment: bytes, refused: str) -> None:
    [message] = said(two_teams() | {ONE: deployment})
    assert message.endswith(refused)


def test_a_project_cannot_go_to_an_environment_that_it_has_not() -> None:
    files = two_teams()
    files["models.d/projects/a.yaml"] = project_file(
        "a", limits("a").replace('environments: ["*"]', 'environments: ["staging", "dev-*"]')
    )
    [message] = said(files)
    assert (
        message == "metadata.environment: the project a does not allow the environment production"
    )


def test_labels_choose_among_the_hosts_of_the_project_alone() -> None:
    files = two_teams() | {ONE: by_labels("a-one", "a", "site: lab")}
    assert desired.load(files, commit="c").deployments["production/a-one"].hosts == ("ha",)
    files[ONE] = by_labels("a-one", "a", "team: b")
    assert said(files) == ["spec.targets.matchLabels: no host of the project carries all of these"]


def test_another_project_that_labels_its_host_draws_nothing_onto_it() -> None:
    files = two_teams() | {ONE: by_labels("a-one", "a", "gpu: big")}
    files["models.d/hosts/ha.yaml"] = labelled("ha", "a, gpu: big")
    files["models.d/hosts/hb.yaml"] = labelled("hb", "b, gpu: big")
    assert desired.load(files, commit="c").deployments["production/a-one"].hosts == ("ha",)


def test_a_model_of_another_project_is_refused_before_it_can_collide_with_it() -> None:
    files = two_teams()
    files["models.d/projects/a.yaml"] = project_file(
        "a", limits("a").replace("team: a", "site: lab")
    )
    files[ONE] = owned("a-one", "a", hosts=("hb",), model="b-one")
    [message] = said(files)
    assert "does not allow the model b-one" in message


def test_a_sync_wave_of_one_project_is_not_waited_for_by_another() -> None:
    files = two_teams()
    files[ONE] = files[ONE].replace(b"suspend: false", b"suspend: false\n  syncWave: -100")
    state = desired.load(files, commit="c")
    assert state.sync_waves == {}
    files["models.d/production/a-two.yaml"] = owned("a-two", "a", hosts=("ha",))
    state = desired.load(files, commit="c")
    waves = ((-100, ("production/a-one",)), (0, ("production/a-two",)))
    assert state.sync_waves == {"production/a": waves}


def test_a_broken_file_of_one_project_holds_up_no_removal_of_another() -> None:
    files = two_teams() | {ONE: b"kind: ["}
    assert not desired.load(files, commit="c").doubts.may_prune("production/b-gone")
    for team in ("a", "b"):
        claim = f', files: ["models.d/*/{team}-*"]'
        files[f"models.d/projects/{team}.yaml"] = project_file(team, limits(team) + claim)
    found = desired.load(files, commit="c").doubts
    assert found.may_prune("production/b-gone")
    assert found.may_prune("production/nobodys")
    assert not found.may_prune("production/a-gone")


def test_an_experiment_is_of_the_project_of_what_it_is_about() -> None:
    files = two_teams()
    files["models.d/projects/b.yaml"] = project_file(
        "b", limits("b") + ', files: ["models.d/*/b-*"]'
    )
    for name in ("a-takes-it", "b-bigger"):
        text = experiment_file(name=name).replace("production/digits", OTHER)
        files[f"models.d/experiments/{name}.yaml"] = text.encode()
    state = desired.load(files, commit="c")
    path = "models.d/experiments/a-takes-it.yaml"
    assert said(files, path) == [f"spec.deployment: {OTHER} is of the project b"]
    about = [one.message for one in state.problems if one.path.endswith("b-bigger.yaml")]
    assert not any("a-takes-it" in message for message in about)


def test_who_waits_for_anothers_deployment_holds_up_nobody_but_themselves() -> None:
    files = two_teams()
    files[ONE] = files[ONE].replace(b"suspend: false", b"dependsOn: [{name: b-one}]")
    assert said(files) == []
    files[ONE] = files[ONE].replace(b"b-one}]", b"b-none}]")
    assert said(files) == ["spec.dependsOn.0.name: there is no deployment production/b-none"]


def test_a_deployment_is_not_of_a_project_whose_files_are_elsewhere() -> None:
    files = two_teams()
    files["models.d/projects/a.yaml"] = project_file(
        "a", limits("a") + ', files: ["models.d/staging/**"]'
    )
    assert said(files) == [f"metadata.project: {ONE} is not a file of the project a"]


def test_a_project_that_changed_is_held_against_its_own_deployments_alone() -> None:
    reader, files = desired.Reader(), two_teams()
    before = reader.load(files, commit="c1")
    opened = limits("a") + ', windows: [{kind: allow, schedule: "0 8 * * *", duration: 8h}]'
    files["models.d/projects/a.yaml"] = project_file("a", opened)
    after = reader.load(dict(files), commit="c2")
    assert (reader.shelf.parsed, reader.checks.checked) == (1, 1)
    assert after.deployments[OTHER] is before.deployments[OTHER]
    assert len(after.deployments["production/a-one"].windows) == 1
    files["models.d/projects/a.yaml"] = project_file("a", ANYTHING)
    assert reader.load(files, commit="c3") == desired.load(files, commit="c3")


def test_what_the_page_shows_of_projects_is_valid() -> None:
    page = (Path(__file__).parents[4] / "docs/projects.md").read_text()
    shown = re.findall(r"```yaml\n# (models.d/projects/\S+)\n(.*?)```", page, re.DOTALL)
    assert len(shown) == 2
    files = {path: text.encode() for path, text in shown}
    assert desired.load(files, commit="c").problems == ()
