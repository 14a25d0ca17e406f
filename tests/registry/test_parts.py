"""The API in parts: a registry is ready before it has loaded what nobody asked for yet."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
from starlette.routing import Match

from registry import errors
from registry.api.access import ALLOWED, OPEN
from registry.api.app import create_app
from registry.api.parts import Part
from registry.api.server import Server
from registry.settings import Settings

# What takes a good part of a second to load, and answers neither /readyz nor most requests.
HEAVY = {
    "alembic", "cel_expr_python", "docker", "httpx2", "jinja2", "joserfc", "markdown_it", "numpy",
    "onnx", "psycopg", "pygments", "rich", "yaml",
}  # fmt: skip


def test_a_server_is_ready_before_it_loads_what_is_heavy():
    script = "import sys, registry.logs, registry.api.server; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert not HEAVY & loaded
    assert not {"registry.api.models", "registry.api.oci", "registry.usecases.publish"} & loaded


def test_the_path_of_every_route_leads_to_the_part_that_holds_it(settings: Settings):
    app = create_app(settings)
    app.state.registry.close()
    scopes = {route: scope_of(route) for route in (ALLOWED.keys() | OPEN) - {"GET /openapi.json"}}
    leading = {
        route: [part for part in app.parts if part.matches(scope)[0] is Match.FULL]
        for route, scope in scopes.items()
    }
    app.load()
    astray = [
        route
        for route, scope in scopes.items()
        if not any(part.matches(scope)[0] is Match.FULL for part in leading[route])
    ]
    assert not astray


def scope_of(route: str) -> dict[str, object]:
    method, path = route.split(" ")
    return {"type": "http", "method": method, "path": re.sub(r"\{\w+\}", "1", path)}


def test_a_part_that_is_asked_first_answers_as_ever_after(client: httpx2.Client):
    for _ in range(2):
        assert client.get("/v1/models").status_code == 200
        assert client.get("/v1/models/", follow_redirects=False).status_code == 307
        assert client.put("/v1/models").headers["allow"] in {"GET", "POST"}
        assert client.get("/v1/nothing").json()["code"] == "not_found"


def test_one_part_is_loaded_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What FastAPI hushes while it makes routes is hushed for all threads, or for none."""
    monkeypatch.syspath_prepend(tmp_path)
    second = "from fastapi import APIRouter\nrouter = APIRouter()\n"
    (tmp_path / "part_second.py").write_text(second)
    (tmp_path / "part_first.py").write_text(
        f"""{second}
import sys, threading
from registry.api.parts import Part
beside = threading.Thread(target=Part("part_second", "/second").load)
beside.start()
beside.join(0.3)
is_alone = "part_second" not in sys.modules
"""
    )
    Part("part_first", "/first").load()
    first = sys.modules.pop("part_first")
    first.beside.join(60)
    assert first.is_alone
    assert sys.modules.pop("part_second").router.routes == []


def test_a_server_whose_part_cannot_be_loaded_ends_and_says_so(settings: Settings):
    server = Server(settings)
    server.app.parts = [Part("registry.api.absent", "/absent")]
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with pytest.raises(errors.Unavailable, match="absent"):
            server.run()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
