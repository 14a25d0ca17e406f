"""From a pin to verified files on this disk: the cached copy if it still verifies, else a pull.

The order is the promise: the envelope is verified before any file is asked for, every file is
compared before the version enters the cache, and nobody opens a file that is not in the cache.
"""

from dataclasses import dataclass
from pathlib import Path

from registry import errors
from registry.core import envelope, trustroot
from registry.core.envelope import Refused, Verified, Wanted
from registry.core.trustroot import TrustRoot
from runtime.cache import Cache, Copy
from runtime.pull import Registry

_SPARE_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class NotNow:
    """Nothing was proved wrong, but the version cannot be had now; trying again may help.

    `discarded` is why a cached copy was thrown away in this attempt, empty if none was.
    """

    reason: str
    discarded: str


def obtain(
    wanted: Wanted, *, trust_file: Path, cache: Cache, registry: Registry
) -> Copy | Refused | NotNow:
    """Verified files of `wanted`, or why there are none."""
    discarded = ""
    try:
        trust = _trust(trust_file)
        with cache.pulling(wanted.digest):
            match cache.check(wanted, trust):
                case Copy() as copy:
                    return copy
                case Refused(_, reason):
                    discarded = reason
                    cache.discard(wanted.digest)
                case None:
                    pass
            return _pulled(wanted, trust, cache=cache, registry=registry)
    except (errors.IntegrityError, errors.InvalidInput, errors.NotFound) as error:
        return Refused(error.code, error.detail)
    except errors.PlimsollError as error:
        return NotNow(error.detail, discarded)
    except OSError as error:
        return NotNow(f"the cache cannot be used: {error}", discarded)


def _pulled(
    wanted: Wanted, trust: TrustRoot, *, cache: Cache, registry: Registry
) -> Copy | Refused:
    document = registry.envelope(wanted)
    found = envelope.verify(document, trust, wanted)
    if isinstance(found, Refused):
        return found
    _require_room(found, cache)
    folder = cache.incoming(wanted.digest, found.files)
    for file in found.files:
        target = folder / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        registry.download(file, target)
    return cache.admit(found, document)


def _require_room(found: Verified, cache: Cache) -> None:
    needed = sum(file.size for file in found.files) + _SPARE_BYTES
    free = cache.free_bytes()
    if free < needed:
        raise errors.StorageFull(
            f"the cache has {free} bytes free, the version needs {needed}",
            fix="free disk space on the host",
        )


def _trust(path: Path) -> TrustRoot:
    """The trust root, read at each use; where it cannot be, nothing is proved: `Unavailable`."""
    try:
        return trustroot.parse(path.read_bytes())
    except OSError as error:
        raise errors.Unavailable(f"{path}: cannot be read: {error.strerror}") from error
