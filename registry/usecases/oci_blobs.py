"""Makes blobs readable in OCI repositories: pushed there, mounted from another, taken out."""

from collections.abc import Collection, Iterable
from datetime import UTC, datetime

from registry import errors
from registry.core import oci
from registry.db import log as log_rows
from registry.db import oci as rows
from registry.db import oci_models
from registry.db.engine import Session
from registry.usecases import oci as reading
from registry.usecases import transfers
from registry.usecases.opening import Registry


def link(registry: Registry, repository: str, digest: str) -> bool:
    """Have a blob that was just claimed read in the repository; False where it is gone again."""
    oci.repository(repository)
    now = datetime.now(UTC)
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        if not rows.sizes(session, [digest]):
            return False
        rows.ensure_repository(session, repository, now=now)
        rows.link(session, repository, [digest], now=now)
        session.commit()
    return True


def is_linked(registry: Registry, repository: str, digest: str) -> bool:
    """Whether the blob was pushed to the repository, or mounted there."""
    with registry.database.reading() as session:
        return bool(rows.linked(session, repository, [digest]))


def mount(registry: Registry, repository: str, digest: str, *, source: str) -> bool:
    """Have a blob that is read in `source` read here too; False where it is not read there."""
    oci.repository(repository)
    oci.digest_of(digest)
    if not oci.is_repository(source):
        return False
    with registry.database.reading() as session:
        is_stored = reading.is_readable(session, source, digest)
        document = None if is_stored else oci_models.document(session, source, digest)
    if document is not None:
        transfers.put(registry, document, digest)
    is_here = document is not None or (is_stored and transfers.hold(registry, digest))
    return is_here and link(registry, repository, digest)


def claim(registry: Registry, repository: str, digests: Collection[str]) -> None:
    """Before a manifest refers to these: pardon what a sweep condemned, where it is still here,
    and store what a model's repository shows but no store has.
    """
    with registry.database.reading() as session:
        linked = rows.linked(session, repository, digests)
        condemned = linked - rows.sizes(session, linked).keys()
        documents = {
            digest: oci_models.document(session, repository, digest)
            for digest in sorted(set(digests) - linked)
            if oci_models.is_model(session, repository)
        }
    for digest in sorted(condemned):
        transfers.hold(registry, digest)
    for digest, document in documents.items():
        if document is not None:
            transfers.put(registry, document, digest)
            link(registry, repository, digest)


def remove(registry: Registry, repository: str, digest: str) -> None:
    """Have the blob read here no more; its bytes go with a later sweep, if nobody needs them.

    Raises NotFound, Unsupported while a manifest refers to it, Forbidden if it is a version's.
    """
    oci.repository(repository)
    oci.digest_of(digest)
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        if rows.is_needed(session, repository, digest):
            raise errors.Unsupported(
                f"a manifest of {repository} refers to {digest}", fix="delete the manifest first"
            )
        if not rows.unlink(session, repository, digest):
            raise _not_there(session, repository, digest)
        session.commit()


def missing(session: Session, repository: str, wanted: Iterable[oci.Descriptor]) -> str:
    """What the first of these that is not read here, or has another size, lacks; else empty."""
    listed = list(wanted)
    digests = {found.digest for found in listed}
    readable = rows.linked(session, repository, digests)
    readable |= oci_models.files(session, repository, digests - readable)
    sizes = rows.sizes(session, readable)
    for found in listed:
        size = sizes.get(found.digest) if found.digest in readable else None
        if size is None:
            return f"{found.digest} is not in {repository}"
        if size != found.size:
            return f"{found.digest} has {size} bytes, not {found.size}"
    return ""


def _not_there(session: Session, repository: str, digest: str) -> errors.PlimsollError:
    is_ours = oci_models.files(session, repository, [digest])
    if is_ours or oci_models.document(session, repository, digest) is not None:
        return errors.Forbidden(
            f"{digest} belongs to a version of {repository}", fix="delete the version instead"
        )
    return errors.NotFound(f"{repository} has no blob {digest}")
