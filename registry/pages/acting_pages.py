"""Forms that change something in the registry itself: an alias is moved, a hold placed or released.

Each asks for a reason, and calls the use case that the API calls, with the rights of who sends it.
"""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import RedirectResponse

from registry import errors
from registry.core import reason
from registry.pages import acts, guarding, rendering
from registry.usecases import aliases, catalogue, holds
from registry.usecases.opening import Registry

router = APIRouter(include_in_schema=False)

Asked = Annotated[int, Query(ge=0, lt=2**63)]
Hold = Annotated[int, Path(gt=0, lt=2**63)]


@router.get("/models/{name}/alias")
def alias_form(request: Request, name: str, version: Asked = 0) -> Response:
    return _alias(request, name, {"version": str(version or "")})


@router.post("/models/{name}/alias")
def move_alias(request: Request, name: str) -> Response:
    form: dict[str, str] = request.state.form
    try:
        alias, number = form.get("alias", "").strip(), _number(form.get("version", ""))
        why = reason.typed(form.get("reason", ""))
        expected = _pointing(form["seen"]).get(alias, 0) if "seen" in form else None
        move = aliases.Move(name, alias, number, why, expected)
        aliases.move(_registry(request), move, request.state.caller)
    except errors.PlimsollError as refused:
        return _alias(request, name, form, refused)
    return _done(f"/models/{name}/versions/{number}", "alias")


def _alias(
    request: Request,
    name: str,
    form: dict[str, str],
    refused: errors.PlimsollError | None = None,
) -> Response:
    found = catalogue.model(_registry(request), name, limit=1)
    pointing = [(one.alias, one.version) for one in found.aliases]
    version = form.get("version", "")
    back = f"/models/{name}/versions/{version}" if version.isdecimal() else f"/models/{name}"
    return _form(
        request,
        "alias_form.html",
        refused,
        model=name,
        aliases=pointing,
        fields={key: form.get(key, "") for key in ("alias", "version", "reason")},
        back=back,
        drawn={"seen": " ".join(f"{alias}:{number}" for alias, number in pointing)},
    )


@router.get("/models/{name}/hold")
def hold_form(request: Request, name: str, version: Asked = 0) -> Response:
    return _hold(request, name, {"version": str(version or "")})


@router.post("/models/{name}/hold")
def place_hold(request: Request, name: str) -> Response:
    form: dict[str, str] = request.state.form
    try:
        version = _number(form["version"]) if form.get("version", "").strip() else None
        holds.place(
            _registry(request),
            model=name,
            version=version,
            reason=reason.typed(form.get("reason", "")),
            by=request.state.caller,
            seen=_number(form["seen"]) if "seen" in form else None,
        )
    except errors.PlimsollError as refused:
        return _hold(request, name, form, refused)
    return _done(_place(name, version), "held")


def _hold(
    request: Request,
    name: str,
    form: dict[str, str],
    refused: errors.PlimsollError | None = None,
) -> Response:
    said = form.get("version", "")
    version = int(said) if said.isdecimal() and int(said) < 2**63 else None
    standing = holds.on(_registry(request), name, version)
    return _form(
        request,
        "hold_form.html",
        refused,
        model=name,
        holds=acts.holds(standing),
        fields={key: form.get(key, "") for key in ("version", "reason")},
        back=_place(name, version),
        drawn={"seen": max((one.id for one in standing), default=0)},
    )


@router.get("/holds/{hold}/release")
def release_form(request: Request, hold: Hold) -> Response:
    return _release(request, hold, {})


@router.post("/holds/{hold}/release")
def release_hold(request: Request, hold: Hold) -> Response:
    form: dict[str, str] = request.state.form
    try:
        why = reason.typed(form.get("reason", ""))
        done = holds.release(_registry(request), hold, reason=why, by=request.state.caller)
    except errors.PlimsollError as refused:
        return _release(request, hold, form, refused)
    return _done(_place(done.model, done.version), "released")


def _release(
    request: Request,
    hold: int,
    form: dict[str, str],
    refused: errors.PlimsollError | None = None,
) -> Response:
    found = holds.find(_registry(request), hold)
    return _form(
        request,
        "release_form.html",
        refused,
        hold=acts.hold(found),
        fields={"reason": form.get("reason", "")},
        back=_place(found.model, found.version),
    )


def _form(
    request: Request,
    template: str,
    refused: errors.PlimsollError | None,
    *,
    drawn: dict[str, object] | None = None,
    **values: object,
) -> Response:
    """The form, with what was typed and why it was refused, if it was."""
    return rendering.page(
        request,
        template,
        status=200 if refused is None else refused.status,
        refused="" if refused is None else refused.detail,
        fix="" if refused is None else refused.fix,
        drawn={"token": guarding.token(request, request.url.path), **(drawn or {})},
        **values,
    )


def _done(place: str, what: str) -> Response:
    """To the page that shows it: sending the form again is not what reloading does there."""
    return RedirectResponse(f"{place}?did={what}", status_code=303)


def _place(model: str, version: int | None) -> str:
    return f"/models/{model}/versions/{version}" if version else f"/models/{model}"


def _number(text: str) -> int:
    said = text.strip()
    if not said.isdecimal() or not said.isascii() or int(said) >= 2**63:
        raise errors.InvalidInput(f"{said[:20]!r} is no number", fix="write a version's number")
    return int(said)


def _pointing(seen: str) -> dict[str, int]:
    """Where aliases pointed when the form was made, as `name:version` with spaces between."""
    parts = (one.rpartition(":") for one in seen.split())
    return {alias: _number(number) for alias, _, number in parts}


def _registry(request: Request) -> Registry:
    registry: Registry = request.app.state.registry
    return registry
