"""Templates into answers, with headers that let a page load nothing but our own files."""

from functools import cache
from pathlib import Path

from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@cache
def environment() -> Environment:
    """The templates; a name they do not get is an error, never an empty space."""
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def page(request: Request, template: str, *, status: int = 200, **values: object) -> Response:
    """Render `template`; it also learns who is looking, and where."""
    text = (
        environment()
        .get_template(template)
        .render(caller=getattr(request.state, "caller", None), path=request.url.path, **values)
    )
    return HTMLResponse(text, status_code=status, headers=_HEADERS)
