"""How SQLite answers searches: by which index, and that nothing is sorted that comes in order.

Plans, not times: they say the same on a busy machine.
"""

from collections.abc import Sequence

import pytest
from sqlalchemy import event

from registry.core import query, query_text
from registry.core.cursor import Position
from registry.core.query import Query
from registry.db import search as rows
from registry.usecases.opening import Registry
from tests.registry import catalogues

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def plan(
    registry: Registry, filters: str, order: str = "", behind: Position | None = None
) -> list[str]:
    """What SQLite does for the last statement of a page, step by step."""
    wanted = Query(
        query_text.parse_filter(filters, query.VERSIONS),
        query_text.parse_order([order], query.VERSIONS),
    )
    seen: list[tuple[str, Sequence[object]]] = []
    event.listen(
        registry.database.engine,
        "before_cursor_execute",
        lambda *given: seen.append((given[2], given[3])),
    )
    with registry.database.reading() as session:
        rows.page(session, rows.VERSIONS, wanted, behind=behind, limit=10)
        statement, parameters = [one for one in seen if one[0].startswith("SELECT")][-1]
        steps = session.connection().exec_driver_sql(
            f"EXPLAIN QUERY PLAN {statement}", tuple(parameters)
        )
        return [step[-1] for step in steps]


@pytest.fixture
def filled(registry: Registry) -> Registry:
    catalogues.fill(registry, seed=1, count=60)
    return registry


def test_one_tag_is_read_from_its_index_newest_first(filled: Registry) -> None:
    for behind, place in (
        (None, "(key=? AND start=?)"),
        ((50,), "(key=? AND start=? AND version_id<?)"),
    ):
        (step,) = plan(filled, "tags.team = 'risk'", behind=behind)
        assert f"USING COVERING INDEX ix_version_tags_key_start_version_id {place}" in step


def test_a_second_tag_is_looked_up_for_each_row_of_the_first(
    filled: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "FEW", 0)
    first, *others = plan(filled, "tags.team = 'risk' AND tags.stage = 'risk'")
    assert "ix_version_tags_key_start_version_id (key=? AND start=?)" in first
    assert "(version_id=? AND key=?)" in others[-1]
    assert not [step for step in others if "TEMP B-TREE" in step or "SCAN" in step]


def test_what_an_index_has_in_order_is_not_sorted(
    filled: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "FEW", 0)  # as if every term were frequent
    for filters, order, index in (
        ("", "", "SCAN versions"),
        ("", "updated_at DESC", "ix_versions_updated_at_id"),
        ("", "created_at", "ix_versions_created_at_id"),
        ("", "name", "ix_versions_model_id"),
        ("status = 'ready'", "", "ix_versions_status_id (status=?)"),
        ("owner = 'risk'", "", "ix_versions_owner_id (owner=?)"),
        ("name = 'alpha'", "", "ix_versions_model_id (model=?)"),
        ("name = 'alpha'", "version DESC", "(model=?)"),
        ("params.team = 'risk'", "", "ix_version_parameters_key_start_version_id (key=? AND"),
        ("metrics.f1 = 0.25", "", "ix_version_metrics_key_value_version_id (key=? AND value=?)"),
        ("tags.team != 'risk'", "updated_at DESC", "ix_versions_updated_at_id"),
        ("status = 'ready' AND tags.team = 'risk'", "updated_at", "ix_versions_updated_at_id"),
        ("updated_at >= '2026-01-02'", "updated_at DESC", "updated_at_id (updated_at>?)"),
    ):
        steps = plan(filled, filters, order)
        assert index in steps[0]
        assert not [step for step in steps if "TEMP B-TREE" in step]


def test_an_order_by_a_metric_reads_the_metrics_index(filled: Registry) -> None:
    index = "ix_version_metrics_key_value_version_id"
    (behind,) = plan(filled, "", "metrics.f1 DESC", (0.25, 30))
    assert f"{index} (key=? AND value<?)" in behind
    (ranged,) = plan(filled, "metrics.f1 > 0", "metrics.f1 DESC")
    assert f"{index} (key=? AND value>?)" in ranged


def test_rare_members_are_looked_up_not_searched_for(filled: Registry) -> None:
    for filters in ("digest = 'sha256:1'", "alias = 'champion'", "format = 'x'"):
        steps = plan(filled, filters)
        assert steps[0].startswith("SEARCH versions USING INTEGER PRIMARY KEY")
        assert not [step for step in steps if step.startswith("SCAN")]


def test_a_beginning_is_a_range_of_the_index(filled: Registry) -> None:
    steps = plan(filled, "tags.team LIKE 'ri%'", "version DESC")
    assert "ix_version_tags_key_start_version_id (key=? AND start>? AND start<?)" in steps[0]
