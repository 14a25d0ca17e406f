"""safetensors: marked in place, of every float and in every shard, and read as before."""

import json
from pathlib import Path

import numpy as np
import pytest

from registry import errors
from registry.formats.inspection import Fetch, Inspector, Limits, open_plain
from registry.formats.sandbox import Ended
from tests.formats import safetensors_models
from tests.formats.marks import Alternating, find, marked
from tests.formats.safetensors_models import NAME, entry

GOLDEN = Path(__file__).parent / "golden" / "weights.safetensors"
NUMBERS = np.linspace(1, 2, 6)


@pytest.mark.parametrize(("dtype", "form"), [("F16", "<f2"), ("F32", "<f4"), ("F64", "<f8")])
def test_every_float_is_marked_and_the_header_is_not_touched(tmp_path: Path, dtype: str, form: str):
    data = NUMBERS.astype(form).tobytes()
    files = safetensors_models.files({"w": entry(0, len(data), dtype)}, data)
    made = marked(tmp_path, files)[NAME]
    assert made[: -len(data)] == files[NAME][: -len(data)]
    found = np.frombuffer(made[-len(data) :], form).astype(np.float64)
    assert np.allclose(abs(found / NUMBERS - 1), Alternating.alpha, atol=2e-3)


def test_a_file_of_the_real_library_is_marked(tmp_path: Path):
    files = {NAME: GOLDEN.read_bytes()}
    assert find(tmp_path, files).weights == 24 + 6
    made = marked(tmp_path, files)[NAME]
    length = 8 + int.from_bytes(made[:8], "little")
    assert json.loads(made[8:length])["half"]["dtype"] == "F16"
    assert made[length:] != files[NAME][length:]


def test_each_shard_is_marked_and_their_index_is_not(tmp_path: Path):
    shard = safetensors_models.weights({"v": entry(0, 24)}, NUMBERS.astype(np.float32).tobytes())
    files = safetensors_models.shards(**{"a-2.safetensors": shard})
    found = find(tmp_path, files)
    assert {path: [run.tensor.name for run in runs] for path, runs in found.runs.items()} == {
        "a-1.safetensors": ["w"],
        "a-2.safetensors": ["v"],
    }
    made = marked(tmp_path, files)
    # Zeros stay zeros, so only one of the two differs.
    assert {path for path in files if made[path] != files[path]} == {"a-2.safetensors"}


# What lies beside a model and is not read is the inspection's to judge.
@pytest.mark.parametrize(
    "name", sorted(safetensors_models.FLAWS.keys() - {"shard_that_the_index_does_not_name"})
)
def test_a_flawed_file_is_refused_with_its_flaw_and_the_fix(tmp_path: Path, name: str):
    build, expected = safetensors_models.FLAWS[name]
    with pytest.raises(errors.UnsafeModel, match=expected) as caught:
        find(tmp_path, build(), "safetensors")
    assert caught.value.fix


def test_more_than_an_answer_can_hold_is_refused_in_words(tmp_path: Path):
    names = [f"{'x' * 995}{number}" for number in range(9_000)]
    header = {name: entry(4 * n, 4 * n + 4, "F32", (1, 1)) for n, name in enumerate(names)}
    files = safetensors_models.files(header, bytes(4 * len(names)))
    with pytest.raises(errors.UnsafeModel, match="to say what is in it takes") as caught:
        find(tmp_path, files)
    assert "shorter names" in caught.value.fix


class Lying:
    """A child under an attacker's control."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def run(self, request, *, files, bounds):
        return Ended(self._answer)

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"{}",
        b'{"weights":{}}',
        b'{"weights":{"runs":{"other":[]},"checksums":[]}}',
        b'{"weights":{"runs":{"m.safetensors":[["w","float32",[2,3],90,0,6]]},"checksums":[]}}',
    ],
)
def test_what_a_child_makes_up_is_not_believed(tmp_path: Path, answer: bytes):
    place = tmp_path / "m"
    place.write_bytes(bytes(100))
    fetch: Fetch = lambda path, count: open_plain(path, place)  # noqa: E731
    with pytest.raises(errors.UnsafeModel, match="the inspection gave no answer"):
        Inspector(Lying(answer)).weights({"m.safetensors": 100}, fetch, None, Limits())
