"""Every way in which Plimsoll says no. Each class carries a stable `code`; users may rely on it.

`status` is for HTTP, `exit_code` for the terminal. A message says what is wrong, `fix` mends it.
"""

from typing import ClassVar

from registry.exits import Exit


class PlimsollError(Exception):
    """Root of the tree: `except PlimsollError` is the one boundary of each program."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    exit_code: ClassVar[Exit] = Exit.FAILED

    def __init__(self, detail: str, *, fix: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.fix = fix


class InvalidInput(PlimsollError):
    """A value does not have the form it must have."""

    code = "invalid_input"
    status = 422


class InvalidName(InvalidInput):
    """A model, alias or file name breaks the name rules."""

    code = "invalid_name"


class InvalidDigest(InvalidInput):
    """An OCI client's digest is of another form than sha256's."""

    code = "invalid_digest"


class MissingContent(InvalidInput):
    """A manifest refers to content that its repository does not have."""

    code = "missing_content"


class InvalidDesiredState(InvalidInput):
    """A file under models.d/ is not what its schema demands; the detail opens file:line:col."""

    code = "invalid_desired_state"


class InvalidConfig(InvalidInput):
    """The configuration file has an unknown or ill-typed setting."""

    code = "invalid_config"


class CannotMark(InvalidInput):
    """The model cannot carry the watermark that was asked for: too small, or changed by it."""

    code = "cannot_mark"


class NotFound(PlimsollError):
    """No such model, version, alias, blob, upload or entry."""

    code = "not_found"
    status = 404


class Gone(PlimsollError):
    """The version was here; its bytes have expired or were erased, its record stays."""

    code = "gone"
    status = 410


class KeyDestroyed(Gone):
    """The key that opened these bytes was destroyed by an erasure: nobody can read them."""

    code = "key_destroyed"


class Conflict(PlimsollError):
    """The same key exists with other content, or another writer was first."""

    code = "conflict"
    status = 409


class Unsupported(PlimsollError):
    """This cannot be done here, or not as long as something else stands."""

    code = "unsupported"
    status = 405


class OutOfOrder(PlimsollError):
    """An upload chunk does not start where the last one ended."""

    code = "upload_out_of_order"
    status = 416


class TooLarge(PlimsollError):
    """A body, file or model is over its limit."""

    code = "too_large"
    status = 413


class StorageFull(PlimsollError):
    """The blob store or the spool has no room left."""

    code = "storage_full"
    status = 507


class Unauthenticated(PlimsollError):
    """No token, or one that the registry does not know."""

    code = "unauthenticated"
    status = 401
    exit_code = Exit.NOT_ALLOWED


class Forbidden(PlimsollError):
    """The token's role may not do this."""

    code = "forbidden"
    status = 403
    exit_code = Exit.NOT_ALLOWED


class EnrolmentUsed(Forbidden):
    """A one-time token was shown a second time: somebody else may have had it first."""

    code = "enrolment_used"


class UnsafeModel(PlimsollError):
    """A model file is broken, of another format, or holds what is not allowed."""

    code = "unsafe_model"
    status = 422
    exit_code = Exit.REFUSED


class PolicyDenied(PlimsollError):
    """A policy or an acceptance test said no."""

    code = "policy_denied"
    status = 403
    exit_code = Exit.REFUSED


class Quarantined(PolicyDenied):
    """Somebody who may do so has said, signed, that this version must not be served."""

    code = "quarantined"


class IntegrityError(PlimsollError):
    """Bytes, signatures or log proofs do not agree: never retried, never worked around."""

    code = "integrity"
    status = 400
    exit_code = Exit.INTEGRITY


class DigestMismatch(IntegrityError):
    """The bytes that came are not the bytes that were named."""

    code = "digest_mismatch"


class SignatureInvalid(IntegrityError):
    """A signature does not verify, or its signer is not in the trust root."""

    code = "signature_invalid"


class DecryptionFailed(IntegrityError):
    """An encrypted file is malformed or was changed, or no key that is here opens it."""

    code = "decryption_failed"


class BundleInvalid(IntegrityError):
    """An audit bundle is not of the form that a bundle has: cut off, rearranged, or foreign."""

    code = "bundle_invalid"


class TrustRootRefused(IntegrityError):
    """A trust root does not follow the one that was accepted before, or is not signed enough."""

    code = "trust_root_refused"


class TrustRootExpired(IntegrityError):
    """The trust root's time is over: nothing new is verified until the next version is there."""

    code = "trust_root_expired"


class LogForked(IntegrityError):
    """Two views of the log cannot both be true."""

    code = "log_forked"


class CopyOfAnother(IntegrityError):
    """A fingerprinted copy is on another host than the one it was made for."""

    code = "copy_of_another"


class PermitRefused(IntegrityError):
    """A permit is for another host, deployment or version, or is not a permit at all."""

    code = "permit_refused"


class PermitMissing(PermitRefused):
    """The trust root lists reconcilers, and none of them has permitted this host to serve this."""

    code = "permit_missing"


class PermitExpired(PermitRefused):
    """A permit to serve what this host has not served before is too old."""

    code = "permit_expired"


class CommitRefused(IntegrityError):
    """A Git commit is not signed as it must be, or does not go on from the last good one."""

    code = "commit_refused"


class Withheld(IntegrityError):
    """The log names evidence about a version that the registry does not show."""

    code = "evidence_withheld"


class Unavailable(PlimsollError):
    """A part this one needs did not answer; trying again later may help."""

    code = "unavailable"
    status = 503


class Busy(Unavailable):
    """All places are taken: nothing is wrong, and the same request will do in a moment."""

    code = "busy"
    status = 429


class RateLimited(Busy):
    """Too many requests, or wrong guesses, in a minute; `after` seconds there is room again."""

    code = "rate_limited"

    def __init__(self, detail: str, *, fix: str = "", after: float = 60.0) -> None:
        super().__init__(detail, fix=fix)
        self.after = after


class WaitTimedOut(PlimsollError):
    """What was waited for did not happen in time."""

    code = "wait_timed_out"
    status = 504
    exit_code = Exit.TIMED_OUT


class EngineUnreachable(Unavailable):
    """A host's engine did not answer in time."""

    code = "engine_unreachable"


class EngineRefused(PlimsollError):
    """A host's engine answered no."""

    code = "engine_refused"
    status = 502


class GitUnavailable(Unavailable):
    """The Git repository could not be fetched from or pushed to."""

    code = "git_unavailable"
