"""Git's objects as bytes, one at a time or thousands by one call; each is compared with its id."""

import tempfile
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import git

from reconciler.core import gitobject

TIME_LIMIT_S = 60
_TOGETHER = 64 << 20


def bytes_of(runner: git.Git, *command: str, stdin: BinaryIO | None = None) -> bytes:
    """What `git COMMAND` writes."""
    output: object = runner.execute(
        ["git", *command],
        istream=stdin,
        stdout_as_string=False,
        strip_newline_in_stdout=False,
        kill_after_timeout=TIME_LIMIT_S,
    )
    if not isinstance(output, bytes):
        raise TypeError(f"git gave {type(output).__name__} where bytes were asked for")
    return output


def contents(runner: git.Git, blobs: Iterable[str], *, limit: int) -> dict[str, bytes]:
    """The contents of `blobs` by id, without those over `limit` bytes, which are not read."""
    found: dict[str, bytes] = {}
    for together in _loads(_sizes(runner, blobs), limit):
        answer = _asked(runner, "--batch", together)
        place = 0
        for blob in together:
            head = answer.index(b"\n", place)
            size = _size(answer[place:head], blob)
            data = answer[head + 1 : head + 1 + size]
            found[blob] = gitobject.require("blob", data, blob)
            place = head + size + 2
    return found


def _sizes(runner: git.Git, blobs: Iterable[str]) -> dict[str, int]:
    ids = sorted(blobs)
    lines = _asked(runner, "--batch-check", ids).splitlines()
    return {blob: _size(line, blob) for blob, line in zip(ids, lines, strict=True)}


def _size(line: bytes, blob: str) -> int:
    """Of `<id> blob <size>`."""
    words = line.decode("ascii", "replace").split()
    if words[:2] != [blob, "blob"] or len(words) != 3 or not words[2].isdigit():
        raise git.GitError(f"object {blob[:12]} is no file here: {' '.join(words[1:])[:80]}")
    return int(words[2])


def _loads(sizes: dict[str, int], limit: int) -> Iterator[list[str]]:
    """As many at a time as do not take much memory."""
    together, taken = list[str](), 0
    for blob, size in sizes.items():
        if size > limit:
            continue
        if together and taken + size > _TOGETHER:
            yield together
            together, taken = [], 0
        together.append(blob)
        taken += size
    if together:
        yield together


def _asked(runner: git.Git, how: str, blobs: Iterable[str]) -> bytes:
    with tempfile.TemporaryFile() as wanted:
        wanted.write("".join(f"{blob}\n" for blob in blobs).encode())
        wanted.seek(0)
        return bytes_of(runner, "cat-file", how, stdin=wanted)
