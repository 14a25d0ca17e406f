"""What policies may know of a version's verification: only what cryptography has shown."""

from registry.core import evidence
from registry.core.canonical import Json
from registry.core.envelope import Verified
from registry.core.evidence import Kind
from registry.core.watermark.records import Derivation


def verification(verified: Verified) -> dict[str, Json]:
    """The variable `verification` for a version whose envelope verified.

    What has not been shown (the scan of a version of older releases, say) is empty or not there,
    so that a rule that needs it denies.
    """
    return watermark(verified.derivation) | {
        "publisher": verified.publisher,
        "signers": [*dict.fromkeys((verified.publisher, *verified.signers))],
        "format": verified.format,
        "licence": verified.licence,
        "size": verified.size,
        "scan": verified.scan,
        "logIndex": verified.log_index,
        "logSize": verified.checkpoint.size,
        "approvals": [
            {"by": one.signer, "at": one.at}
            for one in verified.evidence
            if one.kind is Kind.APPROVAL
        ],
        "evidence": [_document(one) for one in verified.evidence],
    }


def watermark(derivation: Derivation | None) -> dict[str, Json]:
    """The field `watermark`, which is not there without a mark: to ask for it denies then."""
    if derivation is None:
        return {}
    return {
        "watermark": {
            "scheme": derivation.scheme,
            "weights": derivation.weights,
            "z": derivation.predicted_z,
        }
    }


def _document(one: evidence.Verified) -> Json:
    return {
        "kind": one.kind.value,
        "signer": one.signer,
        "at": one.at,
        "passed": one.passed,
        "detail": one.detail,
    }
