"""The ways in which making something of a model says no."""

from registry.errors import InvalidInput, PlimsollError
from registry.exits import Exit


class NotConvertible(InvalidInput):
    """There is no way from what the model is to what was asked for."""

    code = "not_convertible"


class ParityFailed(PlimsollError):
    """What was made answers otherwise than what it was made of."""

    code = "parity_failed"
    status = 422
    exit_code = Exit.REFUSED
