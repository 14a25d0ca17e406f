"""What lets a form of our pages act for who is signed in, and for nobody else.

A browser sends its cookie with whatever makes it ask, so a cookie alone is good for reading. A
form counts when the browser says that one of our own pages sent it, and it carries the token that
was put into it: an HMAC of the form's address under the secret of this very sign-in (the HMAC-based
token of OWASP's Cross-Site Request Forgery Prevention Cheat Sheet). Neither another site nor
another person's sign-in can know it, and one of another form is worth nothing here.
"""

import hashlib
import hmac

from fastapi import Request

from registry import errors
from registry.pages import forms

FIELD = "form"
_PURPOSE = "plimsoll form v1"


def token(request: Request, path: str) -> str:
    """What a form that is sent to `path` must carry; empty where no cookie says who is there."""
    secret = forms.cookie(request)
    if not secret:
        return ""
    return hmac.new(secret.encode(), f"{_PURPOSE}\0{path}".encode(), hashlib.sha256).hexdigest()


async def admit(request: Request) -> None:
    """Read the form; raises Forbidden for one that a cookie alone would have to vouch for.

    Who sends a bearer token along needs no form of ours: no browser sends that by itself.
    """
    request.state.form = {}
    is_cookies = not request.headers.get("authorization")
    if is_cookies:
        forms.require_own_page(request)
    form = await forms.read(request)
    if is_cookies:
        _require_token(request, form.pop(FIELD, ""))
        request.state.is_own_form = True
    request.state.form = form


def is_admitted(request: Request) -> bool:
    """Whether its cookie may act."""
    return getattr(request.state, "is_own_form", False)


def is_form(request: Request) -> bool:
    """Whether a form of the pages was sent, admitted or not."""
    return hasattr(request.state, "form")


def _require_token(request: Request, shown: str) -> None:
    wanted = token(request, request.url.path)
    if not wanted:
        raise errors.Unauthenticated("you are not signed in any more", fix="sign in again")
    if not hmac.compare_digest(wanted.encode(), shown.encode()):
        raise errors.Forbidden(
            "this form was not made for this sign-in",
            fix="open its page again and send it from there",
        )
