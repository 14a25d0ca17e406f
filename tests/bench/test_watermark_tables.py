"""Tables reach the document by a command, and the drawing of the null says what it shows."""

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np

from bench.watermark import distortion, plot, tables
from bench.watermark.tables import Table

PAGE = tables.PAGE.read_text(encoding="utf-8")
MADE = Table("speed", ("type", "M/s"), [("float32", "383")])


def test_a_measured_table_takes_its_place_and_the_others_stay(tmp_path: Path) -> None:
    page = (
        "a\n<!-- table: speed -->\nold\n<!-- end -->\nb\n<!-- table: null -->\nkept\n<!-- end -->\n"
    )
    tables.keep(MADE, tmp_path)
    once = tables.taken_in(page, tmp_path)
    assert "| float32 | 383 |" in once
    assert "old" not in once
    assert "kept" in once
    assert tables.taken_in(once, tmp_path) == once


def test_the_document_has_a_place_for_every_table_and_each_is_filled() -> None:
    each = {f"{what}-{kind.lower()}" for what in ("survival", "collusion")
            for kind in distortion.KINDS}  # fmt: skip
    assert set(tables.places(PAGE)) == each | {"distortion", "null", "speed", "triggers"}
    for name in tables.places(PAGE):
        part = PAGE.split(f"<!-- table: {name} -->\n", 1)[1].split("<!-- end -->", 1)[0]
        assert part.count("\n| ") >= 2, name


def test_the_drawing_of_the_null_is_well_formed_and_names_count_and_threshold() -> None:
    scores = np.random.default_rng(1).standard_normal(20_000)
    drawn = plot.drawn(plot.Null(scores, 6.33, 21.3, "blind; MLP & CNN"))
    tree = ET.fromstring(drawn)  # noqa: S314  our own
    assert "20,000 wrong keys" in tree.attrib["aria-label"]
    assert "6.33" in tree.attrib["aria-label"]
    assert "prefers-color-scheme: dark" in drawn
    assert len(tree.findall("{http://www.w3.org/2000/svg}polyline")) >= 4
