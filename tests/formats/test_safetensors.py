"""safetensors: what is read from honest files, what is said about each flaw."""

from pathlib import Path

import pytest

from registry import errors
from registry.core.tensors import Signature
from registry.formats import detect, zygote
from tests.formats import safetensors_models
from tests.formats.inspecting import inspect, inspect_built, verdict

GOLDEN = Path(__file__).parent / "golden" / "weights.safetensors"


def test_weights_are_counted_and_there_is_no_call(tmp_path: Path):
    found = inspect_built(tmp_path, safetensors_models.files())
    assert found.format == "safetensors"
    assert found.signature == Signature((), ())
    assert found.detail["tensors"] == 2
    assert found.detail["parameters"] == 12
    assert found.detail["dtypes"] == {"F32": 1, "I8": 1}
    assert found.detail["bytes"] == 30


def test_a_file_of_the_real_library_is_read():
    found = inspect({"weights.safetensors": GOLDEN})
    assert found.detail["parameters"] == 24 + 6 + 1
    assert found.detail["dtypes"] == {"F16": 1, "F32": 1, "I64": 1, "U8": 1}


def test_shards_are_read_by_their_index(tmp_path: Path):
    found = inspect_built(tmp_path, safetensors_models.shards())
    assert (found.detail["tensors"], found.detail["shards"]) == (2, 2)


def test_shards_may_lie_in_a_folder(tmp_path: Path):
    files = {f"weights/{path}": content for path, content in safetensors_models.shards().items()}
    assert inspect_built(tmp_path, files).detail["tensors"] == 2


def test_what_hugging_face_puts_beside_is_accepted(tmp_path: Path):
    beside = """
    config.json generation_config.json tokenizer.json tokenizer_config.json tokenizer.model
    special_tokens_map.json vocab.txt vocab.json merges.txt README.md LICENSE chat_template.jinja
    1_Pooling/config.json preprocessor_config.json
    """
    files = safetensors_models.files() | dict.fromkeys(beside.split(), b"{}")
    assert inspect_built(tmp_path, files).detail["tensors"] == 2


def test_a_header_whose_length_looks_like_another_format_is_read(tmp_path: Path):
    """640 bytes: the file begins as a pickle of protocol 2 does."""
    name = "w" * (640 - 64)
    files = safetensors_models.files({name: safetensors_models.entry(0, 24)}, bytes(24))
    assert files["model.safetensors"][:2] == b"\x80\x02"
    assert verdict(tmp_path, files) == "safetensors"


@pytest.mark.parametrize("name", safetensors_models.FLAWS)
def test_a_flawed_file_is_refused_with_its_flaw_and_the_fix(tmp_path: Path, name: str):
    build, expected = safetensors_models.FLAWS[name]
    with pytest.raises(errors.UnsafeModel, match=expected) as caught:
        inspect_built(tmp_path, build(), "safetensors")
    assert caught.value.fix


def test_every_prefix_of_a_file_is_refused(tmp_path: Path):
    whole = safetensors_models.weights()
    for length in range(0, len(whole), 7):
        said = verdict(tmp_path, {"model.safetensors": whole[:length]}, "safetensors")
        assert said.startswith("model.safetensors: ")
        assert "failed with status" not in said


def test_every_flipped_byte_of_the_header_ends_in_a_verdict(tmp_path: Path):
    whole = safetensors_models.weights()
    for position in range(0, len(whole) - 30, 3):
        flipped = bytearray(whole)
        flipped[position] ^= 0x15
        files = {"model.safetensors": bytes(flipped)}
        assert "failed with status" not in verdict(tmp_path, files, "safetensors")


def test_only_the_start_of_a_shard_is_asked_for():
    paths = ["m.safetensors.index.json", "a.safetensors", "config.json"]
    wanted = detect.wanted("safetensors", paths[0], paths)
    assert wanted == {paths[0]: None, "a.safetensors": 8 + detect.SAFETENSORS_HEADER}


def test_more_shards_than_can_be_opened_are_too_many(tmp_path: Path):
    files = {f"{n}.safetensors": b"" for n in range(zygote.MAX_FILES)}
    with pytest.raises(errors.TooLarge, match="in 241 files"):
        inspect_built(tmp_path, {"m.safetensors.index.json": b"{}", **files})
