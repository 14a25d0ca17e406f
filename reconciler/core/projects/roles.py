"""Who may approve, promote and roll back for a project, by their names. Pure.

A project that says nothing of roles leaves that to whoever may run the command. One that does and
leaves a role out gives it to nobody. Who asked is known by the account, as the system names it.
"""

from reconciler.core.kinds.project import Roles
from reconciler.core.strategies.progress import Verb, Wish


def why_not(roles: Roles | None, wish: Wish, *, asked: int) -> str:
    """Why whoever left `wish` may not, where Git asks for version `asked`; empty where they may."""
    if roles is None:
        return ""
    may = _holders(roles, wish, asked)
    if wish.by in may:
        return ""
    names = ", ".join(sorted(may)) or "nobody"
    return f"{wish.by or 'nobody known'} may not {wish.verb} it; who may: {names}"


def _holders(roles: Roles, wish: Wish, asked: int) -> set[str]:
    match wish.verb:
        case Verb.ROLLBACK | Verb.ABORT:
            return {*roles.roll_back}
        case Verb.PROMOTE | Verb.PROMOTE_FULL | Verb.RESUME | Verb.RETRY:
            return {*roles.promote}
        case Verb.COMMIT | Verb.PROPOSE:
            return {*roles.promote}
        case Verb.PIN if (wish.version or 0) >= asked:
            return {*roles.promote}
        case Verb.PIN | Verb.UNPIN | Verb.PAUSE:
            # Standing still and going back are for both.
            return {*roles.promote, *roles.roll_back}
