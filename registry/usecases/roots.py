"""The trust root that others made and signed: read from its file at each use, never gone back on.

What was accepted last is kept as trust.json in the data folder; a file that does not follow it
is refused, and with that every publication, until the right file is there again.
"""

from pathlib import Path

from registry import errors
from registry.core import canonical, trustchain
from registry.core.canonical import Json
from registry.core.trustroot import TrustRoot
from registry.settings import Settings
from registry.store import durable


def accept(file: Path, settings: Settings, own: TrustRoot) -> TrustRoot:
    """The trust root in `file`, which must name this registry as `own` does.

    Raises InvalidConfig, InvalidInput or TrustRootRefused.
    """
    try:
        offered = file.read_bytes()
    except OSError as error:
        raise errors.InvalidConfig(
            f"{file}: the trust root cannot be read: {error.strerror}",
            fix="put the file there, or take the setting `trust` out",
        ) from error
    held = _held(settings)
    found = trustchain.read(offered, held)
    _require_own(found, own, file)
    if offered != held:
        durable.write_private(settings.trust_file, offered)
    return found


def keep(settings: Settings, trust: TrustRoot) -> None:
    """Write the root of an installation without `settings.trust`, for hosts to be given.

    Refused once a signed one was accepted.
    """
    if settings.trust is not None:
        return
    content = canonical.encode(trust.document())
    trustchain.read(content, _held(settings))
    durable.write_private(settings.trust_file, content)


def document(settings: Settings, trust: TrustRoot) -> dict[str, Json]:
    """The trust root for others: with all its signatures where it has some."""
    if trust.root is None:
        return trust.document()
    return canonical.decode_object(_held(settings), what=str(settings.trust_file))


def _held(settings: Settings) -> bytes:
    try:
        return settings.trust_file.read_bytes()
    except FileNotFoundError:
        return b""


def _require_own(found: TrustRoot, own: TrustRoot, file: Path) -> None:
    """Signed by this registry's keys, a version would verify nowhere if the root named others."""
    if found.registry.hint != own.registry.hint or found.log != own.log:
        raise errors.InvalidConfig(
            f"{file} is the trust root of another registry or log than this one",
            fix="make one from this registry's own: plimsoll trust show --server gives its keys",
        )
    known = {signer.hint for signer in found.publishers}
    for custodian in own.publishers:
        if custodian.hint not in known:
            raise errors.InvalidConfig(
                f"{file} does not list the registry's own publisher {custodian.name!r}",
                fix="add its key to the publishers, or switch custodian off and remove its key",
            )
