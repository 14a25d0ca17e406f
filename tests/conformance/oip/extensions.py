"""What Triton's extensions ask of a server that says in its metadata that it has them."""

import gzip
import json
import zlib
from typing import Any

from tests.conformance.oip.target import SIZES, Target, packed, require, require_error


def check_binary_inputs_mean_the_same_as_json(target: Target) -> None:
    heads, tail = _packed(target)
    found = target.infer({"inputs": heads}, tail).document
    same = target.infer(target.request()).document
    require(found["outputs"] == same["outputs"], "they do not")


def check_binary_outputs_are_as_long_as_they_say(target: Target) -> None:
    described = {one["name"]: one for one in target.metadata["outputs"]}
    wanted = [{"name": name, "parameters": {"binary_data": True}} for name in described]
    _require_binary(target, target.request(outputs=wanted))


def check_all_outputs_are_binary_at_once(target: Target) -> None:
    _require_binary(target, target.request(parameters={"binary_data_output": True}))


def check_one_output_may_be_json_beside_binary_ones(target: Target) -> None:
    names = [one["name"] for one in target.metadata["outputs"]]
    outputs: list[dict[str, Any]] = [
        {"name": name, "parameters": {"binary_data": number > 0}}
        for number, name in enumerate(names)
    ]
    answer = target.infer(target.request(outputs=outputs))
    found = answer.split[0] if len(names) > 1 else answer.document
    require("data" in found["outputs"][0], "the first output is not in the JSON")
    for output in found["outputs"][1:]:
        require("binary_data_size" in output.get("parameters", {}), "the others are not binary")


def check_binary_inputs_that_are_cut_off_or_too_long_are_refused(target: Target) -> None:
    heads, tail = _packed(target)
    require_error(target.infer({"inputs": heads}, tail[:-1]))
    require_error(target.infer({"inputs": heads}, tail + b"\0"))


def check_a_binary_size_that_is_not_the_shapes_is_refused(target: Target) -> None:
    heads, tail = _packed(target)
    size = heads[0]["parameters"]["binary_data_size"]
    for wrong in (size + 1, -1, 2**62, "1"):
        first = {**heads[0], "parameters": {"binary_data_size": wrong}}
        require_error(target.infer({"inputs": [first, *heads[1:]]}, tail + b"\0"))


def check_a_head_that_is_longer_than_the_body_is_refused(target: Target) -> None:
    for length in ("999999", "-1", "x"):
        answer = target.infer(target.request(), headers={"Inference-Header-Content-Length": length})
        require_error(answer)


def check_a_packed_body_is_unpacked(target: Target) -> None:
    body = json.dumps(target.request()).encode()
    same = target.infer(target.request()).document
    for coding, data in (("gzip", gzip.compress(body)), ("deflate", zlib.compress(body))):
        found = target.infer(data, headers={"Content-Encoding": coding}).document
        require(found["outputs"] == same["outputs"], f"{coding} means something else")


def check_a_body_that_is_not_packed_as_it_says_is_refused(target: Target) -> None:
    require_error(target.infer(target.request(), headers={"Content-Encoding": "gzip"}))


def check_the_configuration_has_the_models_tensors(target: Target) -> None:
    found = target.get(f"{target.path}/config").document
    require(found.get("name") == target.model, "another model's")
    for side in ("input", "output"):
        seen = [one["name"] for one in found[side]]
        described = [one["name"] for one in target.metadata[f"{side}s"]]
        require(seen == described, f"its {side}s are {seen}, the metadata says {described}")


def check_the_repository_lists_the_model(target: Target) -> None:
    answer = target.ask("POST", "/v2/repository/index", b"")
    require(answer.status == 200, f"answered {answer.status}")
    listed = answer.json()
    require(isinstance(listed, list), "the index is no list")
    states = [one.get("state") for one in listed if one.get("name") == target.model]
    require("READY" in states, f"the model's states are {states}")


def check_statistics_count_what_was_asked(target: Target) -> None:
    before, after = _count(target), 0
    for _ in range(3):
        target.infer(target.request())
    after = _count(target)
    require(after - before == 3, f"3 requests counted as {after - before}")


def check_the_best_class_is_written_as_value_and_index(target: Target) -> None:
    numeric = [one for one in target.metadata["outputs"] if one["datatype"] != "BYTES"]
    outputs = [{"name": one["name"], "parameters": {"classification": 1}} for one in numeric[:1]]
    answer = target.infer(target.request(outputs=outputs or [{"name": "there-is-none"}]))
    if not numeric:
        require_error(answer)
        return
    found = answer.document["outputs"][0]
    require(found["datatype"] == "BYTES", f"its datatype is {found['datatype']}")
    value, _, index = found["data"][0].partition(":")
    require(float(value) is not None, "no value")
    require(index.split(":")[0].isdigit(), f"no index in {found['data'][0]!r}")


BY_EXTENSION = {
    "binary_tensor_data": (
        check_binary_inputs_mean_the_same_as_json,
        check_binary_outputs_are_as_long_as_they_say,
        check_all_outputs_are_binary_at_once,
        check_one_output_may_be_json_beside_binary_ones,
        check_binary_inputs_that_are_cut_off_or_too_long_are_refused,
        check_a_binary_size_that_is_not_the_shapes_is_refused,
        check_a_head_that_is_longer_than_the_body_is_refused,
        check_a_packed_body_is_unpacked,
        check_a_body_that_is_not_packed_as_it_says_is_refused,
    ),
    "model_configuration": (check_the_configuration_has_the_models_tensors,),
    "model_repository": (check_the_repository_lists_the_model,),
    "statistics": (check_statistics_count_what_was_asked,),
    "classification": (check_the_best_class_is_written_as_value_and_index,),
}


def _packed(target: Target) -> tuple[list[dict[str, Any]], bytes]:
    both = [packed(one) for one in target.inputs]
    return [head for head, _ in both], b"".join(tail for _, tail in both)


def _require_binary(target: Target, document: dict[str, Any]) -> None:
    found, tail = target.infer(document).split
    sizes = []
    for output in found["outputs"]:
        size = output.get("parameters", {}).get("binary_data_size")
        require(isinstance(size, int), f"output {output['name']!r} has no 'binary_data_size'")
        require("data" not in output, f"output {output['name']!r} is in the JSON too")
        sizes.append(size)
        if output["datatype"] != "BYTES":
            wanted = SIZES[output["datatype"]]
            for length in output["shape"]:
                wanted *= length
            require(size == wanted, f"output {output['name']!r} has {size} bytes, not {wanted}")
    require(sizes, "there are no outputs")
    require(sum(sizes) == len(tail), f"{len(tail)} bytes came, {sum(sizes)} were announced")


def _count(target: Target) -> int:
    found = target.get(f"{target.path}/stats").document["model_stats"]
    return sum(one["inference_stats"]["success"]["count"] for one in found)
