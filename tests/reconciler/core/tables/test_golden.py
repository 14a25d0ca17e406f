"""Golden data of all three formats is the same data; and what is none says so and where."""

import io
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from arro3.core import Array, DataType, Table, fixed_size_list_array
from arro3.io import write_parquet

from reconciler.core import golden, sources
from reconciler.core.kinds.template import AcceptanceSpec, AcceptanceTemplate
from registry.errors import InvalidInput

COLUMNS: dict[str, list[Any]] = {
    "p0": [0.5, 1.5, 2.5],
    "p1": [1.0, 0.0, 3.0],
    "label": [1, 0, 1],
    "hour": ["night", "day", "night"],
    "grade": [3, 4, 3],
}


def spec(form: str, **said: Any) -> AcceptanceSpec:
    dataset = {
        "path": f"models.d/datasets/x.{form}",
        "digest": "sha256:" + "0" * 64,
        "label": "label",
        "inputs": [{"prefix": "p", "dtype": "float32", "shape": [2]}],
    }
    document = {
        "dataset": {**dataset, **said.pop("dataset", {})},
        "metrics": {"accuracy": {"min": 0.5}},
        "slices": [
            {"name": "nights", "where": {"hour": "night", "grade": 3}, "minimumSamples": 1},
        ],
        "minimumSamples": 1,
        **said,
    }
    return AcceptanceSpec.model_validate(document)


def csv(columns: Mapping[str, list[Any]]) -> bytes:
    rows = zip(*columns.values(), strict=True)
    lines = [",".join(columns), *(",".join(map(str, row)) for row in rows)]
    return ("\n".join(lines) + "\n").encode()


def npz(columns: Mapping[str, Any]) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **{name: np.array(one) for name, one in columns.items()})
    return file.getvalue()


def parquet(columns: Mapping[str, Any], **said: Any) -> bytes:
    file = io.BytesIO()
    write_parquet(
        Table.from_pydict({name: _arrow(one) for name, one in columns.items()}), file, **said
    )
    return file.getvalue()


def _arrow(values: Any) -> Any:
    if isinstance(values, list) and any(isinstance(one, str) or one is None for one in values):
        is_text = any(isinstance(one, str) for one in values)
        return Array(values, type=DataType.utf8() if is_text else DataType.float64())
    return Array(np.array(values)) if isinstance(values, list) else values


FORMATS: dict[str, Callable[[Mapping[str, Any]], bytes]] = {
    "csv": csv,
    "npz": npz,
    "parquet": lambda columns: parquet(columns, compression="snappy"),
}


@pytest.mark.parametrize("form", FORMATS)
def test_all_formats_hold_the_same_samples(form: str) -> None:
    found = golden.read(FORMATS[form](COLUMNS), spec(form))
    assert found.instances == ([0.5, 1.0], [1.5, 0.0], [2.5, 3.0])
    assert found.labels.tolist() == [1, 0, 1]
    assert found.labels.dtype == np.int64
    assert found.slices["nights"].tolist() == [True, False, True]


def test_named_inputs_of_any_shape_come_from_columns_of_several_numbers() -> None:
    images = np.arange(24.0).reshape(3, 2, 4)
    rows = fixed_size_list_array(Array(images.ravel()), 8)
    dataset = {
        "inputs": [
            {"name": "x", "columns": ["images"], "dtype": "float32", "shape": [2, 4]},
            {"name": "n", "columns": ["grade"], "dtype": "int64", "shape": []},
        ]
    }
    columns = {name: COLUMNS[name] for name in ("label", "hour", "grade")}
    for data, form in (
        (npz({**columns, "images": images}), "npz"),
        (parquet({**columns, "images": rows}, compression="zstd(3)"), "parquet"),
    ):
        found = golden.read(data, spec(form, dataset=dataset))
        assert found.instances[1] == {"x": images[1].tolist(), "n": 4}


@pytest.mark.parametrize("form", FORMATS)
def test_numbers_are_labels_where_numbers_are_asked_for(form: str) -> None:
    data = FORMATS[form]({**COLUMNS, "label": [0.5, 1.0, 2.0]})
    found = golden.read(data, spec(form, metrics={"rmse": {"max": 1}}))
    assert found.labels.tolist() == [0.5, 1.0, 2.0]
    with pytest.raises(
        InvalidInput, match=r"'?0.5'? in column 'label' is not a number of type int"
    ):
        golden.read(data, spec(form))


WRONG: dict[str, tuple[str, bytes, str]] = {
    "csv cell too many": (
        "csv",
        csv(COLUMNS) + b"1,2,3,night,3,9\n",
        "x.csv:5: 6 cells, the header",
    ),
    "csv cell no number": (
        "csv",
        csv({**COLUMNS, "p1": [1, "one", 3]}),
        "x.csv:3: 'one' in column 'p1' is not a number of type float32",
    ),
    "csv not finite": (
        "csv",
        csv({**COLUMNS, "p1": [1, 2, "nan"]}),
        "x.csv:4: 'nan' in column 'p1'",
    ),
    "csv of bytes": (
        "csv",
        b"\xff\xfe",
        "not a CSV file",
    ),
    "csv without samples": (
        "csv",
        b"p0,p1,label,hour,grade\n",
        "there is no sample",
    ),
    "csv column twice": (
        "csv",
        b"p0,p0,label,hour,grade\n1,2,3,a,4\n",
        "'p0' is there 2 times",
    ),
    "csv without a label": (
        "csv",
        b"p0,p1,hour,grade\n",
        "column 'label' is there 0 times",
    ),
    "csv integer too large": (
        "csv",
        csv({**COLUMNS, "label": [1, 2, 10**30]}),
        "beyond 64 bits",
    ),
    "npz not a zip": (
        "npz",
        b"PK\x03\x04 and no more",
        "not an npz file",
    ),
    "npz of pickles": (
        "npz",
        npz({**COLUMNS, "p0": [{}, {}, {}]}),
        "not an npz file: ValueError",
    ),
    "npz of other lengths": (
        "npz",
        npz({**COLUMNS, "p0": [1.0]}),
        "its columns have 1, 3 samples",
    ),
    "npz of one value": (
        "npz",
        npz({**COLUMNS, "p0": 1.0}),
        "has no samples",
    ),
    "npz of complex numbers": (
        "npz",
        npz({**COLUMNS, "p0": [1j, 2, 3]}),
        "'p0' is of type complex",
    ),
    "npz not finite": (
        "npz",
        npz({**COLUMNS, "p0": [1, np.inf, 3]}),
        "sample 2: 'inf' in column 'p0'",
    ),
    "npz fraction": (
        "npz",
        npz({**COLUMNS, "label": [1.5, 2, 3]}),
        "sample 1: '1.5' in column 'label'",
    ),
    "npz too few columns": (
        "npz",
        npz({name: COLUMNS[name] for name in ("p0", "label", "hour", "grade")}),
        "1 columns for input of the model",
    ),
    "parquet of nothing": (
        "parquet",
        b"PAR1PAR1",
        "not a Parquet file",
    ),
    "parquet with a broken footer": (
        "parquet",
        b"PAR1" + b"\x00" * 40 + b"PAR1",
        "not a Parquet file: ",
    ),
    "parquet cut": (
        "parquet",
        parquet(COLUMNS)[:-300] + b"PAR1",
        "not a Parquet file: ",
    ),
    "parquet with a gap": (
        "parquet",
        parquet({**COLUMNS, "p1": [1.0, None, 2.0]}),
        "'p1' lacks 1 values",
    ),
    "parquet label of text": (
        "parquet",
        parquet({**COLUMNS, "label": ["a", "b", "c"]}),
        "sample 1: 'a' in column 'label'",
    ),
}


@pytest.mark.parametrize("flaw", WRONG)
def test_what_is_no_golden_data_says_where(flaw: str) -> None:
    form, data, said = WRONG[flaw]
    with pytest.raises(InvalidInput) as caught:
        golden.read(data, spec(form))
    assert said in caught.value.detail


def test_a_column_that_a_slice_asks_for_must_be_there() -> None:
    lacking = {name: COLUMNS[name] for name in ("p0", "p1", "label", "hour")}
    with pytest.raises(InvalidInput, match="there is no column 'grade'") as caught:
        golden.read(npz(lacking), spec("npz"))
    assert caught.value.fix == "its columns are: p0, p1, label, hour"


def test_what_claims_to_unpack_to_more_than_memory_is_not_unpacked() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("p0.npy", b"\x00" * 1000)
    data = bytearray(file.getvalue())
    # The uncompressed size in the central directory, which is what a reader goes by.
    at = data.index(b"PK\x01\x02") + 24
    data[at : at + 4] = struct.pack("<I", (1 << 30) + 1)
    with pytest.raises(InvalidInput, match="unpacks to more than 1 GiB"):
        golden.read(bytes(data), spec("npz"))


def test_bytes_that_were_flipped_are_refused_or_read_but_never_crash() -> None:
    """Whatever the parsers raise of themselves is told as wrong data."""
    draw = np.random.default_rng(1)
    refused = 0
    for form in ("npz", "parquet"):
        whole = FORMATS[form](COLUMNS)
        for _ in range(60):
            data = bytearray(whole)
            data[draw.integers(0, len(data))] ^= 1 << draw.integers(0, 8)
            try:
                golden.read(bytes(data), spec(form))
            except InvalidInput:
                refused += 1
    assert 0 < refused < 120


def test_the_example_in_the_documents_is_a_template() -> None:
    page = (Path(__file__).parents[4] / "docs" / "acceptance.md").read_text()
    text = page.split("```yaml\n", 1)[1].split("```", 1)[0]
    found = sources.parse("models.d/templates/loans-golden.yaml", text.encode())
    assert isinstance(found, sources.Source)
    assert isinstance(found.kind, AcceptanceTemplate)
    assert [name for name, _ in found.kind.spec.metrics.asked] == [
        "accuracy", "f1", "auroc", "calibrationError"
    ]  # fmt: skip
