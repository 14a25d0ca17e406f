"""In which language a page is: as its reader chose, else as their browser asks, else in English.

What is asked is Accept-Language (RFC 9110, 12.5.4), looked up as in RFC 4647, 3.4. The choice is
kept in a cookie; it says nothing of the reader but this.
"""

from dataclasses import dataclass

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from registry.core import sign_in
from registry.pages import forms

router = APIRouter(include_in_schema=False)

COOKIE = "plimsoll_language"
_YEAR_S = 365 * 24 * 3600
_MOST = 50


@dataclass(frozen=True, slots=True)
class Language:
    """`code` is ours and the first part of its tag (BCP 47); `name` is its own for itself."""

    code: str
    tag: str
    name: str

    @property
    def locale(self) -> str:
        """The folder of its catalog."""
        return self.tag.replace("-", "_")


ENGLISH = Language("en", "en", "English")
LANGUAGES = {one.code: one for one in (ENGLISH, Language("zh", "zh-Hans", "中文"))}


def of(request: Request) -> Language:
    """That of the page which answers `request`."""
    chosen = LANGUAGES.get(request.cookies.get(COOKIE, ""))
    return chosen or asked(request.headers.get("accept-language", ""))


def asked(header: str) -> Language:
    """The first that there is of those a browser asks for; what has no form is passed over.

    `zh-TW` finds Chinese: a range is cut from its end until it fits. `*` is no wish.
    """
    ranges = [_range(one) for one in header.split(",")[:_MOST]]
    for _, name in sorted((one for one in ranges if one[0] > 0), key=lambda one: -one[0]):
        found = LANGUAGES.get(name.partition("-")[0].lower())
        if found is not None:
            return found
    return ENGLISH


def _range(text: str) -> tuple[float, str]:
    """How much it is wished for, from 0 to 1, and the range itself."""
    name, _, weight = text.partition(";")
    key, _, value = weight.partition("=")
    if not weight.strip():
        return 1.0, name.strip()
    try:
        quality = float(value) if key.strip().lower() == "q" else 0.0
    except ValueError:
        quality = 0.0
    return (quality if 0 <= quality <= 1 else 0.0), name.strip()


@router.post("/language")
async def choose(request: Request) -> Response:
    """Keep the choice, and go back to where it was made."""
    forms.require_own_page(request)
    form = await forms.read(request)
    answer = RedirectResponse(sign_in.local_path(form.get("back", "/")), status_code=303)
    chosen = LANGUAGES.get(form.get("language", ""), ENGLISH)
    answer.set_cookie(
        COOKIE,
        chosen.code,
        max_age=_YEAR_S,
        httponly=True,
        samesite="lax",
        secure=forms.is_secure(request),
    )
    return answer
