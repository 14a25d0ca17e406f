"""TensorFlow Serving's and Triton's files, said in our words; nothing is lost in silence."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler import importing
from reconciler.core import desired
from reconciler.core.foreign import imported, textproto
from registry.errors import InvalidInput
from tests.reconciler.core.wishes import host_file

SERVING = """
model_config_list {
  config { name: "fraud" base_path: "/models/fraud" model_platform: "tensorflow"
    model_version_policy { specific { versions: 42 } }
    version_labels { key: "stable" value: 42 }
    version_labels { key: 'canary', value: 43 } }
  config: < name: "words"; base_path: '/models/'
            "words" model_version_policy { latest { num_versions: 2 } } >
}
"""
TRITON = """# A comment
name: "fraud"
platform: "onnxruntime_onnx"
max_batch_size: 32
input [ { name: "x", data_type: TYPE_FP32, dims: [ 784 ] } ]
output { name: "y" data_type: TYPE_FP32 dims: [ -1, 10 ] }
instance_group [ { count: 2 kind: KIND_CPU }, { count: 1 kind: KIND_GPU gpus: [ 0 ] } ]
dynamic_batching {
  preferred_batch_size: [ 8, 16 ]
  max_queue_delay_microseconds: 500
  priority_levels: 2
  default_priority_level: 2
  default_queue_policy { max_queue_size: 100 }
  priority_queue_policy { key: 1 value: { max_queue_size: 9, default_timeout_microseconds: 50000
                                          timeout_action: DELAY } }
  preserve_ordering: true
}
version_policy: { specific { versions: [ 3 ] } }
parameters { key: "intra_op_thread_count" value: { string_value: "2" } }
response_cache { enable: true }
ensemble_scheduling { step [ { model_name: "a" } ] }
"""


def test_tensorflow_servings_models_become_deployments_and_the_rest_is_named_by_line() -> None:
    fraud, words = imported.tensorflow_serving(SERVING)
    assert (fraud.name, fraud.version, fraud.runtime) == ("fraud", 42, {"labels": ["stable"]})
    assert [(line, what) for line, what, _ in fraud.left] == [
        (3, "base_path"),
        (6, "version_labels"),
    ]
    assert words.version is None
    assert [(line, what) for line, what, _ in words.left] == [
        (7, "base_path"), (8, "model_version_policy")]  # fmt: skip
    assert "plimsoll push words /models/words/N" in words.left[0][2]


def test_tritons_batching_becomes_ours_and_the_rest_is_named_by_line() -> None:
    found = imported.triton(TRITON, name="folder")
    assert (found.name, found.format, found.version) == ("fraud", "onnx", 3)
    assert found.runtime == {
        "instances": 2,
        "threads": 2,
        "batching": {
            "maxBatchSize": 32,
            "delayMicroseconds": 500,
            "preferredSizes": [8, 16],
            "priorities": [{"size": 9, "timeoutMilliseconds": 50}, {"size": 100}],
            "defaultPriority": 2,
        },
    }
    assert sorted((line, what) for line, what, _ in found.left) == [
        (7, "instance_group"), (15, "timeout_action"), (16, "preserve_ordering"),
        (20, "response_cache"), (21, "ensemble_scheduling")]  # fmt: skip


def test_what_is_printed_is_valid_once_the_digest_is_filled_in() -> None:
    text = "\n".join(imported.lines(imported.triton(TRITON, name="x")))
    text = text.replace("digest:", f'digest: "sha256:{"7" * 64}"').replace("edge-1", "h1")
    files = {
        "models.d/hosts/h1.yaml": host_file("h1").encode(),
        "models.d/production/fraud.yaml": text.encode(),
    }
    state = desired.load(files, commit="c")
    assert state.problems == ()
    runtime = state.deployments["production/fraud"].manifest.spec.runtime
    assert runtime.batching is not None
    assert runtime.batching.preferred_sizes == [8, 16]


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("name: ", "line 1: name has no value"),
        ("a {\n b: 1", "line 2: a field's name is missing"),
        ("a: [1, 2", "line 1"),
        ("a: }", "has no value"),
        ("\n\n@", "line 3"),
        ("a {" * 40, "nested more than"),
        ('max_batch_size: "many"', "no whole number"),
        ("a 1", "line 1: a has no value"),
    ],
)
def test_what_is_no_text_format_is_named_by_its_line(bad: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        imported.triton(bad, name="x")


def test_a_name_cannot_write_yaml_of_its_own() -> None:
    text = "\n".join(imported.lines(imported.triton(r'name: "a\nspec: {}" bad: "\n#x"', name="x")))
    assert '    name: "a\\nspec: {}"' in text.splitlines()
    assert len([line for line in text.splitlines() if line.startswith("spec:")]) == 1


@given(st.text(alphabet='ab{}[]<>:,;"\\1\n #', max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    lines = 0
    with suppress(InvalidInput):
        lines = max([field.line for field in textproto.parse(text).fields], default=0)
    assert lines <= text.count("\n") + 1


def test_the_command_names_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.pbtxt").write_text("name:")
    with pytest.raises(InvalidInput, match=r"config\.pbtxt: line 1"):
        importing.triton(tmp_path / "config.pbtxt")
    (tmp_path / "models.config").write_text(SERVING)
    importing.tensorflow_serving(tmp_path / "models.config")
    assert capsys.readouterr().out.count("kind: ModelDeployment") == 2
