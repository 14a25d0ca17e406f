"""What is wrong with a request is said in TensorFlow Serving's words and codes."""

import httpx2
import pytest

from tests.runtime.process import PATIENCE, Runtime, refusal

DIGITS = "/v1/models/digits:predict"


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        (DIGITS, b"", "JSON Parse error: The document is empty"),
        (DIGITS, b'{"instances": [', "JSON Parse error: Invalid value. at offset: 15"),
        (DIGITS, b'{"instances": [NaN', "JSON Parse error: Invalid value. at offset: 18"),
        (DIGITS, b"[" * 100_000, "JSON Parse error"),
        (DIGITS, b"[1]", "JSON Value: [1] Is not object"),
        (DIGITS, {}, "Missing 'inputs' or 'instances' key"),
        (DIGITS, {"inputs": 1, "instances": [1]}, "expecting only one of 'inputs' or 'instances'"),
        (DIGITS, {"instances": 1}, "Excepting 'instances' to be an list/array"),
        (DIGITS, {"instances": []}, "No values in 'instances' array"),
        (
            DIGITS,
            {"instances": [[0] * 64], "signature_name": 5},
            "'signature_name' key must be a string value.",
        ),
        (
            DIGITS,
            {"instances": [[0] * 64], "signature_name": "s"},
            'Serving signature name: "s" not found in signature def',
        ),
        (
            DIGITS,
            {"instances": [[1, 2], [3]]},
            (
                "Failed to process element: 1 of 'instances' list. "
                "Error: INVALID_ARGUMENT: Expecting tensor size: 2 but got: 1"
            ),
        ),
        (
            DIGITS,
            {"instances": [[[1, 2]], [[3], [4]]]},
            "Expecting shape [1,2] but got: [2,1]",
        ),
        (
            DIGITS,
            {"instances": [[1, "2"]]},
            'JSON Value: "2" Type: String is not of expected type: float',
        ),
        (DIGITS, {"instances": [[1, None]]}, "JSON Value: null Type: Null is not of expected type"),
        (DIGITS, {"instances": [[1e39]]}, "Cannot convert JSON value: 1e+39 to float without loss"),
        (DIGITS, {"instances": [[2**24 + 1]]}, "Cannot convert JSON value: 16777217 to float"),
        (DIGITS, {"instances": [[10**400]]}, "JSON Parse error"),
        (DIGITS, {"instances": [1, {"X": 1}]}, "Expecting value/list but got object at item 1"),
        (
            DIGITS,
            {"instances": [[0.0] * 63]},
            "input 'X' has the shape [1,63], the model wants [-1,64]",
        ),
        (DIGITS, {"inputs": 0.5}, "input 'X' has the shape [], the model wants [-1,64]"),
        (DIGITS, {"inputs": [[1], 2]}, "found at incorrect level: 2 in the JSON DOM"),
        (DIGITS, {"inputs": [[1], [2, 3]]}, "Encountered list at unexpected size: 2 at level: 1"),
        (DIGITS, {"inputs": [1, [2]]}, "Encountered list at unexpected level: 1 expected < 1"),
        ("/v1/models/two:predict", {"instances": [1]}, "expecting list of objects as multiple"),
        ("/v1/models/two:predict", {"instances": [{"a": 1}]}, "keys must be equal to: a,b"),
        (
            "/v1/models/two:predict",
            {"instances": [{"a": 1, "b": 1}, {"a": 1, "b": 1, "c": 1}]},
            (
                "Failed to process element: 1 key: c of 'instances' list. Error: "
                "INVALID_ARGUMENT: JSON object: does not have named input: c"
            ),
        ),
        (
            "/v1/models/two:predict",
            {"instances": [{"a": 1, "b": 1}, [1]]},
            "Expecting object but got list at item 1 of input list",
        ),
        ("/v1/models/two:predict", {"inputs": {"a": [1]}}, "Missing named input: b in 'inputs'"),
        ("/v1/models/two:predict", {"inputs": [1]}, "inputs is a plain value/list"),
        ("/v1/models/bytes:predict", {"instances": [127, 128]}, "is not of expected type: int8"),
        ("/v1/models/bytes:predict", {"instances": [1.0]}, "is not of expected type: int8"),
        ("/v1/models/words:predict", {"instances": [{"b64": "!"}]}, "Unable to base64 decode"),
        ("/v1/models/words:predict", {"instances": [{"b64": "/w=="}]}, "is not UTF-8"),
        ("/v1/models/words:predict", {"instances": ["a", 1]}, "is not of expected type: string"),
    ],
)
def test_a_bad_request_is_told_what_is_wrong(
    served: Runtime, path: str, body: object, said: str
) -> None:
    assert said in refusal(served, path, body)


def test_lists_nested_without_end_are_refused(served: Runtime) -> None:
    body = b'{"instances": ' + b"[" * 500 + b"1" + b"]" * 500 + b"}"
    assert "nested deeper than" in refusal(served, DIGITS, body)


@pytest.mark.parametrize(
    ("method", "path", "status", "said"),
    [
        ("POST", "/v1/models/half:predict", 404, "Servable not found for request: Latest(half)"),
        (
            "POST",
            "/v1/models/digits/versions/99:predict",
            404,
            "Servable not found for request: Specific(digits, 99)",
        ),
        ("GET", "/v1/models/half", 404, "Could not find any versions of model half"),
        ("GET", "/v1/models/digits/versions/99", 404, "Could not find version 99 of model digits"),
        ("GET", "/v1/models/half/metadata", 404, "Servable not found for request: Latest(half)"),
        ("GET", "/v1/models/", 400, "Malformed request: GET /v1/models/"),
        ("POST", "/v1/models/digits", 400, "Malformed request: POST /v1/models/digits"),
        ("GET", DIGITS, 400, f"Malformed request: GET {DIGITS}"),
        ("POST", "/v1/models/digits:explode", 400, "Malformed request"),
        (
            "POST",
            "/v1/models/digits/labels/canary:predict",
            400,
            "Unrecognized servable version label: canary",
        ),
        (
            "POST",
            "/v1/models/digits/versions/99999999999999999999:predict",
            400,
            "Failed to convert version: 99999999999999999999 to numeric.",
        ),
        ("POST", "/v1/models/digits:classify", 400, "key 'examples' is expected and was not found"),
    ],
)
def test_a_wrong_path_gets_the_codes_of_the_original(
    served: Runtime, method: str, path: str, status: int, said: str
) -> None:
    url = f"http://127.0.0.1:{served.port}{path}"
    response = httpx2.request(method, url, content=b"{}", timeout=PATIENCE)
    assert response.status_code == status
    assert said in response.json()["error"]
