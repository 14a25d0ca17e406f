"""The layout of an Open Inference request of which all but the numbers came before.

For what has one input, whose `data` is one flat list in the JSON; everything else, and whatever
does not fit, is left to `open_inference_request`, which says what is wrong with it.
"""

from functools import partial

from runtime.protocols import json_buffers, json_forms
from runtime.protocols.json_forms import Cut
from runtime.protocols.open_inference_plan import Layout, Plan, Template

_DATA = b'"data"'


def cut(head: bytes) -> Cut | None:
    """At the first list of data, if that is what it is."""
    at = head.find(_DATA, 0, json_forms.LARGEST_REST)
    return None if at < 0 else json_forms.cut(head, head.find(b"[", at))


def layout(plan: Plan, found: Cut) -> Layout | None:
    """The layout where all but the numbers is known; None where it is not, or they do not fit."""
    known = plan.forms.find(found)
    if known is None:
        return None
    tensor = known.part.tensor
    array = json_buffers.numbers(found.numbers, tensor.dtype)
    if array is None or array.size != known.values:
        return None
    return known.layout._replace(given={tensor.name: array.reshape(known.shape)})


def learn(plan: Plan, found: Cut, whole: Layout) -> None:
    """Remember the form of a request, which has this layout."""
    plan.forms.learn(found, partial(_template, plan, found, whole))


def _template(plan: Plan, found: Cut, whole: Layout) -> Template | None:
    """What is the same in every request that is cut like this one; None where the cut is not at
    the data of its only input."""
    if whole.id is not None or whole.pieces or len(whole.given) != 1:
        return None
    ((name, value),) = whole.given.items()
    try:
        depth = json_forms.probe_depth(json_forms.probed(found)["inputs"][0]["data"])
    except (TypeError, LookupError):
        return None
    # Lists in lists must be those of the shape: here it is one row, however many it is in.
    if depth is None or (depth and value.size not in value.shape):
        return None
    return Template(whole._replace(given={}), plan.inputs[name], value.shape, value.size)
