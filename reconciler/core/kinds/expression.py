"""A CEL expression in a file, compiled as the file is read: what is wrong with it is said there."""

from collections.abc import Callable, Sequence

from pydantic_core import PydanticCustomError

from registry.core.policy import conditions


def over(names: Sequence[str], *, kind: str, listed: str) -> Callable[[str], str]:
    """What a field's text has to pass: true or false over `names`, which a fix tells as `listed`.

    The error that pydantic gets is of the type `kind`.
    """

    def checked(source: str) -> str:
        found = conditions.compiled(source, names)
        if isinstance(found, conditions.Broken):
            fix = f"write a CEL expression that is true or false over {listed}"
            raise PydanticCustomError(kind, "{wrong}", {"wrong": found.text, "fix": fix})
        return source

    return checked
