"""One field of an inference request's JSON, of the type that it must be: or `InvalidInput`."""

from typing import Any

from registry.errors import InvalidInput


def objects(document: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """A list of objects, which must be there."""
    found = document.get(name)
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise InvalidInput(f"the request has no '{name}' that is a list of objects")
    return found


def parameters(item: dict[str, Any], what: str) -> dict[str, Any]:
    """The `parameters` of `what`; empty where there are none."""
    found = item.get("parameters")
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise InvalidInput(f"the 'parameters' of {what} are not an object")
    return found


def flag(parameters: dict[str, Any], name: str) -> bool:
    """A parameter that is true or false; false where it is not there."""
    found = parameters.get(name, False)
    if not isinstance(found, bool):
        raise InvalidInput(f"the parameter '{name}' is neither true nor false")
    return found


def whole(parameters: dict[str, Any], name: str) -> int:
    """A parameter that is a whole number; 0 where it is not there."""
    found = parameters.get(name, 0)
    if type(found) is not int or not 0 <= found < 2**64:
        raise InvalidInput(f"the parameter '{name}' is not a whole number from 0 to 2^64 - 1")
    return found


def identifier(document: dict[str, Any]) -> str | None:
    """What the client calls the request; None where it calls it nothing."""
    found = document.get("id")
    if found is not None and not isinstance(found, str):
        raise InvalidInput("the request's 'id' is not a string")
    return found
