"""TorchScript: storages marked once, their CRC-32 with them, in PyTorch's own files too."""

import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from registry import errors
from registry.formats import marking
from tests.formats import torchscript_models, zip_archives
from tests.formats.inspecting import Files, inspect_built
from tests.formats.marks import Alternating, find, marked, reading, weights_verdict
from tests.formats.torchscript_models import Pickle

GOLDEN = Path(__file__).parent / "golden"
NUMBERS = np.linspace(1, 2, 24, dtype=np.float32)


def archive_of(
    *tensors: Callable[[Pickle], Pickle], numbers: np.ndarray = NUMBERS, form: int = 0
) -> Files:
    """A model whose attributes are views into one storage."""
    net = Pickle().name("__torch__", "Net").add(b")\x81}(", "training", b"\x88")
    for number, tensor in enumerate(tensors):
        net = tensor(net.add(f"t{number}"))
    data = net.add(b"ub.").data
    records = torchscript_models.records(**{"data.pkl": data, "data/0": numbers.tobytes()})
    packed = (torchscript_models.SOURCE, *(("data/0",) if form else ()))
    return {"model.pt": torchscript_models.archive(records, packed=packed)}


def view(offset: int, size: tuple[int, ...], stride: tuple[int, ...]):
    return lambda net: net.tensor(elements=24, offset=offset, size=size, stride=stride)


def storage(archive: bytes, record: str = "net/data/0") -> np.ndarray:
    """As any reader of zip files reads it, which checks its checksum."""
    with zipfile.ZipFile(io.BytesIO(archive)) as file:
        assert file.testzip() is None
        return np.frombuffer(file.read(record), np.float32)


def test_weights_are_called_as_in_a_state_dictionary(tmp_path: Path):
    found = find(tmp_path, {"traced.pt": (GOLDEN / "traced.pt").read_bytes()})
    assert {name: tensor.shape for name, tensor in found.tensors.items()} == {
        "convolution.weight": (2, 1, 3, 3),
        "out.weight": (3, 2),
    }


@pytest.mark.parametrize("name", ["state_dict.pt", "pickled_module.pt"])
def test_a_stolen_checkpoint_has_its_weights_found_and_runs_nothing(tmp_path: Path, name: str):
    found = find(tmp_path, {name: (GOLDEN / name).read_bytes()})
    assert {one.name: one.shape for one in found.tensors.values()} == {"weight": (2, 2)}


def test_a_checkpoint_that_calls_something_is_only_looked_at(tmp_path: Path):
    planted = tmp_path / "planted"
    call = Pickle().name("os", "system").add(f"touch {planted}", b"\x85R0")
    data = call.add(b"}(", "w").tensor().add(b"u.").data
    files = {"model.pt": torchscript_models.archive({"data.pkl": data, "data/0": bytes(48)})}
    assert list(find(tmp_path, files).tensors) == ["w"]
    assert not planted.exists()


def test_an_archive_of_something_else_is_refused(tmp_path: Path):
    files = {"model.pt": torchscript_models.archive({"other": b"x"})}
    with pytest.raises(errors.UnsafeModel, match="neither TorchScript nor what"):
        find(tmp_path, files)


def test_attributes_nested_without_end_end_in_a_verdict(tmp_path: Path):
    net = Pickle().name("__torch__", "Net").add(b")\x81}(", "training", b"\x88", "deep")
    data = net.add(b"]" * 50_000 + b"a" * 49_999, "weight").tensor().add(b"ub.").data
    files = torchscript_models.files(**{"data.pkl": data})
    assert weights_verdict(tmp_path, files, "torchscript") == "12"


@pytest.mark.parametrize("name", ["scripted.pt", "traced.pt"])
def test_pytorchs_own_archives_are_marked_and_stay_sound(tmp_path: Path, name: str):
    files = {name: (GOLDEN / name).read_bytes()}
    made = marked(tmp_path, files)
    with zipfile.ZipFile(io.BytesIO(made[name])) as file:
        assert file.testzip() is None
    assert inspect_built(tmp_path, made).detail == inspect_built(tmp_path, files).detail


def test_a_checksum_that_stands_before_its_bytes_is_right_too(tmp_path: Path):
    files = archive_of(view(0, (4, 6), (6, 1)))
    (found,) = find(tmp_path, files).checksums
    assert [place.offset < found.start for place in found.places] == [False, True]
    made = storage(marked(tmp_path, files)["model.pt"])
    assert np.allclose(abs(made / NUMBERS - 1), Alternating.alpha)


def test_tensors_that_share_a_storage_are_marked_once(tmp_path: Path):
    whole, same, part = view(0, (4, 6), (6, 1)), view(0, (6, 4), (4, 1)), view(6, (2, 6), (6, 1))
    found = find(tmp_path, archive_of(whole, same, part))
    assert found.weights == 24
    assert list(found.tensors) == ["t0"]


def test_a_transposed_view_of_a_weight_follows_it(tmp_path: Path):
    found = find(tmp_path, archive_of(view(0, (4, 6), (6, 1)), view(0, (6, 4), (1, 6))))
    assert found.weights == 24


def test_two_weights_in_one_storage_are_two_tensors_under_one_checksum(tmp_path: Path):
    files = archive_of(view(0, (3, 4), (4, 1)), view(12, (3, 4), (4, 1)))
    found = find(tmp_path, files)
    assert list(found.tensors) == ["t0", "t1"]
    assert len(found.checksums) == 1
    made = storage(marked(tmp_path, files)["model.pt"])
    assert np.allclose(abs(made / NUMBERS - 1), Alternating.alpha)


def test_elements_that_do_not_follow_each_other_are_left_as_they_are(tmp_path: Path):
    assert find(tmp_path, archive_of(view(0, (4, 3), (6, 2)))).weights == 0


def test_weights_that_overlap_in_part_are_refused(tmp_path: Path):
    with pytest.raises(errors.UnsafeModel, match=r"'t1' and 't0' share bytes") as caught:
        find(tmp_path, archive_of(view(0, (3, 4), (4, 1)), view(6, (3, 4), (4, 1))))
    assert caught.value.fix


def test_packed_weights_are_refused(tmp_path: Path):
    files = archive_of(view(0, (4, 6), (6, 1)), form=zipfile.ZIP_DEFLATED)
    with pytest.raises(errors.UnsafeModel, match="the weights in 'data/0' are packed"):
        find(tmp_path, files)


def test_numbers_of_another_byte_order_are_refused(tmp_path: Path):
    with pytest.raises(errors.UnsafeModel, match="big-endian"):
        find(tmp_path, torchscript_models.files(byteorder=b"big"))


def test_an_archive_whose_checksum_is_wrong_is_refused_before_it_is_marked(tmp_path: Path):
    files = torchscript_models.files()
    found = find(tmp_path, files)
    broken = bytearray(files["model.pt"])
    broken[found.checksums[0].start] ^= 1
    with pytest.raises(errors.UnsafeModel, match=r"checksum of bytes .* is wrong"):
        marking.require_sums(found, reading({"model.pt": bytes(broken)}))


def test_an_archive_with_a_zip64_end_is_marked(tmp_path: Path):
    files = archive_of(view(0, (4, 6), (6, 1)))
    records, directory, end = zip_archives.parts(files["model.pt"])
    count = struct.unpack_from("<H", end, 10)[0]
    start = len(records) + len(directory)
    wide = struct.pack(
        "<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, count, count, len(directory), len(records)
    )
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, start, 1)
    made = marked(tmp_path, {"model.pt": records + directory + wide + locator + end})
    assert np.allclose(abs(storage(made["model.pt"]) / NUMBERS - 1), Alternating.alpha)


@pytest.mark.parametrize("name", torchscript_models.FLAWS)
def test_a_flawed_archive_ends_in_a_verdict(tmp_path: Path, name: str):
    files = torchscript_models.FLAWS[name][0]()
    assert "failed with status" not in weights_verdict(tmp_path, files, "torchscript")
