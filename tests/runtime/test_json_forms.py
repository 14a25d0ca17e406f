"""Requests of which only the numbers are read are what they are when all of it is."""

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from registry.core.tensors import Signature, Tensor
from registry.errors import InvalidInput
from runtime.backends.protocol import DEFAULT_CALL, NUMPY_TYPES, Call, Offered
from runtime.protocols import json_forms, open_inference_request, predict_request
from runtime.protocols.datatypes import NAMES
from runtime.protocols.json_forms import Forms
from runtime.protocols.open_inference_plan import Layout, Part, Plan

_LONG = " " * 600  # what is short is read whole
_DTYPES = st.sampled_from(["float32", "float64", "int32", "int64", "float16", "string"])
_LISTS = st.sampled_from(
    ["[1,2,3]", "[4, 5 ,6]", "[1.5,-2e3,0]", "[[1,2,3]]", "[[[4,5,6]]]", "[[1],[2],[3]]",
     "[[1,2],[3]]", "[1,2]", "[]", "[1,[2],3]", "[1,true,3]",
     '[1,"2",3]', "[1,null,3]", "[16777217,1,2]",
     "[1e39,1,2]", "[01,2,3]", "[1,2,3", '["]",2,3]', "[NaN,1,2]", "[9223372036854775808,1,2]"]
)  # fmt: skip
_FIRST = ['{"inputs":[{"name":"x","shape":[3],"datatype":"%s","data":',
          '{ "inputs": [ {"shape": [1, 3], "name": "x", "datatype": "%s", "data" : ',
          '{"inputs":[{"data":[7,8,9],"name":"x","shape":[3],"datatype":"%s","data":',
          '{"id":"\\"data\\":[1]","inputs":[{"name":"x","shape":[3],"datatype":"%s","data":',
          '{"parameters":{"data":[1]},"inputs":[{"name":"x","shape":[3],"datatype":"%s","data":',
          '{"outputs":[{"name":"y"}],"inputs":[{"name":"x","shape":[3],"datatype":"%s","data":',
          '\ufeff{"inputs":[{"name":"x","shape":[3],"datatype":"%s","data":']  # fmt: skip
_REST = ["}]}", '}],"outputs":[{"name":"y"}]}', ',"data":[7,8,9]}]}', '}],"id":"7"}', "}]} x", "}}",
         '}],"inputs":[]}', ',"parameters":{"data":[1]}}]}', '},{"name":"z"}]}']  # fmt: skip
_ROWS = ['{"instances":', '{ "instances" : ', '{"instances":[[1]],"instances":', '{"inputs":', "",
         '{"signature_name":"serving_default","instances":']  # fmt: skip
_BEHIND = ["}", " }", ',"instances":[[1]]}', ',"signature_name":"[1]"}', "} x", "]}", ""]


@settings(max_examples=400, deadline=None)
@given(_DTYPES, st.sampled_from(_FIRST), st.sampled_from(_REST), st.lists(_LISTS, max_size=5))
@example("float32", _FIRST[0], _REST[0], ["[1,2,3]", "[1,2,3]", "[[1,2,3]]", "[1,2]", "[4,5,6]"])
@example("float32", _FIRST[1], _REST[0], ["[[1,2,3]]", "[[1,2,3]]", "[[1],[2],[3]]", "[[4,5,6]]"])
@example("float32", _FIRST[2], _REST[0], ["[1,2,3]", "[1,2,3]", "[4,5,6]"])
def test_tensors_are_what_they_are_when_no_form_is_known(
    dtype: str, first: str, rest: str, lists: list[str]
) -> None:
    plan = _plan(dtype)
    for one in lists:
        head = ((first % NAMES[dtype]) + one + rest + _LONG).encode()
        known = _outcome(open_inference_request.layout, plan, head)
        assert known == _outcome(open_inference_request.layout, _plan(dtype), head)


@settings(max_examples=400, deadline=None)
@given(_DTYPES, st.sampled_from(_ROWS), st.sampled_from(_BEHIND), st.lists(_LISTS, max_size=5))
@example("float32", _ROWS[0], _BEHIND[0], ["[[1,2,3]]", "[[1,2,3]]", "[[[4,5,6]]]", "[[1,2]]"])
@example("float32", _ROWS[0], _BEHIND[0], ["[1,2,3]", "[1,2,3]", "[4,5,6]", "[16777217,1,2]"])
def test_rows_are_what_they_are_when_no_form_is_known(
    dtype: str, first: str, rest: str, lists: list[str]
) -> None:
    signature = Signature((Tensor("x", dtype, None),), (Tensor("y", dtype, None),))
    call = Call(signature, "tensorflow/serving/predict", ("x",), ("y",), batches=True)
    backend = cast(Offered, SimpleNamespace(calls={DEFAULT_CALL: call}))
    forms = predict_request._single_rows
    for one in lists:
        body = (first + one + rest + _LONG).encode()
        known = _outcome(predict_request.read, body, backend)
        kept, forms._known = forms._known, {}
        assert known == _outcome(predict_request.read, body, backend)
        forms._known = kept


def _outcome(read: Callable[..., Any], *given: Any) -> object:
    """What was read, in a form that can be compared; or what was said."""
    try:
        found = read(*given)
    except InvalidInput as error:
        return str(error)
    inputs = found.given if isinstance(found, Layout) else found.inputs
    arrays = {name: (one.dtype.str, one.shape, one.tolist()) for name, one in inputs.items()}
    return repr(arrays), repr(found._replace(**{_FIELD[type(found)]: {}}))


_FIELD: dict[type, str] = {Layout: "given", predict_request.Read: "inputs"}


@pytest.mark.parametrize("spaces", [(",", ":"), (", ", ": ")])
def test_from_the_third_time_on_only_numbers_are_read(
    spaces: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = _plan("float32")
    read: list[int] = []
    whole = open_inference_request._of_numbers
    monkeypatch.setattr(
        open_inference_request, "_of_numbers", lambda *given: read.append(1) or whole(*given)
    )
    for number in range(5):
        item = {"name": "x", "datatype": "FP32", "shape": [1, 300], "data": [float(number)] * 300}
        head = json.dumps({"inputs": [item]}, separators=spaces).encode()
        layout = open_inference_request.layout(plan, head)
        assert (layout.given["x"] == np.full((1, 300), number, np.float32)).all()
    assert len(read) == 2


def test_what_is_never_of_the_same_form_is_not_kept() -> None:
    plan = _plan("float32")
    for number in range(300):
        item = {"datatype": "FP32", "shape": [300], "data": [0.5] * 300, "name": "x"}
        document = {"parameters": {"n": number}, "inputs": [item]}
        open_inference_request.layout(plan, json.dumps(document).encode())
    assert len(plan.forms._known) <= 64
    assert not any(told for _, told, _ in plan.forms._known.values())


def test_a_form_is_looked_at_once_however_often_nothing_comes_of_it() -> None:
    forms = Forms[int]()
    looks: list[int] = []
    cut = json_forms.cut(b'{"a":' + b"[1]" + b"}" + b" " * 600, 5)
    assert cut is not None
    for _ in range(5):
        forms.learn(cut, lambda: looks.append(1))
        assert forms.find(cut) is None
    assert looks == [1]


def _plan(dtype: str) -> Plan:
    part = Part(
        Tensor("x", dtype, None), NAMES[dtype], np.dtype(NUMPY_TYPES[dtype]), dtype == "string"
    )
    output = Part(Tensor("y", dtype, None), part.datatype, part.dtype, part.is_string)
    return Plan("digits", "1", DEFAULT_CALL, {"x": part}, {"y": output}, (), (), (), ())
