"""The population that is searched: how many have which tag, and what each question finds."""

from collections import Counter

import pytest

from bench import population
from bench.population import Question

FEW, MANY = 10_000, 100_000


def test_every_version_is_there_once() -> None:
    members = list(population.members(0, FEW))
    assert len({(member.model, member.version) for member in members}) == FEW
    assert len({member.model for member in members}) == population.MODELS


def test_a_population_grows_by_versions_that_are_newer_than_all_before() -> None:
    before, after = list(population.members(0, 3000)), list(population.members(3000, 5000))
    assert [*before, *after] == list(population.members(0, 5000))
    assert max(member.at for member in before) < min(member.at for member in after)


def test_each_stage_has_its_share_and_each_team_the_same() -> None:
    members = list(population.members(0, FEW))
    stages = Counter(member.tags["stage"] for member in members)
    assert stages == {stage: share * FEW // 100 for stage, share in population.STAGES.items()}
    teams = Counter(member.tags["team"] for member in members)
    assert set(teams.values()) == {FEW // population.TEAMS}


@pytest.mark.parametrize("size", [FEW, MANY])
def test_fifty_versions_of_many_teams_wait_for_an_audit(size: int) -> None:
    audited = [member for member in population.members(0, size) if "audit" in member.tags]
    assert len(audited) == 50
    assert len({member.tags["team"] for member in audited}) > 10


def test_a_team_has_versions_in_every_stage() -> None:
    found = {
        member.tags["stage"]
        for member in population.members(0, FEW)
        if member.tags["team"] == "team-03"
    }
    assert found == set(population.STAGES)


def test_questions_are_of_every_selectivity_and_some_ask_for_a_second_page() -> None:
    members = list(population.members(0, FEW))
    asked = population.questions(3)
    found = {question.filter: population.matching(question, members) for question in asked}
    assert found == {
        "tags.team = 'team-03'": 500,
        "tags.stage = 'archived'": 7000,
        "tags.stage = 'production'": 300,
        "tags.team = 'team-03' AND tags.stage = 'production'": 10,
        "tags.audit = 'pending'": 50,
        "tags.team = 'team-03' AND tags.audit = 'pending'": 2,
        "tags.team = 'nobody'": 0,
    }
    assert sum(question.page == 2 for question in asked) == 2


def test_the_next_turn_asks_about_another_team() -> None:
    assert population.questions(1)[0] == Question("tags.team = 'team-01'")
    assert population.questions(2)[0] == Question("tags.team = 'team-02'")
