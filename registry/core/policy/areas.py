"""The four moments at which policies decide, and what is known at each.

An area is a folder: policies/<area>/. Its variables are all that its expressions may name, so
that a rule about what is not known at its moment is an error when it is written.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from registry.core import canonical, digest
from registry.core.canonical import Json
from registry.errors import InvalidInput

# As JSON escapes it, and not the text that writes of it.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


class Area(StrEnum):
    """`PLAN` can only hold back; in the others, what no policy allows is denied."""

    PUBLISH = "publish"
    PLAN = "plan"
    DEPLOY = "deploy"
    PROMOTE = "promote"


class Shape(StrEnum):
    """The forms a variable can have."""

    OBJECT = "object"
    TEXT = "text"
    TEXTS = "list of texts"
    NUMBER = "number"
    TIME = "time"


VARIABLES: Mapping[Area, Mapping[str, Shape]] = {
    Area.PUBLISH: {
        "version": Shape.OBJECT,
        "verification": Shape.OBJECT,
        "caller": Shape.OBJECT,
        "now": Shape.TIME,
    },
    Area.PLAN: {
        "deployment": Shape.OBJECT,
        "environment": Shape.TEXT,
        "quarantined": Shape.TEXTS,
        "now": Shape.TIME,
    },
    Area.DEPLOY: {
        "deployment": Shape.OBJECT,
        "version": Shape.OBJECT,
        "verification": Shape.OBJECT,
        "environment": Shape.TEXT,
        "approvers": Shape.TEXTS,
        "quarantined": Shape.TEXTS,
        "now": Shape.TIME,
    },
    Area.PROMOTE: {
        "version": Shape.OBJECT,
        "verification": Shape.OBJECT,
        "alias": Shape.TEXT,
        "previous": Shape.NUMBER,
        "caller": Shape.OBJECT,
        "now": Shape.TIME,
    },
}


@dataclass(frozen=True, slots=True)
class Request:
    """What a decision is about: a value for each of the area's variables, as plain JSON.

    `now` among them is RFC 3339. `model`, `environment` and `labels` are what policies match.
    `digest` names all inputs but `now`; `trouble` says why they cannot be judged, if so.
    """

    area: Area
    inputs: Mapping[str, Json]
    model: str
    environment: str
    labels: Mapping[str, Json]
    digest: str
    trouble: str


def request(area: Area, inputs: Mapping[str, Json]) -> Request:
    """The request with what policies match taken from its inputs."""
    known, named, trouble = _read(inputs)
    deployment = _object(known, "deployment")
    model = _object(_object(deployment, "spec"), "model").get("name")
    return Request(
        area=area,
        inputs=known,
        model=str(model or _object(known, "version").get("model", "")),
        environment=str(known.get("environment", "")),
        labels=_object(_object(deployment, "metadata"), "labels"),
        digest=named,
        trouble=trouble,
    )


def _read(inputs: Mapping[str, Json]) -> tuple[Mapping[str, Json], str, str]:
    """The inputs as nothing but JSON's own types, their digest, and what is wrong with them.

    An enum's member is a text to Python, and an error to CEL. And CEL's library takes a text for
    ended at its first NUL: "MIT" could be what only begins so.
    """
    try:
        whole = canonical.encode({name: inputs[name] for name in inputs if name != "now"})
        known = canonical.decode_object(whole, what="input of a policy")
    except InvalidInput as error:
        return inputs, "", error.detail
    if "now" in inputs:
        known["now"] = inputs["now"]
    trouble = "a text in it holds a NUL character" if _NUL.search(whole) else ""
    return known, digest.of(whole), trouble


def _object(source: Mapping[str, Json], name: str) -> Mapping[str, Json]:
    found = source.get(name)
    return found if isinstance(found, dict) else {}
