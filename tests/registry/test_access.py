"""Who may call what: every route, every role, walked over HTTP."""

import re
import stat
from collections.abc import Callable

import httpx2
import pytest

from registry import errors
from registry.api.access import ALLOWED, OPEN
from registry.api.app import create_app
from registry.api.server import Server
from registry.core.identity import Grant, Identity
from registry.settings import Settings
from registry.usecases import access
from registry.usecases.access import Role
from registry.usecases.opening import Registry
from tests.registry import access_table
from tests.registry.conftest import ROOT

NEVER_ANSWERED_BY_ACCESS = {401, 403}


def routes_of(server: Server) -> set[str]:
    """'METHOD /path' of each operation in the OpenAPI document."""
    paths = server.app.openapi()["paths"]
    return {f"{method.upper()} {path}" for path, found in paths.items() for method in found}


def call(client: httpx2.Client, route: str) -> httpx2.Response:
    method, path = route.split(" ")
    place = re.sub(r"\{digest\}", "sha256:" + "0" * 64, path)
    place = re.sub(r"\{(version|index|level)\}", "1", place)
    place = re.sub(r"\{upload\}", "0" * 32, place)
    # The head is enough: one of them is a stream without end.
    with client.stream(method, re.sub(r"\{\w+\}", "x", place)) as answer:
        return answer


def test_every_route_is_in_the_table(server: Server) -> None:
    assert routes_of(server) <= ALLOWED.keys() | OPEN
    assert not ALLOWED.keys() & OPEN


def test_without_a_token_only_health_log_and_metrics_answer(
    server: Server, client_of: Callable[..., httpx2.Client]
) -> None:
    nobody = client_of()
    answered = {r for r in routes_of(server) if call(nobody, r).status_code != 401}
    assert answered == {
        "GET /livez",
        "GET /readyz",
        "GET /healthz",
        "GET /metrics",
        "GET /log/checkpoint",
        "GET /log/entries",
        "GET /log/entries/{index}.tlog-proof",
        "GET /log/proof/{index}",
        "GET /log/consistency",
        "GET /log/tile/entries/{path}",
        "GET /log/tile/{level}/{path}",
        # It asks for a token of its own, which enrols a host and opens nothing else.
        "POST /v1/enrol",
    }


@pytest.mark.parametrize("role", list(Role))
def test_each_role_may_do_exactly_what_the_table_says(
    server: Server, client_of: Callable[..., httpx2.Client], role: Role
) -> None:
    client = client_of(role, "somebody")
    closed = {route for route in ALLOWED if call(client, route).status_code in {401, 403}}
    assert closed == {route for route, roles in ALLOWED.items() if role not in roles}


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer plm_",
        "Bearer plm_0000000000000000_" + "A" * 43,
        "Bearer ' OR 1=1 --",
        "Basic cm9vdDpyb290",
        "plm_0000000000000000_" + "A" * 43,
    ],
)
def test_a_wrong_token_is_refused(client_of: Callable[..., httpx2.Client], header: str) -> None:
    answer = client_of().get("/v1/models", headers={"Authorization": header})
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_the_right_id_with_another_secret_is_refused(registry: Registry) -> None:
    secret = access.mint(registry, role=Role.HOST, name="edge-1", by=ROOT)
    assert access.recognise(registry, secret) == Identity("edge-1", (Grant(Role.HOST),))
    other = secret[:-1] + ("A" if secret[-1] != "A" else "B")
    with pytest.raises(errors.Unauthenticated):
        access.recognise(registry, other)


def test_the_secret_is_stored_nowhere(server: Server, settings: Settings) -> None:
    registry = server.app.state.registry
    secret = access.mint(registry, role=Role.AUDITOR, name="eve", by=ROOT)
    for file in settings.data_dir.rglob("*"):
        if file.is_file():
            assert secret.encode() not in file.read_bytes()


def test_a_reconciler_mints_tokens_for_hosts_only(client_of: Callable[..., httpx2.Client]) -> None:
    reconciler = client_of(Role.RECONCILER)
    minted = reconciler.post("/v1/tokens", json={"role": "host", "name": "edge-1"})
    assert minted.status_code == 201
    for role in ("admin", "publisher", "reconciler", "auditor"):
        answer = reconciler.post("/v1/tokens", json={"role": role, "name": "x"})
        assert answer.status_code == 403
    answer = reconciler.post("/v1/tokens", json={"role": "king", "name": "x"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    host = client_of()
    host.headers["Authorization"] = "Bearer " + minted.json()["token"]
    assert host.get("/v1/models").status_code == 200


def test_a_browser_cookie_reads_but_does_not_write(
    server: Server, client_of: Callable[..., httpx2.Client]
) -> None:
    admin = client_of(Role.ADMIN)
    token = admin.headers["Authorization"].removeprefix("Bearer ")
    browser = client_of()
    browser.cookies.set("plimsoll_token", token)
    assert browser.get("/v1/models").status_code == 200
    assert browser.post("/v1/uploads").status_code == 401


def test_the_first_start_mints_one_admin_token_that_only_we_may_read(settings: Settings) -> None:
    for _ in range(2):
        app = create_app(settings)
        registry = app.state.registry
        secret = settings.admin_token_file.read_text().strip()
        assert access.recognise(registry, secret).grants == (Grant(Role.ADMIN),)
        registry.close()
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode)
        for path in (
            settings.data_dir,
            settings.admin_token_file,
            settings.data_dir / "keys" / "registry.pem",
            settings.data_dir / "keys" / "log.pem",
        )
    }
    assert modes == {"data": 0o700, "admin.token": 0o600, "registry.pem": 0o600, "log.pem": 0o600}


def test_a_log_does_not_go_on_under_another_key(settings: Settings) -> None:
    create_app(settings).state.registry.close()
    (settings.data_dir / "keys" / "log.pem").unlink()
    with pytest.raises(errors.InvalidConfig, match="another key"):
        create_app(settings)


def test_the_page_of_routes_and_roles_is_current() -> None:
    wanted = "python -m tests.registry.access_table makes it"
    assert access_table.PAGE.read_text() == access_table.text(), wanted
    assert set(access_table.ROLES) == set(Role)


def test_every_role_that_is_documented_exists() -> None:
    page = (access_table.PAGE.parent / "access.md").read_text()
    table = page.split("## Roles", 1)[1].split("\n## ", 1)[0]
    assert set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) == set(Role)
