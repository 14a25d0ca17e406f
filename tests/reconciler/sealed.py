"""Secrets for tests: keys made of a word, and files that are encrypted as `plimsoll secrets` does.

`CANARY` is in every value, so that whatever holds it has leaked one.
"""

import hashlib
import secrets
from pathlib import Path

from reconciler.core.kubernetes import text
from reconciler.core.sops import file
from registry.core import documents
from registry.core.age import Identity

CANARY = "canary-5a1f"
PATH = "models.d/secrets/tracing.yaml"


def identity(word: str = "reconciler") -> Identity:
    """Always the same for the same word."""
    return Identity(hashlib.sha256(word.encode()).digest())


def key_file(folder: Path, one: Identity | None = None) -> Path:
    """A file as `age-keygen` writes it."""
    path = folder / "age.key"
    path.write_text(f"# public key: {identity().recipient}\n{(one or identity()).text}\n")
    path.chmod(0o600)
    return path


def plain(
    value: str = "one",
    *,
    name: str = "tracing",
    used_by: str = "[{environment: production, projects: [default]}]",
) -> str:
    """models.d/secrets/NAME.yaml before anybody encrypted it."""
    return f"""\
apiVersion: plimsoll.dev/v1
kind: Secret
metadata: {{name: {name}}}
spec:
  usedBy: {used_by}
  data:
    token: {CANARY}-{value}
    other: {CANARY}-always
"""


def tree(content: str) -> file.Tree:
    """A file as values."""
    found = documents.read(PATH, content.encode())
    assert isinstance(found, documents.Document)
    return found.value


def encrypted(content: str, *to: Identity, before: str = "") -> str:
    """`content` for `to`, or for the usual reconciler; with `before`, as an edit of that file."""
    who = to or (identity(),)
    known = None
    if before:
        known = tree(before), file.opened(tree(before), who, what=PATH)
    closed = file.closed(
        tree(content),
        [one.recipient for one in who],
        now="2026-11-29T12:00:00Z",
        entropy=secrets.token_bytes,
        before=known,
    )
    return text.documents([closed])
