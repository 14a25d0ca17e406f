"""What inference_rest.md asks of every server."""

import math
from typing import Any

from tests.conformance.oip.target import SIZES, Target, nested, require, require_error


def check_the_server_is_live(target: Target) -> None:
    require(target.get("/v2/health/live").status == 200, "GET /v2/health/live is not 200")


def check_the_server_is_ready(target: Target) -> None:
    require(target.get("/v2/health/ready").status == 200, "GET /v2/health/ready is not 200")


def check_the_server_names_itself_its_version_and_its_extensions(target: Target) -> None:
    found = target.get("/v2").document
    for name in ("name", "version"):
        require(isinstance(found.get(name), str), f"{name!r} is no text")
    extensions = found.get("extensions")
    require(
        isinstance(extensions, list) and all(isinstance(one, str) for one in extensions),
        "'extensions' is no list of texts",
    )


def check_the_model_is_ready(target: Target) -> None:
    require(target.get(f"{target.path}/ready").status == 200, "GET …/ready is not 200")


def check_a_model_that_there_is_not_is_not_ready(target: Target) -> None:
    status = target.get("/v2/models/there-is-no-such-model/ready").status
    require(400 <= status < 600, f"an unknown model's …/ready is answered {status}")


def check_the_metadata_describes_the_model(target: Target) -> None:
    found = target.metadata
    require(found.get("name") == target.model, f"'name' is {found.get('name')!r}")
    require(isinstance(found.get("platform"), str), "'platform' is no text")
    for side in ("inputs", "outputs"):
        tensors = found.get(side)
        require(isinstance(tensors, list) and tensors, f"{side!r} is no list, or empty")
        for tensor in tensors or []:
            _require_tensor(tensor)
    versions = found.get("versions", [])
    require(
        isinstance(versions, list) and all(isinstance(one, str) for one in versions),
        "'versions' is no list of texts",
    )


def check_the_metadata_of_an_unknown_model_is_an_error(target: Target) -> None:
    require_error(target.get("/v2/models/there-is-no-such-model"))


def check_each_version_answers_under_its_own_path(target: Target) -> None:
    require(target.metadata["name"], "there is no metadata")
    for version in target.metadata.get("versions", []):
        path = f"{target.path}/versions/{version}"
        require(target.get(f"{path}/ready").status == 200, f"version {version} is not ready")
        require(target.get(path).document["name"] == target.model, "another model's metadata")
        found = target.infer(target.request(), path=f"{path}/infer").document
        said = found.get("model_version", version)
        require(said == version, f"version {version} was asked, {said} says it answers")


def check_an_answer_has_every_output_in_its_type_and_size(target: Target) -> None:
    found = target.infer(target.request()).document
    require(found.get("model_name") == target.model, f"'model_name' is {found.get('model_name')!r}")
    described = {one["name"]: one["datatype"] for one in target.metadata["outputs"]}
    seen = {one["name"]: one["datatype"] for one in _outputs(found)}
    require(seen == described, f"the outputs are {seen}, the metadata says {described}")
    for output in _outputs(found):
        count = len(_flat(output["data"]))
        require(
            count == math.prod(output["shape"]),
            f"output {output['name']!r} of shape {output['shape']} has {count} values",
        )


def check_nested_data_means_the_same_as_flat(target: Target) -> None:
    """ "The tensor data … can be nested in the shape's dimensions, or flattened, row-major"."""
    deep = [{**one, "data": nested(one["data"], one["shape"])} for one in target.inputs]
    flat = target.infer(target.request()).document
    require(_outputs(target.infer({"inputs": deep}).document) == _outputs(flat), "it does not")


def check_the_id_comes_back(target: Target) -> None:
    """ "If the request has an id, the response must have the same"."""
    found = target.infer(target.request(id="a-7")).document
    require(found.get("id") == "a-7", f"'id' is {found.get('id')!r}")


def check_only_requested_outputs_come(target: Target) -> None:
    name = target.metadata["outputs"][-1]["name"]
    found = target.infer(target.request(outputs=[{"name": name}])).document
    require([one["name"] for one in _outputs(found)] == [name], "others came, or it did not")


def check_what_is_no_json_is_refused(target: Target) -> None:
    for body in (b"", b"{", b"[]", b"null", b"\xff"):
        require_error(target.infer(body))


def check_an_unknown_model_is_refused(target: Target) -> None:
    path = "/v2/models/there-is-no-such-model/infer"
    require_error(target.infer(target.request(), path=path))


def check_an_unknown_input_is_refused(target: Target) -> None:
    extra = {**target.inputs[0], "name": "there-is-no-such-input"}
    require_error(target.infer({"inputs": [*target.inputs, extra]}))


def check_a_missing_input_is_refused(target: Target) -> None:
    require_error(target.infer({"inputs": target.inputs[1:]}))


def check_another_datatype_is_refused(target: Target) -> None:
    first = target.inputs[0]
    other = "FP64" if first["datatype"] != "FP64" else "FP32"
    wrong = {**first, "datatype": other, "data": [0] * len(first["data"])}
    require_error(target.infer({"inputs": [wrong, *target.inputs[1:]]}))


def check_another_number_of_values_than_the_shape_has_is_refused(target: Target) -> None:
    first = target.inputs[0]
    for data in (first["data"] * 2, first["data"][1:]):
        require_error(target.infer({"inputs": [{**first, "data": data}, *target.inputs[1:]]}))


def check_an_impossible_shape_is_refused(target: Target) -> None:
    first = target.inputs[0]
    for shape in ([-1] * len(first["shape"]), "1", [2**62] * 4, [0.5]):
        require_error(target.infer({"inputs": [{**first, "shape": shape}, *target.inputs[1:]]}))


def check_an_unknown_output_is_refused(target: Target) -> None:
    require_error(target.infer(target.request(outputs=[{"name": "there-is-no-such-output"}])))


def check_another_method_than_post_is_refused(target: Target) -> None:
    status = target.get(f"{target.path}/infer").status
    require(status in {404, 405}, f"GET …/infer is answered {status}")


def _require_tensor(tensor: Any) -> None:
    require(isinstance(tensor, dict), "a tensor is no object")
    require(isinstance(tensor.get("name"), str), "a tensor has no 'name'")
    known = {*SIZES, "BYTES"}
    require(tensor.get("datatype") in known, f"{tensor.get('datatype')!r} is no datatype")
    shape = tensor.get("shape")
    require(
        isinstance(shape, list) and all(isinstance(one, int) and one >= -1 for one in shape),
        f"the shape {shape!r} is no list of sizes",
    )


def _outputs(found: dict[str, Any]) -> list[dict[str, Any]]:
    outputs = found.get("outputs")
    if not isinstance(outputs, list):
        require(isinstance(outputs, list), "the answer has no 'outputs'")
        return []
    for output in outputs:
        _require_tensor(output)
    return outputs


def _flat(data: Any) -> list[Any]:
    if not isinstance(data, list):
        return [data]
    return [leaf for item in data for leaf in _flat(item)]
