"""SavedModel: variables marked in place, their checksums with them, and the graph untouched."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from registry import errors
from registry.formats import marking
from registry.formats.weights import WeightMap
from tests.formats import checkpoints, saved_models
from tests.formats.checkpoints import DATA, INDEX
from tests.formats.marks import Alternating, find, marked, reading

HERE = Path(__file__).parent


def test_a_variable_is_marked_with_its_own_checksum_and_that_of_its_block(tmp_path: Path):
    files = checkpoints.of_two_blocks()
    made = marked(tmp_path, files)
    found = np.frombuffer(made[DATA], np.float32) / np.frombuffer(files[DATA], np.float32)
    assert np.allclose(abs(found - 1), Alternating.alpha)
    assert {path for path in files if made[path] != files[path]} == {DATA, INDEX}
    # Read again, every checksum is right: of each tensor, and of each block of the index.
    again = find(tmp_path, made)
    marking.require_sums(again, reading(made))
    assert [one.path for one in again.checksums] == [DATA, DATA, INDEX, INDEX]


def test_every_data_file_of_a_checkpoint_is_marked(tmp_path: Path):
    files = checkpoints.of_two_data_files()
    made = marked(tmp_path, files)
    assert {path for path in files if made[path] == files[path]} == {"saved_model.pb"}
    marking.require_sums(find(tmp_path, made), reading(made))


def test_only_floats_of_two_dimensions_and_more_are_marked(tmp_path: Path):
    found = find(tmp_path, checkpoints.files())
    assert list(found.tensors) == ["net/kernel"]
    assert found.weights == 24


def test_a_model_without_variables_has_no_weights(tmp_path: Path):
    assert find(tmp_path, saved_models.files(saved_models.honest())) == WeightMap({})


def test_a_variable_whose_checksum_is_wrong_is_refused_before_it_is_marked(tmp_path: Path):
    wrong = checkpoints.entry(checkpoints.WEIGHT, (6, 4), 0, checksum=1)
    files = checkpoints.files((b"a", wrong))
    with pytest.raises(errors.UnsafeModel, match=r"checksum of bytes 0 to 96, .* is wrong"):
        marking.require_sums(find(tmp_path, files), reading(files))


@pytest.mark.parametrize("name", checkpoints.FLAWS)
def test_a_flawed_checkpoint_is_refused_with_its_flaw_and_the_fix(tmp_path: Path, name: str):
    build, expected = checkpoints.FLAWS[name]
    with pytest.raises(errors.UnsafeModel, match=expected) as caught:
        find(tmp_path, build(), "saved_model")
    assert caught.value.detail.startswith("variables/variables.index: ")
    assert caught.value.fix


def test_no_flipped_byte_of_an_index_ends_in_anything_but_a_verdict(tmp_path: Path):
    files = checkpoints.files()
    for position in range(0, len(files[INDEX]), 5):
        flipped = bytearray(files[INDEX])
        flipped[position] ^= 0x55
        with pytest.raises(errors.UnsafeModel) as caught:
            find(tmp_path, {**files, INDEX: bytes(flipped)})
        assert "failed with status" not in caught.value.detail, position


def test_tensorflow_loads_what_was_marked_and_gives_nearly_the_same(tmp_path: Path):
    script = HERE / "mark_saved_model.py"
    done = subprocess.run(
        [sys.executable, script, tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["changed"] == [DATA, INDEX]
    assert said["graph"] == "identical"
    assert said["marked"] == said["kernels"]
    assert 0 < said["difference"] < 0.05
