"""The paths below /plimsoll/models/ by which process mode is changed, and what each is for."""

import re

VERSION = re.compile(r"/plimsoll/models/([^/]+)/versions/([0-9]{1,19})(/activate)?")
MODEL = re.compile(r"/plimsoll/models/([^/]+)/(active|policy|labels/([^/]+))")


def methods(path: str) -> tuple[str, ...]:
    """Of a path that is there; none of another."""
    if found := VERSION.fullmatch(path):
        return ("POST",) if found[3] else ("PUT", "DELETE")
    if found := MODEL.fullmatch(path):
        return {"active": ("DELETE",), "policy": ("PUT",)}.get(found[2], ("PUT", "DELETE"))
    return ()
