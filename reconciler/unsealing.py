"""Decrypts the secrets of one instance, at the moment in which it is handed them.

The reconciler's age identity is read from its file each time, and what was decrypted is kept
nowhere. Encrypted files are: an instance that served with a former value can be brought back with
it, whatever Git has by then.
"""

import stat
from collections.abc import Mapping
from pathlib import Path

from reconciler.core import environments
from reconciler.core.desired import DesiredState
from reconciler.core.environments import Wanted
from reconciler.core.kinds import Secret
from reconciler.core.observed import InstanceSpec
from reconciler.core.sops import file
from reconciler.state import StateFolder
from registry import errors
from registry.core import age, documents, reading
from registry.core.age import Identity
from registry.core.documents import Document

_MOST_KEPT = 1000


class Secrets:
    """Those that instances ask for; `identity_file` is None where this reconciler has no key."""

    def __init__(self, identity_file: Path | None, folder: StateFolder) -> None:
        self._identity_file = identity_file
        self._folder = folder

    def environment(self, spec: InstanceSpec, state: DesiredState) -> Mapping[str, str]:
        """All variables of `spec`; raises `DecryptionFailed`, `NotFound` or `Forbidden`."""
        found = environments.plain(spec)
        wanted = environments.wanted(spec)
        known = identities(self._identity_file) if wanted else []
        for one in wanted:
            found[one.variable] = self._value(one, spec, state, known)
        return found

    def obstacle(self, spec: InstanceSpec, state: DesiredState) -> str:
        """Why `spec` could not be handed its environment; empty where it could."""
        try:
            self.environment(spec, state)
        except errors.PlimsollError as error:
            return f"{error.detail}: {error.fix}" if error.fix else error.detail
        return ""

    def _value(
        self, one: Wanted, spec: InstanceSpec, state: DesiredState, known: list[Identity]
    ) -> str:
        path = f"{Secret.folder}/{one.secret}.yaml"
        data = self._file(one, path, state)
        secret, document = _read(path, data)
        opened = file.opened(document.value, known, what=path)
        _require_use(secret, path, spec.deployment, state)  # now that it is known to be authentic
        self._keep(one, data)
        return opened.values[one.key]

    def _file(self, one: Wanted, path: str, state: DesiredState) -> bytes:
        """As the commit in force has it, or else as it was when this very value was handed out."""
        data = state.secrets.get(one.secret)
        if data is not None and _holds(path, data, one):
            return data
        kept = self._folder.sealed(_name(one))
        if kept is not None and _holds(path, kept, one):
            return kept
        raise errors.NotFound(
            f"{path}: {one.key} is not there as the instance was asked for with it",
            fix="commit the file with this value again, or deploy what Git asks for now",
        )

    def _keep(self, one: Wanted, data: bytes) -> None:
        if self._folder.sealed(_name(one)) == data:
            return
        self._folder.keep_sealed(_name(one), data)
        files = list((self._folder.path / "sealed").glob("*.yaml"))
        files.sort(key=lambda path: path.stat().st_mtime, reverse=True)
        for path in files[_MOST_KEPT:]:
            path.unlink(missing_ok=True)


def identities(path: Path | None) -> list[Identity]:
    """The age identities in a file as `age-keygen` writes it; raises `InvalidConfig`.

    No message repeats a line of it.
    """
    if path is None:
        raise errors.InvalidConfig(
            "a deployment needs a secret, and this reconciler has no key to open it",
            fix="make one with `plimsoll secrets keys`, and name it as age_identity_file",
        )
    try:
        mode, text = path.stat().st_mode, path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise errors.InvalidConfig(
            f"the file of age identities {path} cannot be read",
            fix="make one with `plimsoll secrets keys`",
        ) from error
    if mode & 0o077:
        raise errors.InvalidConfig(
            f"{path}: mode {stat.S_IMODE(mode):04o} lets others read this private key",
            fix=f"chmod 600 {path} (and make a new key if others may have read it)",
        )
    lines = [line.strip() for line in text.splitlines()]
    found = []
    for number, line in enumerate(lines, start=1):
        if line and not line.startswith("#"):
            try:
                found.append(age.identity(line))
            except errors.InvalidInput as error:
                raise errors.InvalidConfig(f"{path}:{number}: {error.detail}") from None
    if not found:
        raise errors.InvalidConfig(
            f"{path}: holds no age identity", fix="make one with `plimsoll secrets keys`"
        )
    return found


def require_open(path: str, data: bytes, known: list[Identity]) -> None:
    """That a key of `known` opens the file, and its MAC fits; raises `DecryptionFailed`."""
    file.opened(_read(path, data)[1].value, known, what=path)


def read(path: str, data: bytes) -> Document:
    """An encrypted file of secrets; raises `InvalidDesiredState`."""
    return _read(path, data)[1]


def _read(path: str, data: bytes) -> tuple[Secret, Document]:
    document = documents.read(path, data)
    if isinstance(document, documents.Problem):
        raise errors.InvalidDesiredState(f"{path}: is no encrypted file of secrets")
    found = reading.read(document, {"Secret": Secret})
    if isinstance(found, tuple):
        raise found[0].error()
    return found, document


def _holds(path: str, data: bytes, one: Wanted) -> bool:
    sealed = _read(path, data)[0].spec.data.get(one.key)
    return sealed is not None and environments.fingerprint(sealed) == one.sealed


def _name(one: Wanted) -> str:
    return f"{one.secret}-{one.sealed}"


def _require_use(secret: Secret, path: str, deployment: str, state: DesiredState) -> None:
    """Of a deployment whose file is wrong, and that keeps its last state, no project is known."""
    environment, known = deployment.split("/", 1)[0], state.deployments.get(deployment)
    if known is None:
        allowed = any(one.environment == environment for one in secret.spec.used_by)
    else:
        allowed = secret.may_be_used(environment, known.manifest.metadata.project)
    if not allowed:
        raise errors.Forbidden(
            f"{path}: the secret is not for {deployment}",
            fix="name its environment and project in spec.usedBy",
        )
