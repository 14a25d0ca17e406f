"""Decisions of the reconciler: on record before anything starts, once, and with their reasons."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from registry.core.entries import Entry, Kind
from tests.reconciler.town import Town, reconciler, town
from tests.registry.publishing import Publisher


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Town]:
    publisher = Publisher()
    with town(tmp_path, publisher) as made:
        for version in (1, 2):
            made.publish(version, publisher)
        yield made


def write(here: Town, area: str, expression: str) -> None:
    path = f"policies/{area}/other.yaml"
    text = f"""\
apiVersion: plimsoll.dev/v1
kind: Policy
metadata: {{name: other}}
spec:
  mode: enforce
  validations: [{{expression: '{expression}', message: 'because {expression}'}}]
"""
    here.origin.commit({path: text}, f"Ask for {expression}")
    here.loop.hint()


def decisions(here: Town, result: str) -> list[Entry]:
    return [
        entry
        for entry in here.log()
        if entry.kind is Kind.DECIDED and entry.detail["result"] == result
    ]


def test_an_allowance_is_written_once_for_all_hosts_and_before_anything_starts(
    here: Town,
) -> None:
    here.deploy(1, hosts="[edge-1, edge-2]")
    here.settle()
    (allowed,) = decisions(here, "allowed")
    assert (allowed.deployment, allowed.digest) == ("production/digits", here.digests[1])
    assert allowed.detail["area"] == "deploy"
    assert allowed.detail["by"] == ["signed"]
    assert str(allowed.detail["input"]).startswith("sha256:")
    kinds = [entry.kind for entry in here.log()]
    assert kinds.index(Kind.DECIDED) < kinds.index(Kind.STARTING)


def test_a_restarted_reconciler_does_not_write_the_same_decision_again(here: Town) -> None:
    here.deploy(1)
    here.settle()
    here.loop.memory._folder.close()
    for file in (here.folder / "reconciler" / "rollouts").iterdir():
        file.unlink()
    with reconciler(here.folder, here.hosts) as second:
        here.loop = second
        here.settle()
    assert len(decisions(here, "allowed")) == 1


def test_other_policies_make_another_decision(here: Town) -> None:
    here.deploy(1)
    here.settle()
    write(here, "deploy", "version.version < 9")
    here.deploy(2)
    here.settle()
    first, second = decisions(here, "allowed")
    assert first.detail["policies"] != second.detail["policies"]
    assert second.detail["by"] == ["other", "signed"]


def test_a_denial_is_written_with_its_reasons_and_nothing_starts(here: Town) -> None:
    write(here, "deploy", "verification.size < 10")
    here.deploy(1)
    here.settle()
    (denied,) = decisions(here, "denied")
    assert denied.detail["reasons"] == ["policy other: because verification.size < 10"]
    assert denied.host == "edge-1"
    assert here.hosts["edge-1"].writes == []


def test_what_planning_holds_back_is_written_once_and_nothing_starts(here: Town) -> None:
    write(here, "plan", "now < timestamp(0)")
    here.deploy(1)
    here.settle()
    here.settle()
    (denied,) = decisions(here, "denied")
    assert denied.detail["area"] == "plan"
    assert denied.reason == "policy other: because now < timestamp(0)"
    assert here.hosts["edge-1"].writes == []
    waiting = here.status()["waiting"]
    assert isinstance(waiting, list)
    assert waiting[0]["code"] == "held_by_policy"


def test_without_a_log_to_write_the_decision_into_nothing_starts(here: Town) -> None:
    here.deploy(1)
    database = here.folder / "registry" / "registry.db"
    with closing(sqlite3.connect(database, timeout=30)) as file:
        file.execute(
            "CREATE TRIGGER full BEFORE INSERT ON log_entries "
            "BEGIN SELECT RAISE(ABORT, 'the log is full'); END"
        )
        file.commit()
    here.settle()
    assert here.serving() is None
    assert here.hosts["edge-1"].writes == []
