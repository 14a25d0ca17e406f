"""Git's objects as bytes: read as Git writes them, refused where it would not."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core import gitobject
from registry import errors

RAW = (
    b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n"
    b"parent 1111111111111111111111111111111111111111\n"
    b"author Ada <Ada@Example.com> 1700000000 +0000\n"
    b"committer Bob <bob@example.com> 1700000000 +0000\n"
    b"gpgsig -----BEGIN SSH SIGNATURE-----\n U1NIU0lH\n -----END SSH SIGNATURE-----\n"
    b"\nMessage\n\ngpgsig is a word here\n"
)
ID = gitobject.identity("commit", RAW, like="0" * 40)


def test_a_commit_is_taken_apart_and_its_payload_is_all_but_the_signature() -> None:
    commit = gitobject.commit(ID, RAW)
    assert (commit.author, commit.committer) == ("ada@example.com", "bob@example.com")
    assert commit.parents == ("1" * 40,)
    assert commit.signature.splitlines()[0] == b"-----BEGIN SSH SIGNATURE-----"
    assert commit.signature.splitlines()[1] == b"U1NIU0lH"
    start, end = RAW.index(b"gpgsig -"), RAW.index(b"\n\nMessage") + 1
    assert commit.payload == RAW[:start] + RAW[end:]


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (b"tree 4b", b"tree 4b\ntree 4b", "2 tree lines"),
        (b"author Ada", b"author Eve <e@x> 1 +0\nauthor Ada", "2 author lines"),
        (b"\n\nMessage", b"\ngpgsig x\n\nMessage", "more than one signature"),
        (b"\n\nMessage", b"\ngpgsig-sha256 x\n\nMessage", "more than one signature"),
        (b"Message", b"Mess\0age", "zero byte"),
        (b"committer Bob <bob@example.com> 1700000000 +0000\n", b"", "0 committer lines"),
    ],
)
def test_a_commit_that_says_a_thing_twice_or_not_at_all_is_refused(
    old: bytes, new: bytes, why: str
) -> None:
    with pytest.raises(errors.CommitRefused, match=why):
        gitobject.commit(ID, RAW.replace(old, new, 1))


@given(st.integers(0, len(RAW) - 1), st.integers(1, 255))
def test_other_bytes_have_another_id(place: int, change: int) -> None:
    other = RAW[:place] + bytes([RAW[place] ^ change]) + RAW[place + 1 :]
    with pytest.raises(errors.CommitRefused, match="tampered"):
        gitobject.require("commit", other, ID)


def item(mode: str, name: str) -> bytes:
    return f"{mode} {name}\0".encode() + bytes(20)


def test_a_tree_lists_what_it_lists() -> None:
    found = gitobject.tree("0" * 40, item("100644", "a b.yaml") + item("40000", "folder"))
    assert [(one.mode, one.name) for one in found] == [("100644", "a b.yaml"), ("40000", "folder")]


@pytest.mark.parametrize(
    "names", [["a", "a"], [".."], ["."], ["a/b"], [".git"], [".GIT"], [""]], ids=str
)
def test_a_tree_with_a_name_that_is_none_is_refused(names: list[str]) -> None:
    with pytest.raises(errors.CommitRefused, match="not what Git writes"):
        gitobject.tree("0" * 40, b"".join(item("100644", name) for name in names))


@given(st.binary(max_size=200))
def test_no_bytes_make_the_readers_stumble(data: bytes) -> None:
    for read in (gitobject.commit, gitobject.tree):
        with contextlib.suppress(errors.CommitRefused):
            assert read("0" * 40, data) is not None
