"""What policies may know of a version's verification: only what cryptography has shown."""

from registry.core.canonical import Json
from registry.core.envelope import Verified


def verification(verified: Verified) -> dict[str, Json]:
    """The variable `verification` for a version whose envelope verified."""
    return {
        "publisher": verified.publisher,
        "signers": [verified.publisher],
        "format": verified.format,
        "size": sum(file.size for file in verified.files),
        "logIndex": verified.log_index,
        "logSize": verified.checkpoint.size,
        "approvals": [],
        "evidence": [],
    }
