"""The API in parts, each loaded when a request first asks for one of its paths.

A registry is ready before it has loaded dialects that perhaps nobody speaks to it. Whoever asks
first waits for the part to be loaded; nobody is answered differently for that.
"""

import asyncio
import re
import threading
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from registry.api import straight

_MATCHED = "plimsoll.matched"
# One part at a time: FastAPI hushes a warning while it makes a route, and Python keeps what is
# hushed once for all threads, so that of two the first to end takes the other's word back.
_LOADING = threading.Lock()


class Part(BaseRoute):
    """The routes of one module. `paths` is a pattern of how the paths of all of them begin.

    A pattern that takes in too much only loads the part early; it must not take in too little.
    """

    def __init__(self, module: str, paths: str) -> None:
        self.module = module
        self._begins = re.compile(f"(?:{paths})(?:/|$)").match
        self._routes: Sequence[BaseRoute] | None = None
        # Those of its routes that are called straight, once it is loaded.
        self.plain: Sequence[straight.Plain] = ()
        # FastAPI asks the route that matched for its path, by which traces are named, and does so
        # before anything else is matched.
        self.path_format: str | None = None

    def load(self) -> Sequence[BaseRoute]:
        """Its routes, loaded by whoever is first."""
        with _LOADING:
            if self._routes is None:
                self._routes = import_module(self.module).router.routes
                self.plain = straight.plain(self._routes)
            return self._routes

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        self.path_format = None
        if not self._begins(scope["path"]):
            return Match.NONE, {}
        if self._routes is None:
            return Match.FULL, {}
        partly: tuple[Match, Scope] = Match.NONE, {}
        for route in self._routes:
            match, found = route.matches(scope)
            if match is Match.FULL:
                self.path_format = getattr(route, "path_format", None)
                return match, {**found, _MATCHED: route}
            if match is Match.PARTIAL and partly[0] is Match.NONE:
                self.path_format = getattr(route, "path_format", None)
                partly = match, {**found, _MATCHED: route}
        return partly

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if _MATCHED in scope:
            await scope[_MATCHED].handle(scope, receive, send)
            return
        await asyncio.to_thread(self.load)
        # From the start: now it is known which of its routes the request is for, if any.
        await scope["router"](scope, receive, send)


class Parted(FastAPI):
    """An application whose OpenAPI document tells of all its parts, loaded or not."""

    def __init__(self, parts: Sequence[Part], **options: Any) -> None:
        super().__init__(**options)
        self.parts = parts
        self.router.routes.extend(parts)
        self.straight: straight.Straight | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.straight is not None and self.straight.claims(scope):
            await self.straight.answer(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    def load(self) -> None:
        """Load what no request has loaded yet."""
        for part in self.parts:
            part.load()

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            routes = [route for part in self.parts for route in part.load()]
            self.openapi_schema = get_openapi(
                title=self.title, version=self.version, summary=self.summary, routes=routes
            )
        return self.openapi_schema
