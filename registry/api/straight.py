"""Routes that are asked all the time, called straight: the same checks, no layers between.

For each request FastAPI looks through all routes, opens stacks of what is to be closed after it,
and walks a graph of dependencies. Its routes stay what they are, with its reading of parameters
and bodies, the same authorisation and the same answers to errors. Whatever is not plain, and all
of it where requests are traced, goes its way.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.dependencies.utils import request_body_to_args, request_params_to_args
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic_core import PydanticUndefined
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from registry.api import access
from registry.api.threads import Threads

ROUTES = frozenset(
    {
        "POST /v1/models/{name}/versions",
        "GET /v1/models/{name}/versions/{version}",
        "GET /v1/models/{name}/versions/{version}/bundle",
        "GET /v1/models/{name}/versions",
        "GET /v1/versions",
    }
)
_JSON = (b"content-type", b"application/json")


class Plain:
    """One such route: its function gives a ready answer, and takes no more than stands here."""

    def __init__(self, route: APIRoute) -> None:
        self.route = route
        self.matches = route.path_regex.match
        self.method = next(iter(route.methods or ()))
        self._function: Callable[..., Response] = route.endpoint
        taken = route.dependant.dependencies
        self._registry = [one.name for one in taken if one.call is access.registry_of and one.name]
        self._caller = [one.name for one in taken if one.call is access.caller_of and one.name]
        guards = [one for one in taken if one.call is access.authorise]
        # Else a dependency would be left out, and perhaps the one that guards it.
        assert guards  # noqa: S101
        assert len(taken) == len(self._registry + self._caller + guards)  # noqa: S101

    async def answer(self, request: Request) -> Response:
        """In FastAPI's order: the body is read, the caller authorised, what was said looked at."""
        taken = self.route.dependant
        body = await _document(request) if taken.body_params else None
        caller = await access.authorise(request, None)
        values, flaws = request_params_to_args(taken.path_params, request.path_params)
        asked, more = request_params_to_args(taken.query_params, request.query_params)
        values, flaws = values | asked, flaws + more
        if taken.body_params:
            said, more = await request_body_to_args(taken.body_params, body, False)
            values, flaws = values | said, flaws + more
        if flaws:
            raise RequestValidationError(flaws, body=body)
        for name in self._registry:
            values[name] = await access.registry_of(request)
        for name in self._caller:
            values[name] = await access.caller_of(caller)
        threads: Threads = request.app.state.threads
        return await threads.run(self._function, values)


class _HasPlain(Protocol):
    plain: Sequence[Plain]


class Straight:
    """`answer` is ASGI, for requests that `claims` has said yes to.

    `around` puts around it what is around all of the application's requests.
    """

    def __init__(
        self, app: FastAPI, parts: Iterable[_HasPlain], around: Callable[[ASGIApp], ASGIApp]
    ) -> None:
        self._app = app
        self._parts = parts
        self.answer = around(self._answer)

    def claims(self, scope: Scope) -> bool:
        """Whether the request is plain and for one of the routes; the scope then says which."""
        if scope["type"] != "http" or scope.get("root_path"):
            return False
        method, path = scope["method"], scope["path"]
        for part in self._parts:
            for one in part.plain:
                if one.method == method and (found := one.matches(path)):
                    scope["plimsoll_plain"], scope["route"] = one, one.route
                    scope["app"], scope["path_params"] = self._app, found.groupdict()
                    return method == "GET" or _JSON in scope["headers"]
        return False

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        request, plain = Request(scope, receive), scope["plimsoll_plain"]
        try:
            answer = await plain.answer(request)
        except Exception as error:
            handlers: Any = self._app.exception_handlers
            kind = next(kind for kind in type(error).__mro__ if kind in handlers)
            answer = await handlers[kind](request, error)
            if kind is Exception:
                # The server tells of what nobody expected, once it is answered.
                await answer(scope, receive, send)
                raise
        await answer(scope, receive, send)


def plain(routes: Sequence[BaseRoute]) -> list[Plain]:
    """Those of these routes that are called straight."""
    return [
        Plain(route)
        for route in routes
        if isinstance(route, APIRoute)
        and any(f"{method} {route.path}" in ROUTES for method in route.methods or ())
    ]


async def _document(request: Request) -> Any:
    """As FastAPI reads a body that says it is JSON, and with its words for one that is not."""
    content = await request.body()
    if not content:
        return PydanticUndefined
    try:
        return json.loads(content)
    except json.JSONDecodeError as error:
        flaw = {"type": "json_invalid", "loc": ("body", error.pos), "msg": "JSON decode error"}
        raise RequestValidationError([flaw], body=error.doc) from error
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, "There was an error parsing the body") from error
