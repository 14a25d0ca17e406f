"""How the runtime says no where nobody else does, in the terms of `registry.errors`."""

from registry.errors import InvalidInput, PlimsollError, TooLarge, Unsupported


class MalformedRequest(InvalidInput):
    """The bytes of a request are no HTTP, or could be read in two ways."""

    code = "malformed_request"
    status = 400


class HeadTooLarge(TooLarge):
    """A request's path and headers are over their limit."""

    code = "head_too_large"
    status = 431


class SlowRequest(PlimsollError):
    """A request did not arrive in time."""

    code = "slow_request"
    status = 408


class NoSuchSignature(InvalidInput):
    """The model has no signature of the name, or of the kind, that a request asks for."""

    code = "no_such_signature"
    status = 400


class NotExplainable(Unsupported):
    """A version of this kind cannot be explained, or not by the method that was asked for."""

    code = "not_explainable"
    status = 501


class WrongMethod(Unsupported):
    """What the path names is there, and not for this method; the header `Allow` says for which."""

    code = "wrong_method"
    status = 405

    def __init__(self, path: str, *allowed: str) -> None:
        self.allow = ", ".join(allowed)
        super().__init__(f"Method Not Allowed: {path[:200]} is for {' or '.join(allowed)}")
