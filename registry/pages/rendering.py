"""Values into pages, or into their JSON twins; a page can load nothing but our own files.

A page is in its reader's language (`language`); a twin is as the values are, in English.
"""

from collections.abc import Mapping
from functools import cache, partial
from pathlib import Path
from urllib.parse import urlencode

from fastapi import Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from registry.pages import catalogs, language, twin, wording
from registry.pages.language import ENGLISH, Language
from registry.usecases import fleet

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Vary": "Accept, Accept-Language, Cookie",
}


@cache
def environment(spoken: Language = ENGLISH) -> Environment:
    """The templates in a language; a name they do not get is an error, never an empty space.

    What `_()` and `{% trans %}` mark is translated, and so is each text of `wording` when it is
    put out; the filter `word` translates words that come from elsewhere: `{{ kind | word }}`.
    """
    catalog = catalogs.of(spoken.locale)
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
        finalize=partial(wording.shown, catalog=catalog),
    )
    made.policies["ext.i18n.trimmed"] = True
    made.filters["word"] = partial(wording.word, catalog=catalog)
    made.globals["language"] = spoken
    made.install_gettext_translations(catalog, newstyle=True)  # type: ignore[attr-defined]
    return made


def page(
    request: Request,
    template: str,
    *,
    status: int = 200,
    drawn: Mapping[str, object] | None = None,
    **values: object,
) -> Response:
    """Render `template`, or tell `values` as JSON to who asks for that.

    The template also gets what is `drawn` of the values, and learns who is looking, and where.
    """
    if wants_json(request):
        return JSONResponse(twin.document(values), status_code=status, headers=_HEADERS)
    spoken = language.of(request)
    text = (
        environment(spoken)
        .get_template(template)
        .render(
            caller=getattr(request.state, "caller", None),
            path=request.url.path,
            mark=getattr(request.state, "mark", ""),
            here=address(request),
            twin=address(request, **{twin.FORMAT: "json"}),
            other_languages=[one for one in language.LANGUAGES.values() if one != spoken],
            **(drawn or {}),
            **values,
        )
    )
    headers = _HEADERS | {"Content-Language": spoken.tag}
    return HTMLResponse(text, status_code=status, headers=headers)


def marked(request: Request) -> None:
    """Before a page is made: what it will know of at least. `live` says when there is more."""
    request.state.mark = fleet.mark(request.app.state.registry)


def wants_json(request: Request) -> bool:
    """Whether it says so in its address, or takes JSON and no page."""
    accepted = request.headers.get("accept", "")
    return request.query_params.get(twin.FORMAT) == "json" or (
        "application/json" in accepted and "text/html" not in accepted
    )


def address(request: Request, **changed: object) -> str:
    """This page's address with other parameters; an empty one is left out."""
    kept = [one for one in request.query_params.multi_items() if one[0] not in changed]
    kept += [(name, str(value)) for name, value in changed.items()]
    said = urlencode([(name, value) for name, value in kept if value])
    return f"{request.url.path}?{said}" if said else request.url.path
