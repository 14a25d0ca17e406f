"""The four moments at which policies decide, and what is known at each.

An area is a folder: policies/<area>/. Its variables are all that its expressions may name, so
that a rule about what is not known at its moment is an error when it is written.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from registry.core.canonical import Json


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
    """

    area: Area
    inputs: Mapping[str, Json]
    model: str
    environment: str
    labels: Mapping[str, Json]


def request(area: Area, inputs: Mapping[str, Json]) -> Request:
    """The request with what policies match taken from its inputs."""
    deployment = _object(inputs, "deployment")
    model = _object(_object(deployment, "spec"), "model").get("name")
    return Request(
        area=area,
        inputs=inputs,
        model=str(model or _object(inputs, "version").get("model", "")),
        environment=str(inputs.get("environment", "")),
        labels=_object(_object(deployment, "metadata"), "labels"),
    )


def _object(source: Mapping[str, Json], name: str) -> Mapping[str, Json]:
    found = source.get(name)
    return found if isinstance(found, dict) else {}
