"""A weight map: the same as a document, and strictly read back from whoever wrote it."""

from collections.abc import Callable
from typing import Any

import pytest

from registry import errors
from registry.core import canonical
from registry.core.watermark.scheme import Tensor
from registry.formats import weights
from registry.formats.weights import Checksum, Place, Run, WeightMap

SIZES = {"model.pt": 1000, "data": 500, "index": 200}
WHOLE = Tensor("whole", "float32", (4, 6))
PARTS = Tensor("parts", "float16", (2, 10))
HONEST = WeightMap(
    {
        "model.pt": (Run(WHOLE, 64, 0, 24), Run(PARTS, 300, 0, 8)),
        "data": (Run(PARTS, 0, 8, 12),),
    },
    (
        Checksum("crc32c", "data", 0, 24, (Place("index", 7),)),
        Checksum("crc32c", "index", 0, 50, (Place("index", 50),)),
        Checksum("crc32", "model.pt", 64, 160, (Place("model.pt", 900), Place("model.pt", 50))),
    ),
)


def test_a_map_comes_back_from_its_document_as_it_was():
    document = canonical.decode_object(canonical.encode(HONEST.document()), what="map")
    found = weights.weight_map(document, SIZES)
    assert found == HONEST
    assert found.weights == 24 + 20
    assert found.touched == {"model.pt", "data", "index"}
    assert found.tensors == {"whole": WHOLE, "parts": PARTS}


def changed(*path: Any) -> Callable[[dict[str, Any]], None]:
    """`path` leads to a value, and ends with what takes its place."""
    *steps, last, value = path

    def change(document: dict[str, Any]) -> None:
        at: Any = document
        for step in steps:
            at = at[step]
        at[last] = value

    return change


RUN, SUMS = ("runs", "model.pt", 0), ("checksums",)
FLAWS: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "a run past the end": (changed(*RUN, 3, 950), "bytes 950 to 1046 of model.pt"),
    "a run before the start": (changed(*RUN, 3, -4), "impossible place"),
    "runs that overlap": (changed(*RUN, 3, 260), "bytes 300 to 316 of model.pt, where 356"),
    "a run of a file that is not there": (changed("runs", "x", []), "'x' is no file"),
    "a path that leads out": (changed("runs", "../x", []), "file path"),
    "more elements than the shape has": (changed(*RUN, 5, 25), "not covered exactly once"),
    "fewer elements than the shape has": (changed(*RUN, 5, 23), "not covered exactly once"),
    "elements from the middle on": (changed(*RUN, 4, 1), "not covered exactly once"),
    "a part that is missing": (changed("runs", "data", []), "not covered exactly once"),
    "one name for two tensors": (changed(*RUN, 0, "parts"), "two tensors are called 'parts'"),
    "a type that is no float": (changed(*RUN, 1, "int8"), "not described as it must be"),
    "one dimension": (changed(*RUN, 2, [24]), "not described as it must be"),
    "an empty dimension": (changed(*RUN, 2, [0, 24]), "impossible shape"),
    "a negative dimension": (changed(*RUN, 2, [-4, -6]), "impossible shape"),
    "a dimension that is no number": (changed(*RUN, 2, [True, 24]), "impossible shape"),
    "dimensions beyond all measure": (changed(*RUN, 2, [1 << 60, 1 << 60]), "impossible shape"),
    "a name without end": (changed(*RUN, 0, "x" * 1025), "not described as it must be"),
    "no name": (changed(*RUN, 0, ""), "not described as it must be"),
    "a run that is no list": (changed(*RUN, {}), "no list of lists"),
    "runs that are no list": (changed("runs", "model.pt", 7), "no list of lists"),
    "no runs": (changed("runs", None), "'runs' must be an object"),
    "no checksums": (changed("checksums", None), "'checksums' must be a list"),
    "an unknown checksum": (changed(*SUMS, 0, 0, "md5"), "a checksum is not described"),
    "a checksum past the end": (changed(*SUMS, 0, 3, 501), "over bytes 0 to 501"),
    "a checksum over nothing": (changed(*SUMS, 0, 2, 24), "over bytes 24 to 24"),
    "a checksum that stands past the end": (changed(*SUMS, 0, 4, [["index", 197]]), "at byte 197"),
    "a checksum that stands nowhere": (changed(*SUMS, 0, 4, [["index"]]), "the place of a"),
    "a checksum in a file that is not there": (changed(*SUMS, 0, 4, [["x", 0]]), "of 'x'"),
    "a checksum in weights": (changed(*SUMS, 0, 4, [["model.pt", 64]]), "stands in weights"),
    "a checksum in half of another": (changed(*SUMS, 0, 4, [["index", 52]]), "in another one"),
    "two checksums in one place": (changed(*SUMS, 0, 4, [["index", 50]]), "stand in one place"),
    "a checksum over itself": (changed(*SUMS, 1, 3, 51), "is over itself"),
    "two checksums over the same bytes": (
        changed(*SUMS, 2, ["crc32", "data", 20, 30, []]),
        "over the same bytes",
    ),
    "checksums over each other": (
        changed(
            "checksums",
            [["crc32", "index", 0, 9, [["index", 50]]], ["crc32", "index", 40, 60, [["index", 4]]]],
        ),
        "is over itself",
    ),
    "a chain of checksums": (
        changed(
            "checksums",
            [["crc32", "index", n, n + 9, [["index", n + 12]]] for n in range(0, 30, 10)],
        ),
        "is over itself, or over too many others",
    ),
}


@pytest.mark.parametrize("flaw", FLAWS)
def test_a_flawed_map_is_refused_with_its_flaw(flaw: str):
    change, expected = FLAWS[flaw]
    document: dict[str, Any] = HONEST.document()
    change(document)
    with pytest.raises(errors.InvalidInput, match=expected):
        weights.weight_map(document, SIZES)


def test_a_map_of_too_many_runs_is_refused_before_they_are_looked_at():
    runs = [["w", "float32", [1, 1], 4 * n, 0, 1] for n in range(weights.MAX_RUNS + 1)]
    with pytest.raises(errors.InvalidInput, match="more than 50000 runs"):
        weights.weight_map({"runs": {"data": runs}, "checksums": []}, SIZES)


def test_a_mark_outside_of_its_folder_is_refused():
    with pytest.raises(errors.InvalidInput, match=r"would change 'data', outside of variables/"):
        weights.require_below("variables/", HONEST)
