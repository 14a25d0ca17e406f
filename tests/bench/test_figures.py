"""Rows, bars, the table, results.json and the exit code: no measuring, no waiting."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from bench import __main__ as bench
from bench import figures
from bench.figures import Row
from registry import errors


def row(*, value: float = 1.0, ratio: float | None = None, bar: figures.Bar | None = None) -> Row:
    return Row("registry", "push", value, "MB/s", "the disk", ratio=ratio, bar=bar)


@pytest.mark.parametrize(
    ("ratio", "holds"), [(0.44, False), (0.45, True), (2.0, True), (None, False)]
)
def test_a_ratio_must_reach_its_bar(ratio: float | None, holds: bool) -> None:
    assert row(ratio=ratio, bar=figures.at_least(0.45)).holds is holds


@pytest.mark.parametrize(("value", "holds"), [(4.99, True), (5.0, False), (5.01, False)])
def test_a_value_must_stay_under_its_bar(value: float, holds: bool) -> None:
    assert row(value=value, bar=figures.under(5)).holds is holds


@pytest.mark.parametrize(("value", "holds"), [(0, True), (1, False)])
def test_zero_writes_may_be_reached_and_not_passed(value: float, holds: bool) -> None:
    assert row(value=value, bar=figures.at_most(0)).holds is holds


def test_a_row_without_a_bar_neither_holds_nor_breaks() -> None:
    assert row().holds is None
    assert figures.broken([row()]) == []


def test_results_have_one_object_a_row_with_these_fields() -> None:
    text = figures.document([row(value=470.123456, ratio=0.5234567, bar=figures.at_least(0.45))])
    assert json.loads(text) == [
        {
            "area": "registry",
            "name": "push",
            "value": 470.1,
            "unit": "MB/s",
            "reference": "the disk",
            "ratio": 0.5235,
            "bar": "ratio ≥ 0.45",
            "holds": True,
        }
    ]


def test_what_was_not_compared_is_null_in_the_results() -> None:
    found = json.loads(figures.document([row()]))[0]
    assert (found["ratio"], found["bar"], found["holds"]) == (None, None, None)


def test_the_table_shows_the_bar_that_does_not_hold() -> None:
    console = Console(width=160, file=io.StringIO(), record=True)
    console.print(figures.table([row(ratio=0.3, bar=figures.at_least(0.45)), row()]))
    broken, plain = [line for line in console.export_text().splitlines() if "push" in line]
    assert "0.30" in broken
    assert "ratio ≥ 0.45" in broken
    assert "NO" in broken
    assert "NO" not in plain


@pytest.mark.parametrize(
    ("value", "shown"), [(1234567.8, "1,234,568"), (470.4, "470"), (2.318, "2.32"), (0, "0")]
)
def test_the_table_keeps_three_digits_and_no_exponent(value: float, shown: str) -> None:
    assert f": {shown} MB/s" in figures.line(row(value=value))


def test_the_exit_code_is_zero_where_every_bar_holds(tmp_path: Path) -> None:
    good = [row(ratio=1, bar=figures.at_least(0.45)), row()]
    assert bench.measure([area_of(good)], tmp_path / "results.json") == 0


def test_the_exit_code_is_one_where_a_bar_does_not_hold(tmp_path: Path) -> None:
    bad = [row(ratio=0.1, bar=figures.at_least(0.45)), row()]
    assert bench.measure([area_of(bad)], tmp_path / "results.json") == 1
    assert len(json.loads((tmp_path / "results.json").read_text())) == 2


def test_what_was_measured_is_kept_when_the_rest_cannot_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(folder: Path) -> bench.Rows:
        yield row()
        raise errors.NotFound("nginx is not installed", fix="apt-get install nginx-light")

    assert bench.measure([broken, area_of([row()])], tmp_path / "results.json") == 1
    assert len(json.loads((tmp_path / "results.json").read_text())) == 1
    assert "fix: apt-get install nginx-light" in capsys.readouterr().out


def test_an_interrupted_area_is_unwound_before_anything_else(tmp_path: Path) -> None:
    told: list[str] = []

    def interrupted(folder: Path) -> bench.Rows:
        try:
            yield row()
            raise KeyboardInterrupt
        finally:
            told.append("cleaned up")

    with pytest.raises(KeyboardInterrupt):
        bench.measure([interrupted], tmp_path / "results.json")
    assert told == ["cleaned up"]
    assert len(json.loads((tmp_path / "results.json").read_text())) == 1


def area_of(rows: list[Row]) -> bench.Area:
    def area(folder: Path) -> bench.Rows:
        yield from rows

    return area
