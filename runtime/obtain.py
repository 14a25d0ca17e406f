"""From a pin to verified files on this disk: the cached copy if it still verifies, else a pull.

The order is the promise: envelope and permit are verified, and the log is the one that this host
knows, before any file is asked for; every file is compared before the version enters the cache,
and nobody opens a file that is not in it.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from registry import errors
from registry.core import envelope, trustchain
from registry.core.age import Identity
from registry.core.checks import Check, CheckFailed, checking
from registry.core.envelope import Refused, Verified
from registry.core.oms import File
from registry.core.permit import Claim
from registry.core.trustroot import TrustRoot
from runtime.cache import Cache, Copy, look
from runtime.config import Config, Pin
from runtime.progress import Progress
from runtime.pull import Registry
from runtime.witness import Witness

_SPARE_BYTES = 16 * 1024 * 1024
_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class NotNow:
    """Nothing was proved wrong, but the version cannot be had now; trying again may help.

    `discarded` is why a cached copy was thrown away in this attempt, None if none was.
    """

    reason: str
    discarded: Refused | None


def registry_of(config: Config, identity: Identity) -> Registry:
    """Where versions come from, with whatever this host shows of itself there."""
    found = None
    if config.enrolment_token_file is not None:
        from runtime import membership  # noqa: PLC0415  its X.509 takes a while to import

        found = membership.Membership(
            config.registry,
            config.host,
            config.cache / "host",
            config.enrolment_token_file,
            identity.recipient,
            config.registry_ca_file,
        )
        membership.keep(found)
    return Registry(
        config.registry,
        config.token_file,
        identity,
        found,
        config.registry_ca_file,
        config.limits.pull_connections,
    )


def obtain(
    pin: Pin, *, host: str, trust_file: Path, cache: Cache, witness: Witness, progress: Progress
) -> Copy | Refused | NotNow:
    """Verified files of `pin`, which `host` is permitted to load; or why there are none."""
    discarded: Refused | None = None
    try:
        with checking(Check.TRUST_ROOT):
            trust = trust_of(trust_file, cache)
        with cache.pulling(pin.digest):
            match cache.check(pin.wanted, trust):
                case Copy() as copy if _is_own(copy.verified, host):
                    return _permitted_copy(copy, pin, _Asking(host, trust, cache))
                case Copy() as copy:
                    # Told, not healed in silence: somebody has carried it here.
                    copy.lease.close()
                    cache.discard(pin.digest)
                    return _of_another(copy.verified, host)
                case Refused() as discarded:
                    cache.discard(pin.digest)
                case None:
                    pass
            return _pulled(pin, _Asking(host, trust, cache), witness, progress)
    except CheckFailed as failed:
        return Refused(failed.cause.code, failed.cause.detail, failed.check)
    except errors.PlimsollError as error:
        return NotNow(error.detail, discarded)
    except OSError as error:
        return NotNow(f"the cache cannot be used: {error}", discarded)


def of_image(pin: Pin, image: Path, *, trust_file: Path, cache: Cache) -> Copy | Refused | NotNow:
    """Verified files of `pin` out of the image that this process runs in; nobody is asked.

    No permit is wanted: whoever starts the image has decided, and no reconciler knows of it.
    """
    try:
        with checking(Check.TRUST_ROOT):
            trust = trust_of(trust_file, cache)
        found = look(image, pin.wanted, trust, what="packaged")
        if isinstance(found, Refused):
            return found
        return Copy(found, image / "files", (image / "envelope.json").open("rb"))
    except CheckFailed as failed:
        return Refused(failed.cause.code, failed.cause.detail, failed.check)
    except OSError as error:
        return NotNow(f"the image cannot be read: {error}", None)


@dataclass(frozen=True, slots=True)
class _Asking:
    """For which host, by whose word, with what kept here."""

    host: str
    trust: TrustRoot
    cache: Cache

    def require_permit(self, pin: Pin, verified: Verified) -> None:
        with checking(Check.PERMIT):
            self.cache.permits.admit(
                Claim(self.host, pin.deployment, pin.wanted),
                pin.permit,
                trust=self.trust,
                log_size=verified.checkpoint.size,
                clock=datetime.now(UTC),
            )


def _permitted_copy(copy: Copy, pin: Pin, asking: _Asking) -> Copy:
    try:
        asking.require_permit(pin, copy.verified)
    except BaseException:
        copy.lease.close()
        raise
    return copy


def _pulled(pin: Pin, asking: _Asking, witness: Witness, progress: Progress) -> Copy | Refused:
    with checking(Check.TRUST_ROOT):
        # A copy that is here already may go on; what is not, an expired root does not let in.
        trustchain.require_current(asking.trust, datetime.now(UTC))
    registry = witness.registry
    with checking(Check.ENVELOPE):
        document = registry.envelope(pin.wanted)
    found = envelope.verify(document, asking.trust, pin.wanted, now=time.time())
    if isinstance(found, Refused):
        return found
    if not _is_own(found, asking.host):
        return _of_another(found, asking.host)
    with checking(Check.WITNESS):
        witness.observe(found.checkpoint, asking.trust.log)
    asking.require_permit(pin, found)
    folder = asking.cache.incoming(pin.digest, found.files)
    _require_room(found, asking.cache)
    total = sum(file.size for file in found.files)
    progress.begin([folder / file.path for file in found.files], total)
    with checking(Check.FILES):
        _bring(found, folder, registry, asking.cache)
    return asking.cache.admit(found, document)


def _bring(found: Verified, folder: Path, registry: Registry, cache: Cache) -> None:
    """Every file into `folder`, several at once; the first that cannot be had is raised."""

    def bring(file: File) -> None:
        target = folder / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        if not cache.take(file, target):
            registry.download(file, target, cache.pieces(found.wanted.digest, file))

    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="pull") as pool:
        try:
            # A copy for each: one context is entered by one thread at a time.
            for done in [pool.submit(copy_context().run, bring, file) for file in found.files]:
                done.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _is_own(found: Verified, host: str) -> bool:
    return found.recipient in {"", host}


def _of_another(found: Verified, host: str) -> Refused:
    wanted = found.wanted
    return Refused(
        errors.CopyOfAnother.code,
        f"this copy of {wanted.model}@{wanted.version} was made for host {found.recipient!r}, "
        f"and this is host {host!r}",
        Check.COPY,
    )


def _require_room(found: Verified, cache: Cache) -> None:
    needed = cache.missing(found.wanted.digest, found.files) + _SPARE_BYTES
    if cache.free_bytes() < needed:
        cache.make_room(is_short=True)
    free = cache.free_bytes()
    if free < needed:
        raise errors.StorageFull(
            f"the cache has {free} bytes free, the version needs {needed}",
            fix="free disk space on the host, or let the runtime keep fewer: limits.keepVersions",
        )


def trust_of(path: Path, cache: Cache) -> TrustRoot:
    """The trust root, read at each use; where it cannot be, nothing is proved: `Unavailable`."""
    try:
        offered = path.read_bytes()
    except OSError as error:
        raise errors.Unavailable(f"{path}: cannot be read: {error.strerror}") from error
    return cache.accept_trust(offered)
