"""ModelDeploymentSet: one file that makes many deployments, for hosts, environments or a list."""

from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import Field, PlainValidator, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from reconciler.core.kinds.deployment import DEFAULT_PROJECT
from reconciler.core.kinds.fleet import Expression
from registry.core.strict import Labels, ModelGlob, Name, Parameter, Strict

_MOST = 1000


def _scalar(given: object) -> bool | int | float | str:
    if isinstance(given, bool | int | float | str):
        return given
    raise PydanticCustomError(
        "parameter",
        "a parameter is a text, a number, true or false",
        {"fix": "write one value; what is a list belongs into the template"},
    )


Scalar: TypeAlias = Annotated[
    bool | int | float | str,
    PlainValidator(_scalar),
    WithJsonSchema({"type": ["string", "number", "boolean"]}),
]
Row: TypeAlias = dict[Parameter, Scalar]


class Rows(Strict):
    """Parameters written out, a mapping for each deployment."""

    elements: Annotated[list[Row], Field(min_length=1, max_length=_MOST)]


class Hosts(Strict):
    """Every host that carries all of `matchLabels` and for which all `matchExpressions` hold; all
    hosts, where neither is given. Gives `host` and `host.labels.<name>`."""

    match_labels: Labels = Field(default_factory=dict)
    match_expressions: Annotated[list[Expression], Field(max_length=50)] = Field(
        default_factory=list
    )


class Environments(Strict):
    """Environments by their names, or by globs over those that have a file of their own. Gives
    `environment`."""

    names: Annotated[list[ModelGlob], Field(min_length=1, max_length=_MOST)]


class Plain(Strict):
    """Exactly one of a list, hosts and environments."""

    list_: Annotated[Rows | None, Field(alias="list")] = None
    hosts: Hosts | None = None
    environments: Environments | None = None

    @model_validator(mode="after")
    def _is_one(self) -> "Plain":
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            known = [field.alias for field in type(self).model_fields.values()]
            raise PydanticCustomError(
                "generator",
                "a generator is exactly one of {known}",
                {"known": ", ".join(map(str, known)), "fix": "write one, such as hosts: {}"},
            )
        return self


class Matrix(Strict):
    """Each element of the first with each of the second, and so on."""

    generators: Annotated[list[Plain], Field(min_length=2, max_length=4)]


class Merge(Strict):
    """The elements of the first; what later ones have for the same `mergeKeys` goes over it."""

    merge_keys: Annotated[list[str], Field(min_length=1, max_length=10)]
    generators: Annotated[list[Plain], Field(min_length=2, max_length=4)]


class Generator(Plain):
    """Exactly one kind of elements. `matrix` and `merge` combine others."""

    matrix: Matrix | None = None
    merge: Merge | None = None


class SetTemplate(Strict):
    """A ModelDeployment's metadata and spec, in whose texts `{{parameter}}` stands for a value."""

    metadata: dict[str, object]
    spec: dict[str, object]

    @model_validator(mode="after")
    def _is_of_the_sets_project(self) -> "SetTemplate":
        if "project" in self.metadata:
            raise PydanticCustomError(
                "set_project",
                "all that a set makes is of the set's own project",
                {"at": ("metadata", "project"), "fix": "write it in the set's metadata"},
            )
        return self


class SetSpec(Strict):
    """A deployment for each element. A set that makes none is an error unless `allowEmpty`, since
    all that it made before would go."""

    generators: Annotated[list[Generator], Field(min_length=1, max_length=20)]
    template: SetTemplate
    allow_empty: bool = False


class SetMetadata(Strict):
    """`name` is the file's name; all that is made is of `project`."""

    name: Name
    project: Name = DEFAULT_PROJECT
    labels: Labels = Field(default_factory=dict)


class ModelDeploymentSet(Strict):
    """One file that makes many deployments: models.d/sets/<name>.yaml."""

    folder: ClassVar[str] = "models.d/sets"
    api_version: Literal["plimsoll.dev/v1"]
    kind: Literal["ModelDeploymentSet"]
    metadata: SetMetadata
    spec: SetSpec
