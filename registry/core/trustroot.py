"""The trust root: whose signatures count. Read from trust.json; without it nothing is trusted.

A list that is not there is empty, and an empty list trusts nobody. A key stands under one name
in all lists together: who counts signers by name never counts one key twice.
"""

import base64
from dataclasses import dataclass
from datetime import datetime

from registry.core import canonical, certificates, dsse, fields
from registry.core.canonical import Json
from registry.core.certificates import Authority, Certified, Identity
from registry.core.note import LogKey, WitnessKey
from registry.errors import InvalidInput

_WHAT = "trust root"
_ROLES = ("publishers", "approvers", "testers", "reconcilers", "former", "agents")
_KNOWN = {
    *_ROLES, "registry", "log", "authorities", "witnesses", "witnessThreshold", "witnessMaxAge",
    "version", "expires", "root",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Root:
    """Who may sign the next version of the trust root, and how many of them it takes.

    Their keys sign nothing else.
    """

    threshold: int
    keys: tuple[dsse.Signer, ...]


@dataclass(frozen=True, slots=True)
class TrustRoot:
    """Publishers whose models may be served, the registry that vouches, the log that records.

    `authorities` vouch by certificate for further publishers; `former` are keys that the registry
    had before. `approvers`, `testers` and `reconcilers` may sign approvals, test results and
    permits; `witness_threshold` is how many of `witnesses` a checkpoint must bear, made at most
    `witness_max_age` seconds before it is used where that is not 0. `expires` is RFC 3339 or empty.
    `agents` look after one host each: the name of the key is that of the host.
    """

    publishers: tuple[dsse.Signer, ...]
    registry: dsse.Signer
    log: LogKey
    approvers: tuple[dsse.Signer, ...] = ()
    testers: tuple[dsse.Signer, ...] = ()
    reconcilers: tuple[dsse.Signer, ...] = ()
    witnesses: tuple[WitnessKey, ...] = ()
    witness_threshold: int = 0
    version: int = 0
    expires: str = ""
    authorities: tuple[Authority, ...] = ()
    former: tuple[dsse.Signer, ...] = ()
    root: Root | None = None
    witness_max_age: int = 0
    agents: tuple[dsse.Signer, ...] = ()

    @property
    def publisher_names(self) -> frozenset[str]:
        """Everybody who was, is or will be a publisher."""
        certified = (one.name for authority in self.authorities for one in authority.identities)
        return frozenset([signer.name for signer in self.publishers]) | frozenset(certified)

    def publishers_at(self, index: int) -> tuple[dsse.Signer, ...]:
        """Publishers whose keys count for entry `index` of the log."""
        return dsse.valid_at(self.publishers, index)

    def registry_at(self, index: int) -> tuple[dsse.Signer, ...]:
        """The registry's keys that count for entry `index` of the log."""
        return dsse.valid_at((self.registry, *self.former), index)

    def registry_from(self, index: int) -> tuple[dsse.Signer, ...]:
        """The registry's keys that count for entry `index`, or for a later one."""
        everyone = (self.registry, *self.former)
        return tuple(one for one in everyone if one.until is None or one.until > index)

    def certified(self, index: int, at: str) -> Certified:
        """Whom the authorities vouch for in entry `index` of the log, of time `at`."""
        return Certified(self.authorities, index, instant(at, what="log entry"))

    def witness(self, public_key: bytes) -> WitnessKey | None:
        """The witness of this key, if it is listed."""
        return next((one for one in self.witnesses if one.public_key == public_key), None)

    def document(self) -> dict[str, Json]:
        """JSON form, as in trust.json; of what is optional, what is empty is left out."""
        optional: dict[str, Json] = {
            "approvers": [_signer_document(signer) for signer in self.approvers],
            "testers": [_signer_document(signer) for signer in self.testers],
            "reconcilers": [_signer_document(signer) for signer in self.reconcilers],
            "agents": [_signer_document(signer) for signer in self.agents],
            "former": [_signer_document(signer) for signer in self.former],
            "authorities": [_authority_document(one) for one in self.authorities],
            "witnesses": [
                {"name": witness.name, "publicKey": _base64(witness.public_key)}
                for witness in self.witnesses
            ],
            "witnessThreshold": self.witness_threshold,
            "witnessMaxAge": self.witness_max_age,
            "version": self.version,
            "expires": self.expires,
            "root": None if self.root is None else _root_document(self.root),
        }
        return {
            "publishers": [_signer_document(signer) for signer in self.publishers],
            "registry": _signer_document(self.registry),
            "log": {"origin": self.log.origin, "publicKey": _base64(self.log.public_key)},
            **{name: value for name, value in optional.items() if value},
        }


def parse(data: bytes | str) -> TrustRoot:
    """Read trust.json; raises `InvalidInput`."""
    document = canonical.decode_object(data, what=_WHAT)
    unknown = document.keys() - _KNOWN
    if unknown:
        raise InvalidInput(f"{_WHAT} has the unknown field {min(unknown)!r}")
    fields.sequence(document, "publishers", what=_WHAT)
    publishers, approvers, testers, reconcilers, former, agents = (
        _signers(document, role) for role in _ROLES
    )
    log = fields.mapping(document, "log", what=_WHAT)
    return _sound(
        TrustRoot(
            publishers,
            _signer(fields.mapping(document, "registry", what=_WHAT)),
            LogKey(fields.text(log, "origin", what=_WHAT), _ed25519(log, "the log")),
            approvers,
            testers,
            reconcilers,
            witness_keys(document),
            _count(document, "witnessThreshold"),
            _count(document, "version"),
            fields.text(document, "expires", what=_WHAT) if "expires" in document else "",
            _authorities(document),
            former,
            _root(document),
            witness_max_age=_count(document, "witnessMaxAge"),
            agents=agents,
        )
    )


def _sound(found: TrustRoot) -> TrustRoot:
    """`found`, unless it contradicts itself; raises `InvalidInput`."""
    _require_one_name_a_key(found)
    if found.witness_threshold > len(found.witnesses):
        raise InvalidInput(
            f"{_WHAT} asks for {found.witness_threshold} witnesses and names "
            f"{len(found.witnesses)}: no checkpoint could ever do"
        )
    if found.expires:
        instant(found.expires, what=f"{_WHAT}: 'expires'")
    return found


def _require_one_name_a_key(found: TrustRoot) -> None:
    names: dict[str, str] = {}
    roles = (found.publishers, found.approvers, found.testers, found.reconcilers, found.agents)
    for role in (*roles, (found.registry, *found.former)):
        if len({signer.hint for signer in role}) != len(role):
            raise InvalidInput(f"{_WHAT} lists one key twice in one list")
        for signer in role:
            other = names.setdefault(signer.hint, signer.name)
            if other != signer.name:
                raise InvalidInput(f"{_WHAT}: {other!r} and {signer.name!r} are the same key")
    for key in found.root.keys if found.root else ():
        if key.hint in names:
            raise InvalidInput(
                f"{_WHAT}: root key {key.name!r} is also the key of {names[key.hint]!r}",
                fix="root keys sign trust roots and nothing else: make one of its own",
            )


def instant(text: str, *, what: str) -> datetime:
    """The time that `text`, RFC 3339 with its offset from UTC, stands for."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(f"{what}: {text[:40]!r} is not a time") from error
    if at.tzinfo is None:
        raise InvalidInput(f"{what}: {text[:40]!r} does not say its time zone", fix="end it with Z")
    return at


def _signers(document: dict[str, Json], role: str) -> tuple[dsse.Signer, ...]:
    if role not in document:
        return ()
    return tuple(_signer(item) for item in fields.objects(document, role, what=_WHAT))


def _signer(item: dict[str, Json]) -> dsse.Signer:
    name = fields.text(item, "name", what=_WHAT)
    found = dsse.signer(name, fields.text(item, "publicKey", what=_WHAT))
    return dsse.Signer(name, found.key, *_window(item))


def _signer_document(signer: dsse.Signer) -> dict[str, Json]:
    document: dict[str, Json] = {"name": signer.name, "publicKey": dsse.pem(signer.key).decode()}
    return document | _window_document(signer.since, signer.until)


def _root(document: dict[str, Json]) -> Root | None:
    if "root" not in document:
        return None
    root = fields.mapping(document, "root", what=_WHAT)
    threshold = fields.integer(root, "threshold", what=_WHAT)
    keys = _signers(root, "keys")
    if len({key.name for key in keys}) != len(keys) or len({key.hint for key in keys}) != len(keys):
        raise InvalidInput(f"{_WHAT} has one root key, or one holder of root keys, twice")
    if not 0 < threshold <= len(keys):
        raise InvalidInput(f"{_WHAT} asks for {threshold} of {len(keys)} root keys")
    return Root(threshold, keys)


def _root_document(root: Root) -> dict[str, Json]:
    return {"threshold": root.threshold, "keys": [_signer_document(key) for key in root.keys]}


def _authorities(document: dict[str, Json]) -> tuple[Authority, ...]:
    if "authorities" not in document:
        return ()
    return tuple(
        certificates.authority(
            fields.text(item, "name", what=_WHAT),
            fields.text(item, "certificate", what=_WHAT),
            tuple(_identity(one) for one in fields.objects(item, "identities", what=_WHAT)),
        )
        for item in fields.objects(document, "authorities", what=_WHAT)
    )


def _identity(item: dict[str, Json]) -> Identity:
    kinds = sorted(item.keys() & {"email", "uri"})
    if len(kinds) != 1:
        raise InvalidInput(f"{_WHAT}: an identity is either an 'email' or a 'uri', with a 'name'")
    return Identity(
        kinds[0],
        fields.text(item, kinds[0], what=_WHAT),
        fields.text(item, "name", what=_WHAT),
        *_window(item),
    )


def _authority_document(one: Authority) -> dict[str, Json]:
    return {
        "name": one.name,
        "certificate": one.pem,
        "identities": [_identity_document(identity) for identity in one.identities],
    }


def _identity_document(identity: Identity) -> dict[str, Json]:
    document: dict[str, Json] = {identity.kind: identity.value, "name": identity.name}
    return document | _window_document(identity.since, identity.until)


def _window(item: dict[str, Json]) -> tuple[int, int | None]:
    return _count(item, "since"), _count(item, "until") if "until" in item else None


def _window_document(since: int, until: int | None) -> dict[str, Json]:
    window: dict[str, Json] = {"since": since} if since else {}
    return window if until is None else window | {"until": until}


def witness_keys(document: dict[str, Json]) -> tuple[WitnessKey, ...]:
    """The list `witnesses` of a trust root, or of a registry's own list; raises `InvalidInput`."""
    if "witnesses" not in document:
        return ()
    found = [
        WitnessKey(fields.text(item, "name", what=_WHAT), _ed25519(item, "a witness"))
        for item in fields.objects(document, "witnesses", what=_WHAT)
    ]
    if len({key.public_key for key in found}) != len(found):
        raise InvalidInput(f"{_WHAT} names one witness's key twice")
    return tuple(found)


def _ed25519(item: dict[str, Json], whose: str) -> bytes:
    public_key = fields.base64_bytes(item, "publicKey", what=_WHAT)
    if len(public_key) != 32:
        raise InvalidInput(f"{_WHAT}: {whose}'s public key is not 32 bytes of Ed25519")
    return public_key


def _count(item: dict[str, Json], name: str) -> int:
    value = fields.integer(item, name, what=_WHAT) if name in item else 0
    if value < 0:
        raise InvalidInput(f"{_WHAT}: {name!r} is less than nothing")
    return value


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
