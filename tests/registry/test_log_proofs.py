"""Entries that were found, each with its proof, in one file that needs nobody."""

import io
from collections.abc import Callable

import httpx2
import pytest

from registry import errors
from registry.api.server import Server
from registry.core.audit import archive, proofs
from registry.core.audit.archive import Member
from registry.db.log_search import Wanted
from registry.usecases import log, log_search
from registry.usecases.access import Role
from registry.usecases.opening import Registry
from tests.registry.test_log_search import tell

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def packed(registry: Registry, host: str) -> bytes:
    return proofs.pack(log_search.proofs(registry, Wanted(host=host), limit=1000))


def checked(registry: Registry, content: bytes) -> list[proofs.Proven]:
    return list(proofs.checked(io.BytesIO(content).read, registry.trust_root().log))


@on_sqlite
def test_what_was_found_is_proven_by_the_file_alone(registry: Registry) -> None:
    tell(registry, 300)
    proven = checked(registry, packed(registry, "edge-2"))
    found = log_search.newest(registry, Wanted(host="edge-2"), limit=1000)
    assert [(one.index, one.entry) for one in proven] == [
        (one.index, one.entry) for one in reversed(found)
    ]
    assert {one.checkpoint.size for one in proven} == {log.size(registry)}
    assert checked(registry, packed(registry, "nowhere")) == []


@on_sqlite
def test_a_file_of_proofs_with_any_flaw_is_refused(registry: Registry) -> None:
    tell(registry)
    content = packed(registry, "edge-2")
    readme, first, second, *rest = archive.members(io.BytesIO(content).read)

    def of(*members: Member) -> bytes:
        return b"".join(map(archive.pack, members)) + archive.END

    lines = first.content.split(b"\n")
    flawed = {
        "cut off": content[:-512],
        "something behind the end": content + b"x",
        "without its README": of(first, second, *rest),
        "with another README": of(Member(readme.name, b"trust me"), first),
        "in another order": of(readme, second, first),
        "with an entry twice": of(readme, first, first),
        "with a proof under another's name": of(readme, Member(second.name, first.content)),
        "with another's entry": of(
            readme,
            Member(first.name, b"\n".join([lines[0], second.content.split(b"\n")[1], *lines[2:]])),
        ),
        "of no form": of(readme, Member(first.name, b"{}")),
        "with a path that leads out": content.replace(b"entries/", b"../../x/"),
        "empty": b"",
    }
    for flaw, bad in flawed.items():
        assert bad != content, flaw
        with pytest.raises(errors.PlimsollError):
            checked(registry, bad)
    assert len(checked(registry, of(readme, first, second, *rest))) == 2 + len(rest)


def test_it_is_downloaded_as_a_file(
    server: Server, client_of: Callable[..., httpx2.Client]
) -> None:
    registry = server.app.state.registry
    tell(registry)
    answer = client_of(Role.VIEWER).get("/v1/log/entries.tar?host=edge-2&limit=2")
    assert 'filename="log-entries.tar"' in answer.headers["content-disposition"]
    newest = log_search.newest(registry, Wanted(host="edge-2"), limit=2)
    proven = checked(registry, answer.content)
    assert [one.index for one in proven] == [one.index for one in reversed(newest)]
