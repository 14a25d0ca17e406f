"""tritonclient and KServe's client, as published, against every format."""

import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.runtime import models
from tests.runtime.clients.environment import python, seen
from tests.runtime.process import ROOT, Runtime, pin, running
from tests.runtime.stand_in import StandIn


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    registry = StandIn()
    pictures, words, halves, *_ = models.saved_models()
    with registry.answering():
        form = {"format": "saved_model"}
        published = [
            registry.publish(models.onnx_digits()),
            registry.publish(models.onnx_two_inputs(), model="two"),
            registry.publish(pictures, model="pictures", **form),
            registry.publish(words, model="words", **form),
            registry.publish(halves, model="halves", **form),
            registry.publish(models.torch_script(), model="torch", format="torchscript"),
        ]
        runtime = Runtime(tmp_path_factory.mktemp("stock"), registry)
        runtime.models = [pin(one) for one in published]
        with running(runtime):
            runtime.until(lambda: runtime.get("/v2/health/ready").status_code == 200, seconds=90)
            yield f"127.0.0.1:{runtime.port}"


@pytest.fixture(scope="module")
def triton(url: str) -> Any:
    return seen("with_tritonclient.py", url)


@pytest.fixture(scope="module")
def kserve(url: str) -> Any:
    return seen("with_kserve.py", f"http://{url}")


def test_tritonclient_is_told_of_server_and_models(triton: Any) -> None:
    told = triton["told"]
    assert [told[name] for name in ("live", "ready", "digits ready", "digits 1 ready")] == [
        True
    ] * 4
    assert told["nobody ready"] is False
    assert "binary_tensor_data" in told["server"]["extensions"]
    assert told["digits"]["inputs"] == [{"name": "X", "datatype": "FP32", "shape": [-1, 64]}]
    assert told["config"]["backend"] == "onnxruntime"
    assert {"name": "digits", "version": "1", "state": "READY", "reason": ""} in told["index"]
    (counted,) = told["statistics"]["model_stats"]
    assert (counted["name"], counted["version"]) == ("digits", "1")
    assert len(told["all statistics"]["model_stats"]) == 6
    assert told["unknown"] == ["404", "Request for unknown model: 'nobody' is not found"]
    assert told["load"][0] == "403"


def test_tritonclient_gets_one_answer_in_every_way_it_can_ask(triton: Any) -> None:
    for form in ("onnx", "saved_model", "torchscript"):
        assert len(triton[form]) == 6
        assert len(set(triton[form].values())) == 1


def test_tritonclient_sends_and_gets_any_bytes(triton: Any) -> None:
    sent = [b"plain", "Grüße".encode(), b"\xff\x00", b""]
    assert triton["words"] == [
        [item.hex() for item in sent],
        [(item + b"\xff\x00").hex() for item in sent],
    ]


def test_tritonclient_sends_and_gets_bfloat16(triton: Any) -> None:
    assert triton["halves"] == [0.5, -3.0]


def test_tritonclient_raises_what_is_wrong(triton: Any) -> None:
    assert triton["faults"] == {
        "model": ["404", "Request for unknown model: 'nobody' is not found"],
        "version": ["404", "Request for unknown model: 'digits' version 9 is not found"],
        "type": [
            "400",
            "inference input 'X' data-type is 'FP64', but model 'digits' expects 'FP32'",
        ],
        "shape": [
            "400",
            "unexpected shape for input 'X' for model 'digits'. Expected [-1,64], got [1,3]",
        ],
        "input": ["400", "unexpected inference input 'Y' for model 'digits'"],
        "output": ["400", "unexpected inference output 'nothing' for model 'digits'"],
    }


def test_tritonclient_asks_several_at_once(triton: Any) -> None:
    label = triton["onnx"]["binary"]
    assert triton["async_infer"] == [label] * 8
    assert triton["asyncio"]["labels"] == [label]
    assert triton["asyncio"]["ready"] is True
    assert triton["asyncio"]["digits"]["name"] == "digits"
    assert triton["asyncio"]["unknown"] == "Request for unknown model: 'nobody' is not found"


def test_kserves_client_asks_by_the_open_inference_protocol(kserve: Any, triton: Any) -> None:
    found = kserve["v2"]
    assert [found[name] for name in ("live", "ready", "digits", "nobody")] == [True] * 3 + [False]
    assert found["labels"] == {
        "digits binary": triton["onnx"]["binary"],
        "digits json": triton["onnx"]["binary"],
        "pictures binary": triton["saved_model"]["binary"],
        "pictures json": triton["saved_model"]["binary"],
        "torch binary": triton["torchscript"]["binary"],
        "torch json": triton["torchscript"]["binary"],
    }
    assert "unexpected inference input 'Y' for model 'digits'" in found["wrong"]


def test_kserves_client_asks_by_its_own_protocol(kserve: Any, triton: Any) -> None:
    found = kserve["v1"]
    assert (found["live"], found["digits"]) == (True, True)
    assert found["label"] == triton["onnx"]["binary"]
    assert "Could not find any versions of model nobody, '404" in found["nobody"]
    assert "model 'digits' has no explainer, '501" in found["explain"]


def test_what_the_page_shows_works_as_it_stands(url: str) -> None:
    page = (ROOT / "docs" / "runtime" / "open-inference.md").read_text()
    page = page.replace("localhost:8501", url)
    curl, suite = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    (program,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    shown = subprocess.run(
        ["bash", "-euc", curl], capture_output=True, text=True, check=True
    ).stdout
    assert '"platform":"onnx_onnxv1"' in shown
    assert '"data":[1.5,5.0]' in shown
    printed = subprocess.run(
        [python(), "-c", program], capture_output=True, text=True, check=True
    ).stdout
    assert re.search(r"b'0\.\d+:\d'", printed)
    ran = subprocess.run(
        [sys.executable, *suite.split()[1:]], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout
    assert ran.splitlines()[-1].endswith(" passed, 0 failed")
