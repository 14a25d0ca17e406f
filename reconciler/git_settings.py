"""In the `[reconciler]` table: whose commits count, and what our own are signed with."""

from dataclasses import dataclass
from pathlib import Path

from reconciler.core.gittrust import Mode
from registry.core import table


@dataclass(frozen=True, slots=True)
class GitTrust:
    """Whose commits count: `allowed_signers` and `revoked_signers` for SSH, `keyring` for GPG.

    `people` says which keys and addresses are whose; `signing_key` signs what we push ourselves.
    """

    mode: Mode
    allowed_signers: Path | None
    revoked_signers: Path | None
    keyring: Path | None
    people: Path | None
    require_author: bool
    signing_key: Path | None


def take(settings: table.Table, folder: Path) -> GitTrust:
    """What `settings` say of it; raises `InvalidConfig`."""
    mode = settings.take("git_trust", str, "none")
    if mode not in set(Mode):
        raise settings.error("git_trust", f"must be none, head or strict, found {mode!r}")
    given = {
        "allowed_signers": settings.optional("git_allowed_signers"),
        "revoked_signers": settings.optional("git_revoked_signers"),
        "keyring": settings.optional("git_keyring"),
        "people": settings.optional("git_people"),
        "signing_key": settings.optional("git_signing_key"),
    }
    found = GitTrust(
        mode=Mode(mode),
        require_author=settings.take("git_require_author", bool, default=False),
        **{name: None if text is None else folder / text for name, text in given.items()},
    )
    if found.mode is not Mode.NONE and found.allowed_signers is None and found.keyring is None:
        raise settings.error("git_trust", "needs git_allowed_signers or git_keyring: whose?")
    return found
