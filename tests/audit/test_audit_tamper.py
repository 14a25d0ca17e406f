"""No byte of a bundle can differ, no file be missing, moved or added, without being said."""

import io
import random
import tarfile
from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry import errors
from registry.core import dsse, note
from registry.core.audit import archive, check
from registry.core.audit.archive import Member
from registry.core.audit.findings import Findings
from registry.core.entries import Kind
from registry.core.note import Checkpoint
from registry.core.trustroot import TrustRoot
from registry.trust import keys, sign
from tests.core import audited
from tests.core.audited import LOG, ORIGIN, TRUST, Story

SMALL = Story().published("digits", 1).then(*audited.busy(2)).approved("digits", 1)
TRUE = audited.packed(SMALL.members(1))
LONG = Story(tuple(audited.busy(300)))
OTHER_KEY = keys.generate_signing_key()


def complaints(
    data: bytes, trust: TrustRoot = TRUST, remembered: Iterable[Checkpoint] = ()
) -> list[str]:
    """All that is said against the bundle; empty where it is believed."""
    found = Findings()
    try:
        for _ in check.walk(archive.members(io.BytesIO(data).read), trust, found, [*remembered]):
            pass
    except errors.IntegrityError as error:
        return [error.detail]
    return [f"{one.where}: {one.what}" for one in found.flaws] + found.notices


def with_member(members: list[Member], name: str, content: bytes) -> bytes:
    return audited.packed(Member(one.name, content) if one.name == name else one for one in members)


def test_the_true_bundle_is_believed() -> None:
    assert complaints(TRUE) == []


def test_ten_thousand_changed_bytes_are_all_noticed() -> None:
    """Every place has its turn, over and over, each time with another change."""
    draw = random.Random(20261128)
    unnoticed = []
    for number in range(10_000):
        place = number * 2_654_435_761 % len(TRUE)
        changed = bytearray(TRUE)
        changed[place] ^= draw.randrange(1, 256)
        if not complaints(bytes(changed)):
            unnoticed.append((place, changed[place]))
    assert unnoticed == []


@given(st.integers(0, len(TRUE) - 1), st.integers(1, len(TRUE)))
def test_a_piece_that_is_cut_out_is_noticed(start: int, length: int) -> None:
    assert complaints(TRUE[:start] + TRUE[start + length :])


@given(st.integers(0, len(TRUE)), st.binary(min_size=1, max_size=600))
def test_a_piece_that_is_put_in_is_noticed(at: int, piece: bytes) -> None:
    assert complaints(TRUE[:at] + piece + TRUE[at:])


@given(st.data())
def test_a_file_that_is_dropped_doubled_or_moved_is_noticed(data: st.DataObject) -> None:
    members = SMALL.members(1)
    index = data.draw(st.integers(0, len(members) - 1))
    # An earlier checkpoint is more than a bundle needs: without it, it is another true bundle.
    if not members[index].name.startswith("checkpoints/"):
        assert complaints(audited.packed(members[:index] + members[index + 1 :]))
    assert complaints(audited.packed([*members[:index], members[index], *members[index:]]))
    other = data.draw(st.integers(0, len(members) - 1).filter(lambda one: one != index))
    members[index], members[other] = members[other], members[index]
    assert complaints(audited.packed(members))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda told: told[:-1], "its root is not that of the entries"),
        (lambda told: (*told, told[0]), "its root is not that of the entries"),
        (lambda told: (told[1], told[0], *told[2:]), "its root is not that of the entries"),
        (lambda told: (*told[:7], *told[8:], told[7]), "its root is not that of the entries"),
    ],
    ids=["removed", "added", "swapped", "moved"],
)
def test_entries_that_differ_with_all_their_tiles_do_not_reach_the_signed_root(
    change: Callable[..., object], said: str
) -> None:
    """Whoever owns the registry can make all files anew, but not the log's signature."""
    told = change(LONG.entries)
    assert isinstance(told, tuple)
    forged = Story(told)
    size = len(told)
    body = LONG.checkpoint().replace("\n300\n", f"\n{size}\n")
    members = forged.members()
    found = complaints(with_member(members, "checkpoint", body.encode()))
    assert found == (
        [f"checkpoint: {said}"]
        if size == 300
        else ["checkpoint is not signed by log 'plimsoll.test/log'"]
    )


def test_a_checkpoint_of_another_size_is_not_that_of_these_entries() -> None:
    found = complaints(with_member(LONG.members(), "checkpoint", LONG.checkpoint(299).encode()))
    assert found == ["tile/entries/001.p/43 is missing: tile/entries/001.p/44 stands in its place"]


def test_a_checkpoint_by_another_key_or_of_another_log_is_refused() -> None:
    forged = sign.sign_checkpoint(ORIGIN, 0, b"\0" * 32, keys.generate_log_key())
    assert (
        "has no signature by log"
        in complaints(with_member(LONG.members(), "checkpoint", forged.encode()))[0]
    )
    foreign = sign.sign_checkpoint("elsewhere/log", 0, b"\0" * 32, LOG)
    assert (
        "has no signature by log"
        in complaints(with_member(LONG.members(), "checkpoint", foreign.encode()))[0]
    )


def test_a_signature_that_nobody_can_check_does_not_hide_in_a_checkpoint() -> None:
    text = LONG.checkpoint() + "— stranger AAAAAAAAAAAAAAAAAAAAAAAA\n"
    assert (
        "who is not in the trust root"
        in complaints(with_member(LONG.members(), "checkpoint", text.encode()))[0]
    )


def test_a_changed_entry_is_told_from_a_changed_hash() -> None:
    members = LONG.members()
    entries = next(one for one in members if one.name == "tile/entries/001.p/44")
    tile = next(one for one in members if one.name == "tile/0/001.p/44")
    changed = with_member(members, entries.name, entries.content.replace(b"edge-1", b"edge-2", 1))
    assert complaints(changed) == [
        "tile/entries/001.p/44: entry 256 is not the one that was signed: it was changed"
    ]
    changed = with_member(members, tile.name, tile.content[:-1] + b"\0")
    assert complaints(changed) == ["tile/0/001.p/44: the hash of entry 299 is not the signed one"]
    higher = next(one for one in members if one.name == "tile/1/000.p/1")
    changed = with_member(members, higher.name, bytes(32))
    assert complaints(changed) == ["tile/1/000.p/1: its hashes are not those of the entries"]


def seen(story: Story) -> Checkpoint:
    return note.verify_checkpoint(story.checkpoint(), TRUST.log)


def test_an_older_bundle_than_what_was_seen_is_a_rollback() -> None:
    newer = LONG.then(*audited.busy(5))
    assert complaints(audited.packed(LONG.members()), remembered=[seen(newer)]) == [
        "checkpoint: the log had 305 entries when it was last seen, here it has 300"
    ]
    assert complaints(audited.packed(newer.members()), remembered=[seen(LONG)]) == []


def test_a_history_that_was_rewritten_is_noticed_by_who_saw_it_before() -> None:
    rewritten = Story((*LONG.entries[:9], LONG.entries[0], *LONG.entries[10:])).then(
        *audited.busy(5)
    )
    said = (
        "checkpoint: the first 300 entries are not those that were signed earlier: history was "
        "rewritten"
    )
    assert complaints(audited.packed(rewritten.members()), remembered=[seen(LONG)]) == [said]
    members = rewritten.members(300)
    held = with_member(members, "checkpoints/300", LONG.checkpoint().encode())
    assert complaints(held) == [said]


@pytest.mark.parametrize("kind", ["log", "registry", "publishers", "approvers"])
def test_a_bundle_is_nothing_under_another_trust_root(kind: str) -> None:
    other = dsse.signer("alice", OTHER_KEY.public_pem)
    trust = {
        "log": replace(TRUST, log=note.LogKey(ORIGIN, keys.generate_log_key().public_raw)),
        "registry": replace(TRUST, registry=replace(other, name="registry")),
        "publishers": replace(TRUST, publishers=(other,)),
        "approvers": replace(TRUST, approvers=()),
    }[kind]
    assert [one for one in complaints(TRUE, trust) if "trust.json" not in one]


def test_a_statement_about_another_version_proves_nothing() -> None:
    entry, there = audited.publication("digits", 1)
    _, other = audited.publication("digits", 2)
    story = Story((entry,), {0: {**there, "registry": other["registry"]}})
    assert "the registry vouches for digits@2" in complaints(audited.packed(story.members()))[0]
    story = Story((entry,), {0: {**there, "config": other["config"]}})
    assert "the config is not the one" in complaints(audited.packed(story.members()))[0]


def test_an_approval_of_another_version_approves_nothing() -> None:
    story = Story().published("digits", 1).published("digits", 2)
    approval = story.approved("digits", 2)
    entry = replace(approval.entries[2], version=1, digest=story.digest(1))
    forged = Story((*story.entries, entry), approval.documents)
    assert "evidence is about something else" in complaints(audited.packed(forged.members()))[0]


def test_what_is_signed_and_yet_no_entry_is_said() -> None:
    class Raw(Story):
        @property
        def leaves(self) -> list[bytes]:
            return [b'{"kind":"nonsense"}']

    story = Raw((audited.event(Kind.TESTED, 1, 1),))
    [said] = complaints(audited.packed(story.members()))
    assert said.startswith("entry 0: it is signed and yet no entry")


def tar_of(*infos: tuple[tarfile.TarInfo, bytes]) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=tarfile.USTAR_FORMAT) as opened:
        for info, content in infos:
            info.size = len(content)
            opened.addfile(info, io.BytesIO(content))
    return sink.getvalue()


def info(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, target
    return made


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (tar_of((info("../../etc/passwd"), b"x")), "leads out of the bundle"),
        (tar_of((info("/etc/passwd"), b"x")), "leads out of the bundle"),
        (tar_of((info("a", tarfile.SYMTYPE, "/etc"), b"")), "is a symbolic link"),
        (tar_of((info("a", tarfile.LNKTYPE, "b"), b"")), "is a hard link"),
        (tar_of((info("a", tarfile.CHRTYPE), b"")), "is a device"),
        (tar_of((info("a", tarfile.FIFOTYPE), b"")), "is a pipe"),
        (tar_of((info("a", tarfile.DIRTYPE), b"")), "is a folder"),
        (tar_of((info("a", tarfile.GNUTYPE_SPARSE), b"")), "is a sparse file"),
        (tar_of((info("a", tarfile.XHDTYPE), b"")), "is an extended header"),
        (archive.header("README.md", 10**10 // 2), "at most 33554432 may be in one file"),
        (TRUE[:700], "the bundle is cut off after README.md"),
        (TRUE[:-512], "the bundle is cut off"),
        (TRUE[:-1024], "the bundle is cut off"),
        (b"", "the bundle is cut off after the beginning"),
        (TRUE + b"\0", "something follows the end"),
        (b"\x1f\x8b" + bytes(600), "compressed with gzip"),
        (b"\x28\xb5" + bytes(600), "compressed with zstd"),
        (bytes(1024), "README.md is missing: the end stands in its place"),
        (tar_of((info("README.md"), b"x")), "is not of a bundle's form"),
    ],
)  # fmt: skip
def test_a_hostile_archive_is_refused_by_name(data: bytes, said: str) -> None:
    [found] = complaints(data)
    assert said in found
