"""CEL: a policy's expressions compiled once, and how each ends for an input.

An ERROR is a value like any other to CEL, and a truthy one to Python: so nothing here asks for
a value before its type. Evaluation is bounded: cel-expr-python counts the rounds of all loops
of an expression and ends in an error. cel-expr-python's home, with `conditions` beside it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from cel_expr_python import cel

from registry.core import strict
from registry.core.canonical import Json
from registry.core.documents import Path
from registry.core.policy import kinds
from registry.core.policy.areas import VARIABLES, Area, Shape

_PREFIX = "variables."
_OBJECT = cel.Type.Map(cel.Type.STRING, cel.Type.DYN)
_TYPES = {
    Shape.OBJECT: _OBJECT,
    Shape.TEXT: cel.Type.STRING,
    Shape.TEXTS: cel.Type.List(cel.Type.STRING),
    Shape.NUMBER: cel.Type.INT,
    Shape.TIME: cel.Type.TIMESTAMP,
}
# Kubernetes' name for reading a size; anything but a size is an error to CEL.
_FUNCTIONS = [
    cel.FunctionDecl(
        "quantity",
        [
            cel.Overload(
                id="quantity_string",
                return_type=cel.Type.INT,
                parameters=[cel.Type.STRING],
                is_member=False,
                impl=strict.memory_bytes,
            )
        ],
    )
]
_NOISE = re.compile(r"^[A-Z_]+: | \[[A-Z_]+\]$| \(in container ''\)| expecting \{.*\}")
_RAISED = (RuntimeError, TypeError, ValueError, OverflowError)
_MESSAGE_LIMIT = 500

Inputs: TypeAlias = dict[str, object]


@dataclass(frozen=True, slots=True)
class Seen:
    """How one validation ended: `result` is None for an error, explained by `error`."""

    index: int
    result: bool | None
    message: str
    error: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """An expression that is not CEL, or can never have the type it must have."""

    at: Path
    message: str
    fix: str


@dataclass(frozen=True, slots=True)
class _Check:
    expression: cel.Expression
    source: str
    message: str
    speak: cel.Expression | None


@dataclass(frozen=True, slots=True)
class Program:
    """A policy, compiled. `constants` are those of its variables that depend on nothing.

    Values are converted by what `environment` knows of their variables' types. `all_of` is true
    where each check is, and no otherwise: CEL's `&&` is true of nothing but two times true.
    """

    environment: cel.Env
    checks: tuple[_Check, ...]
    variables: tuple[tuple[str, cel.Expression], ...]
    constants: Mapping[str, object]
    all_of: cel.Expression | None


@dataclass(frozen=True, slots=True)
class _Wanted:
    kind: cel.Type | None
    words: str


_ANYTHING = _Wanted(None, "")
_CLAIM = _Wanted(cel.Type.BOOL, " that is true or false")
_SENTENCE = _Wanted(cel.Type.STRING, " that is text")


@dataclass(slots=True)
class _Work:
    types: dict[str, cel.Type]
    variables: list[tuple[str, cel.Expression]] = field(default_factory=list)
    constants: Inputs = field(default_factory=dict)
    checks: list[_Check] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Error:
    text: str


def compiled(area: Area, spec: kinds.PolicySpec) -> Program | tuple[Fault, ...]:
    """`spec` ready to run, or everything that is wrong with its expressions."""
    work = _Work({name: _TYPES[shape] for name, shape in VARIABLES[area].items()})
    for index, variable in enumerate(spec.variables):
        _compile_variable(work, index, variable)
    environment = cel.NewEnv(variables=work.types, functions=_FUNCTIONS)
    for index, validation in enumerate(spec.validations):
        _compile_check(work, environment, index, validation)
    if work.faults:
        return tuple(work.faults)
    checks = tuple(work.checks)
    every = _every(environment, checks)
    return Program(environment, checks, tuple(work.variables), work.constants, every)


def inputs(area: Area, given: Mapping[str, Json]) -> Inputs:
    """What expressions see of `given`: the area's variables and no more; `now` as a time.

    A variable that is left out is an error to whatever needs it.
    """
    found: Inputs = {name: given[name] for name in VARIABLES[area] if name in given}
    if "now" in found:
        found["now"] = _moment(found["now"])
    return found


def holds(program: Program, given: Inputs) -> bool:
    """Whether all validations are known to be true, in one evaluation; if not, ask `run`."""
    if program.all_of is None:
        return False
    known, _ = _with_variables(program, given)
    try:
        found = program.all_of.eval(activation=program.environment.Activation(known))
        return found.value() is True and bool(found.type() == cel.Type.BOOL)
    except _RAISED:
        return False


def run(program: Program, given: Inputs) -> list[Seen]:
    """How each validation ends for `given` (see `inputs`)."""
    known, broken = _with_variables(program, given)
    activation = program.environment.Activation(known)
    return [_seen(index, check, activation, broken) for index, check in enumerate(program.checks)]


def _with_variables(program: Program, given: Inputs) -> tuple[Inputs, dict[str, str]]:
    """`given` and the policy's variables, without those that end in an error: these by text."""
    known, broken = {**given, **program.constants}, dict[str, str]()
    for name, expression in program.variables:
        found = _plain(expression, program.environment.Activation(known))
        if isinstance(found, _Error):
            broken[name] = found.text
        else:
            known[name] = found
    return known, broken


def _every(environment: cel.Env, checks: tuple[_Check, ...]) -> cel.Expression | None:
    """All checks as one expression; None where that is too deep for CEL's parser."""
    try:
        # A line may end in a comment, so the parenthesis stands on the next.
        return environment.compile(" && ".join(f"({check.source}\n)" for check in checks))
    except RuntimeError:
        return None


def _compile_variable(work: _Work, index: int, variable: kinds.NamedExpression) -> None:
    at: Path = ("spec", "variables", index)
    name = f"{_PREFIX}{variable.name}"
    if name in work.types:
        message = f"{_dotted(at)}.name: {variable.name} is there already"
        work.faults.append(Fault((*at, "name"), message, "give each variable its own name"))
        return
    environment = cel.NewEnv(variables=work.types, functions=_FUNCTIONS)
    expression = _compile(work, environment, (*at, "expression"), variable.expression)
    work.types[name] = cel.Type.DYN if expression is None else expression.return_type()
    if expression is None:
        return
    constant = _plain(expression, environment.Activation({}))
    if isinstance(constant, _Error):
        work.variables.append((name, expression))
    else:
        work.constants[name] = constant


def _compile_check(
    work: _Work, environment: cel.Env, index: int, validation: kinds.Validation
) -> None:
    at: Path = ("spec", "validations", index)
    expression = _compile(work, environment, (*at, "expression"), validation.expression, _CLAIM)
    speak = None
    if validation.message_expression is not None:
        place = (*at, "messageExpression")
        speak = _compile(work, environment, place, validation.message_expression, _SENTENCE)
    if expression is not None:
        work.checks.append(_Check(expression, validation.expression, validation.message, speak))


def _compile(
    work: _Work, environment: cel.Env, at: Path, source: str, wanted: _Wanted = _ANYTHING
) -> cel.Expression | None:
    fix = f"write a CEL expression over {', '.join(work.types)}{wanted.words}"
    try:
        expression = environment.compile(source)
    except RuntimeError as error:
        work.faults.append(Fault(at, f"{_dotted(at)}: {first_line(error)}", fix))
        return None
    found = expression.return_type()
    if wanted.kind is None or found in (wanted.kind, cel.Type.DYN):
        return expression
    message = f"{_dotted(at)}: is {found.name()}, not {wanted.kind.name()}"
    work.faults.append(Fault(at, message, fix))
    return None


def _seen(index: int, check: _Check, activation: cel.Activation, broken: Mapping[str, str]) -> Seen:
    found = _value(check.expression, activation)
    if isinstance(found, _Error):
        causes = [f"{name}: {text}" for name, text in broken.items() if name in check.source]
        return Seen(index, None, check.message, "; ".join(causes) or found.text)
    if found.type() != cel.Type.BOOL:
        return Seen(index, None, check.message, f"is {found.type().name()}, not BOOL")
    if found.value() is True:
        return Seen(index, True, check.message)
    return Seen(index, False, _spoken(check, activation))


def _spoken(check: _Check, activation: cel.Activation) -> str:
    """The message made for this input; the fixed one where making it fails."""
    if check.speak is None:
        return check.message
    found = _value(check.speak, activation)
    if isinstance(found, _Error) or found.type() != cel.Type.STRING:
        return check.message
    line = " ".join(str(found.value()).split())
    return line[:_MESSAGE_LIMIT] or check.message


def _plain(expression: cel.Expression, activation: cel.Activation) -> object | _Error:
    found = _value(expression, activation)
    if isinstance(found, _Error):
        return found
    try:
        plain: object = found.plain_value()
    except _RAISED as raised:
        return _Error(first_line(raised))
    return plain


def _value(expression: cel.Expression, activation: cel.Activation) -> cel.Value | _Error:
    """What `expression` is, never an ERROR."""
    try:
        found = expression.eval(activation=activation)
        if found.type() == cel.Type.ERROR:
            return _Error(first_line(found.value()))
    except _RAISED as raised:
        return _Error(first_line(raised))
    return found


def _moment(given: object) -> object:
    """A time with its zone; anything else is left as it is, and no TIMESTAMP to CEL."""
    try:
        moment = datetime.fromisoformat(str(given))
    except ValueError:
        return given
    return moment if moment.tzinfo is not None else given


def _dotted(at: Path) -> str:
    return ".".join(str(part) for part in at)


def first_line(error: object) -> str:
    """What went wrong, without what the library wraps around it."""
    line = str(error).partition("\n")[0]
    return _NOISE.sub("", line.partition("ERROR: <input>:")[2] or line)
