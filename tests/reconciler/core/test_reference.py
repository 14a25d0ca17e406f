"""What `plimsoll reference` prints: read back by what reads Git, and faults told by their place."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from reconciler import cli
from reconciler.core import reference
from reconciler.core.kinds.online import Reference
from registry import errors
from registry.core import documents, reading

GOLDEN = Path(__file__).parents[3] / "models.d/datasets/digits-golden.csv"
AGES = b"age,kind\n" + b"".join(b"%d,%s\n" % (n, b"a" if n % 3 else b"it's") for n in range(100))


def read(text: str) -> Reference:
    found = documents.read("x.yaml", text.encode())
    assert isinstance(found, documents.Document)
    value = found.value
    assert isinstance(value, dict)
    return reading.part(value["reference"], Reference, what="reference")


def test_bins_have_about_as_many_values_each_and_are_read_as_they_were_written() -> None:
    found = reference.of_column(AGES, "age", bins=5, what="a.csv")
    assert (found.edges, found.counts) == ([20, 40, 60, 80], [20] * 5)
    assert read(reference.written(found)) == found
    kinds = reference.of_categories(AGES, "kind", what="a.csv")
    assert kinds.categories == {"a": 66, "it's": 34}
    assert read(reference.written(kinds)) == kinds
    tiny = b"v\n" + b"".join(b"%.9f\n" % (n * 1e-7) for n in range(50))
    small = reference.of_column(tiny, "v", bins=4, what="a.csv")
    assert read(reference.written(small)) == small


def test_few_different_values_make_fewer_bins() -> None:
    found = reference.of_column(b"v\n" + b"0\n" * 90 + b"1\n" * 10, "v", bins=20, what="a.csv")
    assert (found.edges, found.counts) == ([1], [90, 10])


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"w\n1\n", "a.csv:1: column 'v' is there 0 times"),
        (b"v,w\n1\n", "a.csv:2: 1 cells, the header has 2"),
        (b"v\none\n", "'one' is no finite number"),
        (b"v\ninf\n", "'inf' is no finite number"),
        (b"v\n", "there is no row"),
        (b"", "column 'v' is there 0 times"),
        (b"v\n3\n3\n", "nearly all 3.0"),
        (b"\xff", "not a CSV file"),
        (b'v\n"', "not a CSV file"),
    ],
)
def test_a_file_that_makes_no_reference_is_told_what_is_wrong(data: bytes, said: str) -> None:
    with pytest.raises(errors.InvalidInput) as caught:
        reference.of_column(data, "v", bins=3, what="a.csv")
    assert said in caught.value.detail


def test_the_command_prints_the_demos_own_golden_set() -> None:
    asked = ["reference", str(GOLDEN), "--mean-of", "p", "--bins", "5"]
    found = read(CliRunner().invoke(cli.app, asked, catch_exceptions=False).output)
    assert len(found.bins) == 5
    with pytest.raises(errors.InvalidInput, match="exactly one"):
        CliRunner().invoke(cli.app, ["reference", str(GOLDEN)], catch_exceptions=False)
