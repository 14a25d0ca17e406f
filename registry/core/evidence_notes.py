"""One line for people of what a statement says: why, by what builder, how which tests ended."""

from registry.core.evidence import REASON_LIMIT, Kind, Statement


def note(said: Statement) -> str:
    """Empty where a statement says nothing but that it was signed."""
    match said.kind:
        case Kind.APPROVAL | Kind.REVOCATION:
            return str(said.detail.get("reason", ""))
        case Kind.PROVENANCE:
            return str(said.detail.get("builder", ""))[:REASON_LIMIT]
        case Kind.TEST_RESULT:
            lists = (said.detail.get(f"{how}Tests") for how in ("failed", "warned", "passed"))
            names = [str(one) for some in lists if isinstance(some, list) for one in some]
            return f"{said.detail.get('result')} {', '.join(names)}".strip()[:REASON_LIMIT]
        case Kind.EXPLANATION:
            return f"{said.detail.get('method')} over {said.detail.get('samples')} samples"
        case Kind.SIGNATURE:
            return ""
