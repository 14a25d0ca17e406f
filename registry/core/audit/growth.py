"""Whether a log's tree is the signed one, and has grown from every state that was seen before."""

from collections.abc import Sequence

from registry.core import note
from registry.core.audit import layout
from registry.core.audit.findings import Findings, Source
from registry.core.audit.tree import Tree
from registry.errors import BundleInvalid


class Trees:
    """The tree over the entries, and where a tile contradicts them, a second over the tiles:
    whichever of them has the signed root tells which of the two was changed."""

    def __init__(self, found: Findings, seen: Sequence[note.Checkpoint]) -> None:
        self._found = found
        self._tree, self._other = Tree(), Tree()
        self._seen = sorted(seen, key=lambda one: one.size)
        self._conflict: tuple[int, str, str] | None = None
        for one in self._seen:
            if one.size == 0:
                self._require_grown_from(one)

    def extend(self, hashes: Sequence[bytes], source: Source, step: layout.Step) -> None:
        self._grow(hashes, step.start)
        for wanted in step.tiles:
            content = source.take(wanted.path)
            if wanted.level == 0:
                self._compare(hashes, content, step, wanted)
            elif content != self._tree.tile(wanted.level):
                self._found.add(wanted.path, "its hashes are not those of the entries")

    def finish(self) -> None:
        signed = self._found.signed
        for one in self._seen:
            if one.size > signed.size:
                self._found.add(
                    "checkpoint",
                    f"the log had {one.size} entries when it was last seen, here it has "
                    f"{signed.size}",
                )
        is_signed = self._tree.root() == signed.root
        if self._conflict is None and not is_signed:
            self._found.add("checkpoint", "its root is not that of the entries")
        if self._conflict is not None:
            self._blame(is_signed=is_signed)

    def _blame(self, *, is_signed: bool) -> None:
        index, entries_path, tile_path = self._conflict or (0, "", "")
        if is_signed:
            self._found.add(tile_path, f"the hash of entry {index} is not the signed one")
        elif self._other.root() == self._found.signed.root:
            self._found.add(
                entries_path, f"entry {index} is not the one that was signed: it was changed"
            )
        else:
            self._found.add(
                "checkpoint",
                f"its root is neither that of the entries nor that of the hashes; they differ "
                f"first at entry {index} ({entries_path}, {tile_path})",
            )

    def _grow(self, hashes: Sequence[bytes], start: int) -> None:
        done = 0
        for one in self._seen:
            if start < one.size <= start + len(hashes):
                self._tree.extend(hashes[done : one.size - start])
                done = max(done, one.size - start)
                self._require_grown_from(one)
        self._tree.extend(hashes[done:])

    def _require_grown_from(self, one: note.Checkpoint) -> None:
        if self._tree.root() != one.root:
            self._found.add(
                "checkpoint",
                f"the first {one.size} entries are not those that were signed earlier: history "
                "was rewritten",
            )

    def _compare(
        self, hashes: Sequence[bytes], content: bytes, step: layout.Step, wanted: layout.Tile
    ) -> None:
        is_same = content == b"".join(hashes)
        if not is_same and len(content) != len(hashes) * 32:
            raise BundleInvalid(f"{wanted.path} is not {len(hashes)} hashes long")
        shown = [content[at : at + 32] for at in range(0, len(content), 32)]
        if not is_same and self._conflict is None:
            first = next(at for at, one in enumerate(shown) if one != hashes[at])
            self._conflict = (step.start + first, step.path, wanted.path)
        self._other.extend(shown)
