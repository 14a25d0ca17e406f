"""A runtime explains what it answers, over V1 and V2, and says no in plain words."""

import itertools
import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto

from tests.core.explained import shapley
from tests.runtime import models
from tests.runtime.process import ROOT, Runtime, pin, running
from tests.runtime.stand_in import StandIn

DIGIT, LABEL = models.digits()[0][0], int(models.digits()[1][0])
QUARTERS = [[2 * (row // 4) + column // 4 for column in range(8)] for row in range(8)]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    registry = StandIn()
    with registry.answering():
        published = [
            registry.publish(models.onnx_digits()),
            registry.publish(models.onnx_two_inputs(), model="two"),
            registry.publish(models.onnx_identity(TensorProto.STRING, shape=("n",)), model="words"),
            registry.publish(models.onnx_slow(8000), model="slow"),
        ]
        runtime = Runtime(tmp_path_factory.mktemp("explained"), registry)
        runtime.models = [pin(one) for one in published]
        runtime.limits = {"bodyBytes": 400_000, "deadlineSeconds": 120}
        with running(runtime):
            runtime.until(lambda: runtime.get("/readyz").status_code == 200)
            yield runtime


def explained(runtime: Runtime, **parameters: object) -> dict[str, Any]:
    asked = {"budget_ms": 60_000} | parameters
    body = {"instances": [DIGIT.tolist()], "parameters": asked}
    response = runtime.post("/v1/models/digits:explain", body)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def probability(runtime: Runtime, rows: np.ndarray) -> np.ndarray:
    body = {"instances": rows.astype(float).tolist()}
    answer = runtime.post("/v1/models/digits:predict", body).json()["predictions"]
    return np.array([one["probabilities"][LABEL] for one in answer])


def test_shapley_values_over_the_wire_are_those_of_the_definition(served: Runtime) -> None:
    mask = np.array(QUARTERS).reshape(-1)

    def score(present: np.ndarray) -> np.ndarray:
        return probability(served, np.where(present[:, mask] > 0.5, DIGIT, 0))

    expected = shapley(score, np.ones(4), np.zeros((1, 4)))
    found = explained(served, feature_mask=QUARTERS)
    (one,) = found["explanations"]
    assert found["method"] == "kernel_shap"
    assert (one["target"], one["samples"], one["finished"]) == (LABEL, 16, True)
    given = np.array(one["attributions"])
    np.testing.assert_allclose(given, expected[mask], atol=1e-5)
    assert abs(one["completeness_gap"]) < 1e-9
    assert one["score"] == pytest.approx(float(probability(served, DIGIT[None])[0]), abs=1e-5)


def test_v2_gives_the_same_numbers_as_tensors(served: Runtime) -> None:
    first = explained(served, seed=4, samples=300)["explanations"][0]
    body = {
        "id": "seven",
        "inputs": [{"name": "X", "datatype": "FP32", "shape": [1, 64], "data": DIGIT.tolist()}],
        "parameters": {"seed": 4, "samples": 300, "budget_ms": 60_000},
    }
    for path in ("/v2/models/digits/explain", "/v2/models/digits/versions/1/explain"):
        response = served.post(path, body)
        assert response.status_code == 200, response.text
        answer = response.json()
        assert (answer["model_name"], answer["model_version"], answer["id"]) == (
            "digits", "1", "seven",
        )  # fmt: skip
        outputs = {one["name"]: one for one in answer["outputs"]}
        assert outputs["attributions.X"]["shape"] == [1, 64]
        np.testing.assert_allclose(
            outputs["attributions.X"]["data"], first["attributions"], atol=1e-6
        )
        assert outputs["targets"]["data"] == [LABEL]
        assert response.headers["plimsoll-digest"] == answer["parameters"]["digest"]


def test_the_same_seed_gives_the_same_answer_and_another_another(served: Runtime) -> None:
    one, same, other = (
        np.array(explained(served, seed=seed, samples=200)["explanations"][0]["attributions"])
        for seed in (1, 1, 2)
    )
    np.testing.assert_allclose(one, same, atol=1e-6)
    assert np.abs(one - other).max() > 1e-4


@pytest.mark.parametrize("method", ["lime", "occlusion"])
def test_other_methods_agree_on_the_strongest_pixels(served: Runtime, method: str) -> None:
    one = explained(served, method=method, samples=3000)["explanations"][0]
    strongest = np.argsort(-np.array(one["attributions"]))[:5]
    dimmed = DIGIT.copy()
    dimmed[strongest] = 0
    at_random = DIGIT.copy()
    at_random[np.argsort(np.abs(one["attributions"]))[:5]] = 0
    loss, other = (probability(served, rows[None])[0] for rows in (dimmed, at_random))
    assert loss < other - 0.01


def test_permutation_importance_with_labels_is_a_drop_in_accuracy(served: Runtime) -> None:
    images, labels = models.digits()
    body = {
        "instances": images[:100].astype(float).tolist(),
        "parameters": {
            "method": "permutation", "labels": labels[:100].tolist(), "repeats": 3,
            "feature_mask": QUARTERS, "budget_ms": 60_000,
        },
    }  # fmt: skip
    found = served.post("/v1/models/digits:explain", body).json()
    (one,) = found["explanations"]
    answer = served.post("/v1/models/digits:predict", {"instances": body["instances"]}).json()
    wrong = np.mean([row["label"] for row in answer["predictions"]] != labels[:100])
    assert one["base_value"] == pytest.approx(wrong)
    assert min(one["attributions"]) > 0.02
    assert one["samples"] == 100 * (1 + 3 * 4)


def test_each_input_of_several_has_its_attributions(served: Runtime) -> None:
    body = {
        "instances": [{"a": 5.0, "b": 2.0}, {"a": 1.0, "b": 1.0}],
        "parameters": {"output": "less", "budget_ms": 60_000},
    }
    found = served.post("/v1/models/two:explain", body).json()["explanations"]
    assert found[0]["attributions"] == {"a": pytest.approx(5.0), "b": pytest.approx(-2.0)}
    assert found[1]["attributions"] == {"a": pytest.approx(1.0), "b": pytest.approx(-1.0)}


def test_a_surrogate_says_what_it_is_and_how_true(served: Runtime) -> None:
    images = models.digits()[0][:200].astype(float)
    parameters = {"method": "surrogate", "surrogate": "tree", "depth": 4, "samples": 800,
                  "budget_ms": 60_000}  # fmt: skip
    body = {"instances": images.tolist(), "parameters": parameters}
    response = served.post("/v1/models/digits:explain", body)
    assert response.status_code == 200, response.text
    found = response.json()
    (one,), small = found["explanations"], found["surrogate"]
    assert (one["samples"], one["finished"], small["held_out"]) == (1000, True, 40)
    assert 0.2 < one["fidelity"] < 1
    assert 0.4 < small["agreement"] <= 1
    at = 0
    while small["feature"][at] >= 0:
        is_low = images[0][small["feature"][at]] <= small["threshold"][at]
        at = small["left" if is_low else "right"][at]
    assert len(small["value"][at]) == 10
    tensors = {
        "inputs": [
            {"name": "X", "datatype": "FP32", "shape": [200, 64], "data": images.ravel().tolist()}
        ],
        "parameters": {
            "method": "surrogate",
            "surrogate": "linear",
            "target": 1,
            "budget_ms": 60_000,
        },
    }
    answer = served.post("/v2/models/digits/explain", tensors).json()
    shapes = {one["name"]: one["shape"] for one in answer["outputs"]}
    assert shapes["surrogate.coefficients"] == [1, 64]
    assert shapes["surrogate.agreement"] == [1]
    few = served.post("/v1/models/digits:explain", {**body, "instances": images[:5].tolist()})
    assert "5 instances, a surrogate is fitted to 10 at least" in few.json()["error"]


def test_a_baseline_of_several_rows_is_averaged_over(served: Runtime) -> None:
    body = {
        "instances": [{"a": 5.0, "b": 2.0}],
        "parameters": {
            "output": "sum",
            "baseline": [{"a": 1.0, "b": 0.0}, {"a": 3.0, "b": 0.0}],
            "budget_ms": 60_000,
        },
    }
    (one,) = served.post("/v1/models/two:explain", body).json()["explanations"]
    assert (one["base_value"], one["score"]) == (2.0, 7.0)
    assert one["attributions"] == {"a": pytest.approx(3.0), "b": pytest.approx(2.0)}


def test_a_budget_that_ends_gives_the_best_answer_so_far(served: Runtime) -> None:
    parameters = {"method": "occlusion", "budget_ms": 3000}
    body = {"instances": [[0.5] * 256], "parameters": parameters}
    answers = []

    def there_was_time_for_an_answer() -> bool:
        answers.append(served.post("/v1/models/slow:explain", body))
        return answers[-1].status_code == 200

    served.until(there_was_time_for_an_answer)
    assert all("raise 'budget_ms'" in late.json()["error"] for late in answers[:-1])
    (one,) = answers[-1].json()["explanations"]
    assert one["finished"] is False
    assert one["attributions"].count(None) == 258 - one["samples"]


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"method": "tea_leaves"}, "parameter 'method' is 'tea_leaves'"),
        ({"samples": 10**9}, "'samples' must be a whole number from 2 to 65536"),
        ({"samples": True}, "'samples' must be a whole number"),
        ({"budget_ms": 10**9}, "'budget_ms' must be a whole number from 1 to 119000"),
        ({"budget_ms": 0}, "'budget_ms'"),
        ({"target": 10}, "a row of the output has 10 numbers"),
        ({"target": -1}, "'target' must be"),
        ({"output": "nothing"}, "which the model does not have"),
        ({"feature_mask": [1, 2]}, "2 numbers, one instance has 64 elements"),
        ({"feature_mask": [1.5] * 64}, "no whole number"),
        ({"feature_mask": "x"}, "'feature_mask' is not a list"),
        ({"baseline": [[0.0]]}, "has the shape [1]"),
        ({"baseline": [["a"] * 64]}, "parameter 'baseline'"),
        ({"baseline": []}, "a list of 1 to 128 rows"),
        ({"labels": [1, 2], "method": "permutation"}, "2 labels for 1 instances"),
        ({"wishes": 3}, "there is no parameter 'wishes'"),
        ({"method": "permutation", "repeats": 0}, "'repeats'"),
        ([], "'parameters' is not an object"),
    ],
)  # fmt: skip
def test_a_bad_question_is_a_bad_request_that_names_what_is_wrong(
    served: Runtime, parameters: object, said: str
) -> None:
    body = {"instances": [DIGIT.tolist()], "parameters": parameters}
    response = served.post("/v1/models/digits:explain", body)
    assert response.status_code == 400, response.text
    assert said in response.json()["error"]


def test_what_cannot_be_explained_says_why(served: Runtime) -> None:
    words = served.post("/v1/models/words:explain", {"instances": ["a"]})
    assert words.status_code == 400
    assert "no output of the model is of floating numbers" in words.json()["error"]
    many = served.post(
        "/v1/models/digits:explain", {"instances": [DIGIT.tolist()] * 257, "parameters": {}}
    )
    assert "257 instances, from 1 to 256" in many.json()["error"]
    assert served.post("/v1/models/nobody:explain", {"instances": [1]}).status_code == 404
    assert served.post("/v1/models/digits:explain", b"{").status_code == 400
    assert served.get("/v2/models/digits/explain").status_code == 405
    assert served.post("/v2/models/nobody/explain", {}).status_code == 404


def test_nobody_who_watches_what_clients_ask_sees_an_explanation(served: Runtime) -> None:
    def counted() -> int:
        stats = served.get("/v2/models/digits/stats").json()["model_stats"][0]
        return int(stats["inference_count"])

    before = counted()
    explained(served, samples=500)
    assert counted() == before


def test_explanations_take_turns(served: Runtime) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: explained(served, samples=200, seed=9), range(4)))
    given = [one["explanations"][0]["attributions"] for one in found]
    for one, other in itertools.pairwise(given):
        assert one == pytest.approx(other, abs=1e-6)


def test_what_the_page_shows_works_as_it_stands(served: Runtime) -> None:
    page = (ROOT / "docs" / "runtime" / "explaining.md").read_text()
    page = page.replace("localhost:8501", f"127.0.0.1:{served.port}")
    first, second = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    (shown,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    rows, tensors = (
        json.loads(subprocess.run(["bash", "-euc", one], capture_output=True, check=True).stdout)
        for one in (first, second)
    )
    expected = json.loads(shown)
    ((one,), (wanted,)) = rows.pop("explanations"), expected.pop("explanations")
    assert {name: rows[name] for name in expected} == expected
    assert one.keys() == wanted.keys()
    for name, value in wanted.items():
        assert one[name] == pytest.approx(value, abs=1e-6), name
    outputs = {one["name"]: one["data"] for one in tensors["outputs"]}
    assert outputs["attributions.a"] == pytest.approx([5.0])
    told = re.search(r"instance: (.*?); what", page, re.DOTALL)
    assert told
    named = {one.replace("INPUT", "a") for one in re.findall(r"`([\w.]+)`", told[1])}
    assert named | {"attributions.b", "standard_errors.b"} == outputs.keys()
