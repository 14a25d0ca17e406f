"""What is in a backup, read without a database: its blobs, each checked, and whose they are."""

from collections.abc import Collection, Iterator, Sequence

from registry import errors
from registry.core.canonical import Json
from registry.store.archive import Archive, Manifest
from registry.trust.wrapping import KeyProvider
from registry.usecases import copying, sealed_copies
from registry.usecases.copying import Blob, Looked
from registry.usecases.retention import Progress

_SHOWN = 20


def blobs(source: Archive, manifest: Manifest) -> Iterator[Blob]:
    """Every blob in the backup."""
    return (Blob(digest, size) for digest, size in source.blob_list(manifest))


def check_blobs(
    source: Archive,
    manifest: Manifest,
    provider: KeyProvider | None,
    progress: Progress = lambda *_: None,
) -> None:
    """Read every blob of the backup; raises IntegrityError naming those that are damaged.

    Encrypted ones need the `provider` of their keys, or InvalidConfig is raised.
    """
    damaged, seen = [], 0
    found = sealed_copies.PortableKeyring(provider, sealed_copies.keys_in(source, manifest))
    for looked in copying.check(blobs(source, manifest), sealed_copies.opened(source, found)):
        seen += looked.blob.size
        progress("bytes", seen, manifest.blob_bytes)
        if looked.flaw:
            damaged.append(looked)
    require_intact(source, manifest, damaged)


def require_intact(source: Archive, manifest: Manifest, damaged: Sequence[Looked]) -> None:
    """Raise IntegrityError naming the damaged blobs, and the versions that are made of them."""
    if not damaged:
        return
    shown = damaged[:_SHOWN]
    found = owners(source, manifest, {looked.blob.digest for looked in shown})
    said = [
        f"blob {looked.blob.digest} ({', '.join(found.get(looked.blob.digest, ['no version']))}): "
        f"{looked.flaw}"
        for looked in shown
    ]
    more = f"; and {len(damaged) - _SHOWN} more" if len(damaged) > _SHOWN else ""
    raise errors.IntegrityError(
        f"the backup in {source.root} is damaged: {'; '.join(said)}{more}",
        fix="take another copy of it, or an older backup",
    )


def owners(source: Archive, manifest: Manifest, digests: Collection[str]) -> dict[str, list[str]]:
    """Which files of which versions these blobs are."""
    files = [row for row in _rows(source, manifest, "files") if row["digest"] in digests]
    variants = {
        row["id"]: row["version_id"]
        for row in _rows(source, manifest, "variants")
        if row["id"] in {file["variant_id"] for file in files}
    }
    versions = {
        row["id"]: f"{row['model']}@{row['version']}"
        for row in _rows(source, manifest, "versions")
        if row["id"] in set(variants.values())
    }
    found: dict[str, list[str]] = {}
    for file in files:
        version = versions.get(variants.get(file["variant_id"]), "a version")
        found.setdefault(str(file["digest"]), []).append(f"{version} {file['path']}")
    return found


def _rows(source: Archive, manifest: Manifest, table: str) -> Iterator[dict[str, Json]]:
    lines = source.read_lines(manifest, f"tables/{table}.jsonl")
    names: list[str] | None = None
    for line in lines:
        if not isinstance(line, list):
            raise errors.IntegrityError(f"table {table} has a row that is none")
        if names is None:
            names = [str(one[0]) for one in line if isinstance(one, list) and one]
        else:
            yield dict(zip(names, line, strict=True))
