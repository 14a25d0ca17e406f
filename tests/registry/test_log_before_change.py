"""If the log cannot be written, the change does not happen: shown for every writing route."""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from registry.api.access import ALLOWED, OPEN
from registry.api.server import Server
from registry.core import entries
from registry.usecases import log
from registry.usecases.access import Role
from registry.usecases.opening import Registry
from tests.registry import writing_routes
from tests.registry.publishing import Publisher, upload
from tests.registry.test_hosts import enrol
from tests.registry.writing_routes import ELSEWHERE, QUIET, Step

_TRIGGER = (
    "CREATE TRIGGER full_disk BEFORE INSERT ON log_entries "
    "BEGIN SELECT RAISE(ABORT, 'the disk says no'); END"
)
# Which bytes are claimed is known before the log is asked: nobody is told of it (docs/adr/0014).
# A document that is kept ready says only what is there already (docs/adr/0034).
_BEFOREHAND = {"blobs", "leases", "version_documents"}
# The courier moves a webhook's place in the log meanwhile, which is no change of the webhook.
_SEEN = {"webhooks": "id, name, url, kinds, model, status, secret"}


@contextlib.contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(path, timeout=30)) as connection, connection:
        yield connection


def rows(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """All of the database that anybody could be told of."""
    with opened(path) as connection:
        names = [
            name
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        return {
            name: sorted(
                connection.execute(f'SELECT {_SEEN.get(name, "*")} FROM "{name}"').fetchall(),  # noqa: S608
                key=repr,
            )
            for name in names
            if name not in _BEFOREHAND
        }


@pytest.fixture
def admin(server: Server, client_of: Callable[..., httpx2.Client]) -> httpx2.Client:
    client = client_of(Role.ADMIN, "root")
    for data in (*writing_routes.FILES.values(), *writing_routes.OTHER.values()):
        upload(client, data)
    place = f"/v2/x/blobs/uploads/?digest={writing_routes.digest_of(writing_routes.LAYER)}"
    assert client.post(place, content=writing_routes.LAYER).status_code == 201
    enrol(server.app.state.registry, "edge-9")
    return client


class Told:
    """Sends steps, with what earlier answers called their makings put into the path."""

    def __init__(self, client: httpx2.Client) -> None:
        self._client = client
        self._known: dict[str, str] = {}

    def send(self, step: Step) -> httpx2.Response:
        method = step.route.split(" ")[0]
        answer = self._client.request(
            method,
            step.path.format(**self._known),
            json=step.body,
            content=step.content,
            headers=step.headers,
        )
        if step.keep and answer.is_success:
            value = str(answer.json()[step.keep])
            is_secret = step.keep == "token"
            self._known[step.keep] = writing_routes.secret_id(value) if is_secret else value
        return answer


def kinds_from(registry: Registry, start: int) -> list[str]:
    page = log.page(registry, start=start, limit=1000)[1]
    return [str(entries.decode(leaf).kind) for _, leaf in page]


def test_every_writing_route_is_walked_or_said_to_be_quiet(alice: Publisher) -> None:
    writing = {route for route in ALLOWED.keys() | OPEN if not route.startswith(("GET ", "HEAD "))}
    walked = {step.route for step in writing_routes.story(alice)}
    assert writing - walked - QUIET - ELSEWHERE == set(), "decide what these leave in the log"
    assert (walked | QUIET | ELSEWHERE) - writing == set()


def test_each_write_leaves_exactly_its_entries_and_without_the_log_nothing_happens(
    server: Server, admin: httpx2.Client, alice: Publisher
) -> None:
    registry: Registry = server.app.state.registry
    database, told = registry.settings.data_dir / "registry.db", Told(admin)
    for step in writing_routes.story(alice):
        before, size = rows(database), log.size(registry)
        if step.kinds:
            with opened(database) as connection:
                connection.execute(_TRIGGER)
            answer = told.send(step)
            with opened(database) as connection:
                connection.execute("DROP TRIGGER full_disk")
            assert answer.status_code >= 400, (step, answer.text)
            assert rows(database) == before, step
        answer = told.send(step)
        assert answer.is_success, (step, answer.text)
        assert kinds_from(registry, size) == list(step.kinds), step
