"""`plimsoll watermark`, as an auditor uses it: ask, read the report, and ask again without us."""

import json
import stat
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from registry.api.server import Server
from registry.core import canonical
from registry.core.watermark import disclosure
from registry.core.watermark.embedding import Marker
from registry.core.watermark.scheme import Tensor
from registry.usecases import pull
from registry.usecases.access import Caller, Role
from tests.cli.conftest import Done, Run
from tests.registry.marking import network


@pytest.fixture
def leak(server: Server, plimsoll: Run, tmp_path: Path) -> Path:
    """`fraud@1` was published marked and pulled by two hosts; the copy of one turned up."""
    original = tmp_path / "original"
    original.mkdir()
    (original / "model.onnx").write_bytes(network())
    pushed = plimsoll("push", "fraud", str(original), "--watermark")
    assert pushed.code == 0, pushed.err
    registry = server.app.state.registry
    for host in ("edge-1", "edge-2"):
        pull.record(registry, pull.Asked("fraud", 1), Caller(Role.HOST, host))
    given = plimsoll(
        "watermark", "key", "fraud", "1", "edge-2",
        "--out", str(tmp_path / "edge-2.key"), "--reason", "case 12",
    )  # fmt: skip
    assert given.code == 0, given.err
    (tmp_path / "leak.onnx").write_bytes(copied(registry, tmp_path / "edge-2.key"))
    return tmp_path / "leak.onnx"


def copied(registry: object, key: Path) -> bytes:
    bundle = canonical.decode_object(key.read_bytes(), what="key")
    found = disclosure.verify(bundle, registry.trust_root().registry)  # type: ignore[attr-defined]
    marker = Marker(found.key, found.alpha)
    model = onnx.ModelProto.FromString(network())
    for one in model.graph.initializer:
        array = numpy_helper.to_array(one)
        marked = marker.mark(Tensor(one.name, "float32", array.shape), 0, array.ravel())
        one.CopyFrom(numpy_helper.from_array(np.asarray(marked).reshape(array.shape), one.name))
    return bytes(model.SerializeToString())


def test_an_auditor_finds_the_leak_and_checks_it_without_the_registry(
    plimsoll: Run, leak: Path, tmp_path: Path
) -> None:
    out, plot = tmp_path / "report.json", tmp_path / "scores.svg"
    found = plimsoll("watermark", "detect", str(leak), "--out", str(out), "--plot", str(plot))
    assert found.code == 0, found.err
    assert found.out.startswith(
        "These weights come from the copy of fraud version 1 made for edge-2."
    )
    row = next(line for line in found.out.splitlines() if "edge-2" in line and "FOUND" in line)
    assert row.startswith("fraud@1")
    assert "good, by registry" in found.out
    assert ET.fromstring(plot.read_text()).tag.endswith("svg")  # noqa: S314  our own

    checked = plimsoll("watermark", "verify-report", str(out))
    assert checked.code == 0, checked.err
    assert checked.out == found.out
    forged = canonical.decode_object(out.read_bytes(), what="report")
    envelope = forged["dsseEnvelope"]
    assert isinstance(envelope, dict)
    envelope["payload"] = str(envelope["payload"])[:-8] + "AAAAAAA="
    out.write_text(json.dumps(forged))
    assert plimsoll("watermark", "verify-report", str(out)).code == 5


def test_an_auditor_with_a_key_needs_no_registry(plimsoll: Run, leak: Path, tmp_path: Path) -> None:
    key, original = str(tmp_path / "edge-2.key"), str(tmp_path / "original")
    assert stat.S_IMODE((tmp_path / "edge-2.key").stat().st_mode) == 0o600
    alone = plimsoll("watermark", "detect", str(leak), "--key", key, "--original", original)
    assert alone.code == 0, alone.err
    assert alone.out.startswith(
        "These weights come from the copy of fraud version 1 made for edge-2."
    )
    blind = plimsoll("watermark", "detect", str(leak), "--key", key)
    assert "blind" in blind.out
    innocent = plimsoll("watermark", "detect", original, "--key", key, "--original", original)
    assert "without any mark" in innocent.out
    wrong = plimsoll("watermark", "detect", str(leak), "--key", key, "--original", str(leak))
    assert (wrong.code, "is not the original" in wrong.err) == (5, True)

    shown = plimsoll("watermark", "show", "fraud", "1")
    assert "edge-1, edge-2" in shown.out
    assert "sha256:" in shown.out


def test_what_does_not_go_together_is_said_before_anything_is_sent(
    plimsoll: Run, tmp_path: Path
) -> None:
    suspect = tmp_path / "leak.onnx"
    suspect.write_bytes(network())
    together = (
        ("--key", str(suspect), "--against", "fraud"),
        ("--key", str(suspect), "--out", "report.json"),
        ("--original", str(tmp_path)),
    )
    for options in together:
        asked: Done = plimsoll("watermark", "detect", str(suspect), *options)
        assert (asked.code, asked.out) == (1, "")
