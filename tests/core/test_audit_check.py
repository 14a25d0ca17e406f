"""A bundle is what was signed, or it is said what is not and where."""

import io
from collections.abc import Iterable

import pytest

from registry import errors
from registry.core.audit import archive, check, layout
from registry.core.audit.archive import Member
from registry.core.audit.findings import Findings
from registry.core.entries import Entry, Kind
from tests.core import audited
from tests.core.audited import TRUST, Story


def walked(data: bytes) -> Findings:
    found = Findings()
    for _ in check.walk(archive.members(io.BytesIO(data).read), TRUST, found):
        pass
    return found


def said(members: Iterable[Member]) -> list[str]:
    return [f"{flaw.where}: {flaw.what}" for flaw in walked(audited.packed(members)).flaws]


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 511, 512, 700])
def test_a_true_bundle_of_any_size_is_sound(size: int) -> None:
    found = walked(audited.packed(Story(tuple(audited.busy(size))).members()))
    assert (found.flaws, found.entries, found.signed.size) == ([], size, size)


def test_publications_are_proven_by_their_documents() -> None:
    story = Story().published("digits", 1).then(*audited.busy(300)).published("fraud", 2, files=3)
    found = walked(audited.packed(story.members(1, 256, 300)))
    assert (found.flaws, found.documents, [one.size for one in found.earlier]) == (
        [],
        8,
        [1, 256, 300],
    )


@pytest.mark.parametrize("role", ["config", "manifest", "publisher", "registry"])
def test_a_withheld_document_is_named(role: str) -> None:
    members = Story().published("digits", 1).members()
    kept = [one for one in members if f"/{role}." not in one.name]
    assert f"entry 0: its {role} document is withheld" in said(kept)


def test_an_erasure_excuses_what_it_took_and_nothing_else() -> None:
    entry = Entry(
        time="2026-11-24T08:00:00.000Z", kind=Kind.ERASED, actor="admin:root", model="digits",
        version=1, reason="asked to",
    )  # fmt: skip
    members = Story().published("digits", 1).published("digits", 2).then(entry).members()
    kept = [one for one in members if "documents/0/" not in one.name or "/registry." in one.name]
    assert said(kept) == []
    kept = [one for one in members if "documents/1/" not in one.name or "/registry." in one.name]
    assert len(said(kept)) == 3


def test_a_document_that_belongs_to_no_entry_is_refused() -> None:
    members = Story().published("digits", 1).then(*audited.busy(1)).members()
    assert "entry 1: a manifest document is there, none belongs to it" in said(
        [*members, audited.document(1, "manifest", b"{}")]
    )
    with pytest.raises(errors.BundleInvalid, match="is more than the log's 2 entries need"):
        said([*members, audited.document(2, "manifest", b"{}")])


def test_steps_name_every_tile_that_the_specification_has() -> None:
    paths = [tile.path for step in layout.steps(70_000) for tile in step.tiles]
    assert paths[:2] == ["tile/0/000", "tile/0/001"]
    assert paths.count("tile/1/000") == 1
    assert paths[paths.index("tile/0/255") + 1] == "tile/1/000"
    assert paths[-3:] == ["tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1"]
    assert [tile.path for step in layout.steps(256) for tile in step.tiles] == [
        "tile/0/000",
        "tile/1/000.p/1",
    ]
