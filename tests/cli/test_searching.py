"""`plimsoll model search` and lists that are longer than a page."""

from pathlib import Path

import pytest

from registry.api.server import Server
from registry.cli import client as clients
from tests.cli.conftest import Run
from tests.registry import catalogues


@pytest.fixture
def filled(plimsoll: Run, server: Server) -> Run:
    registry = server.app.state.registry
    catalogues.fill(registry, seed=1, count=0)
    for number in range(5):
        catalogues.add_plain(registry, 1, tags={"team": "risk" if number % 2 else "fraud"})
    return plimsoll


def test_a_search_prints_a_table_of_what_was_found(filled: Run) -> None:
    done = filled("model", "search", "tags.team = 'risk'", "--order-by", "version")
    assert (done.code, done.err) == (0, "")
    head, *rows = done.out.splitlines()
    assert head.split() == ["VERSION", "STATE", "VARIANTS", "TAGS", "METRICS", "CREATED"]
    assert [row.split()[0] for row in rows] == ["alpha@2", "alpha@4"]
    assert all("team=risk" in row for row in rows)


def test_a_search_says_when_there_is_more_than_it_shows(filled: Run) -> None:
    done = filled("model", "search", "--limit", "2", "-o", "json")
    assert [one["version"] for one in done.document] == [5, 4]
    assert "more than these 2" in done.err
    everything = filled("model", "search", "--limit", "5", "-o", "json")
    assert (len(everything.document), everything.err) == (5, "")


def test_a_filter_that_cannot_be_read_is_refused_with_the_place(filled: Run) -> None:
    done = filled("model", "search", "team = risk")
    assert (done.code, done.out) == (1, "")
    assert "filter, column 1 at 'team = risk'" in done.err
    assert "tags.<key>" in done.err


def test_lists_go_on_over_all_pages(filled: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "_PAGE", 2)
    found = filled("model", "search", "--limit", "5", "-o", "json").document
    assert [one["version"] for one in found] == [5, 4, 3, 2, 1]


def test_models_are_listed_with_their_newest_version(filled: Run, model: Path) -> None:
    filled("push", "digits", model)
    done = filled("model", "list")
    assert done.code == 0
    rows = {row.split()[0]: row.split()[1:] for row in done.out.splitlines()[1:]}
    assert rows["alpha"][:2] == ["5", "5"]
    assert rows["beta"][:2] == ["0", "-"]
    assert rows["digits"][:3] == ["1", "1", "onnx"]
