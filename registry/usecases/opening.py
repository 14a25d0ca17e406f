"""Opens a registry, and makes on the first start all it needs: folders, schema, keys, a token.

Every step finds what an earlier, perhaps interrupted, start has left, so starting again after
a crash is the same path.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from registry import errors
from registry.core import canonical, dsse, fields, merkle, note
from registry.core.canonical import Json
from registry.core.trustroot import TrustRoot
from registry.db import engine, log, migrate
from registry.db import keys as key_rows
from registry.db.evidence import Shown
from registry.formats import inspection, trials
from registry.formats.inspection import Inspection, Inspector
from registry.formats.trials import Trials
from registry.settings import Settings
from registry.store import addresses
from registry.store.blobs import BlobStore
from registry.store.encrypted import EncryptedStore
from registry.store.uploads import Uploads
from registry.trust import hostca, keys, sealing, sign
from registry.trust.hostca import Authority
from registry.trust.keys import LogKey, SigningKey
from registry.trust.sealing import Vault
from registry.usecases import boxes, destroyed, key_providers, roots, witness_list
from registry.usecases.claims import Claims
from registry.usecases.granting import AccessFile
from registry.usecases.keyring import DatabaseKeyring
from registry.usecases.recent import Recent, Remembered
from registry.usecases.together import Together
from registry.usecases.witness_list import Witnesses
from registry.usecases.workshop import Workshop

if TYPE_CHECKING:
    from registry.trust.provider import Provider

# A file in the data folder that says: a restore has begun here and has not ended.
RESTORING = "restoring"
_NAME = "registry"
_CUSTODIAN = "custodian"
# Kept in memory: looked at a thousand times for each time they change.
_CALLERS = 10_000
_VERSIONS = 500
_INSPECTIONS = 1000
_PULLS = 10_000


@dataclass(frozen=True, slots=True)
class Recorded:
    """Where an event stands in the log, and whether it is this call that put it there."""

    index: int
    is_new: bool


Recordings: TypeAlias = Sequence[Recorded]
Frontier: TypeAlias = Mapping[tuple[int, int], bytes]


@dataclass(frozen=True, slots=True)
class Registry:
    """An open registry: everything that a use case works on."""

    settings: Settings
    database: engine.Database
    blobs: BlobStore
    uploads: Uploads
    claims: Claims
    signing_key: SigningKey
    log_key: LogKey
    hosts_authority: Authority
    providers: "Mapping[str, Provider]"
    access_file: AccessFile
    vault: Vault
    inspector: Inspector
    trials: Trials
    callers: Recent[str, Remembered]
    versions: Recent[tuple[int, datetime], Shown]
    inspections: Recent[tuple[str, tuple[tuple[str, str], ...]], Inspection]
    # Signs what comes in without a publisher's signature, where the settings say so.
    custodian_key: SigningKey | None
    # When a host last pulled a variant file by file.
    pulls: Recent[tuple[str, str], datetime]
    # The keys of stored blobs; None where they are stored clear.
    keyring: DatabaseKeyring | None
    # Groups of events from outside, on their way into the log.
    told: Together[Any, Recordings] = field(default_factory=Together)
    # What an append needs of the log, by the checkpoint it is appended to.
    frontiers: Recent[str, Frontier] = field(default_factory=lambda: Recent(8))
    # Hosts' own copies, as this process makes them.
    workshop: Workshop = field(default_factory=Workshop)

    @property
    def log_name(self) -> note.LogKey:
        """How checkpoints of this log are recognised."""
        return note.LogKey(self.settings.origin, self.log_key.public_raw)

    @property
    def encrypted(self) -> EncryptedStore | None:
        """The blob store, where it encrypts; perhaps behind one that tells of its calls."""
        return None if self.keyring is None else cast("EncryptedStore", self.blobs)

    def trust_root(self) -> TrustRoot:
        """Whom to trust: as `settings.trust` says, or else as the lists beside it do now."""
        own = self._own_root()
        if self.settings.trust is not None:
            return roots.accept(self.settings.trust, self.settings, own)
        publishers = _listed(self.settings.publishers_file, "publishers")
        publishers += own.publishers
        witnesses = witness_list.read(self.settings.witnesses_file)
        return TrustRoot(
            publishers,
            own.registry,
            own.log,
            approvers=_listed(self.settings.approvers_file, "approvers"),
            testers=_listed(self.settings.testers_file, "testers"),
            reconcilers=_listed(self.settings.reconcilers_file, "reconcilers"),
            agents=_listed(self.settings.agents_file, "agents"),
            witnesses=witnesses.keys,
            witness_threshold=witnesses.threshold,
            witness_max_age=witnesses.max_age,
        )

    def trust_document(self) -> dict[str, Json]:
        """The trust root as others are given it."""
        return roots.document(self.settings, self.trust_root())

    def _own_root(self) -> TrustRoot:
        """What only this registry knows: its own keys."""
        custodian = self.custodian_key
        publishers = () if custodian is None else (dsse.signer(_CUSTODIAN, custodian.public_pem),)
        return TrustRoot(publishers, dsse.signer(_NAME, self.signing_key.public_pem), self.log_name)

    def witnesses(self) -> Witnesses:
        """Whose cosignatures count now."""
        if self.settings.trust is None:
            return witness_list.read(self.settings.witnesses_file)
        trust = self.trust_root()
        return Witnesses(trust.witnesses, trust.witness_threshold, trust.witness_max_age)

    def close(self) -> None:
        self.workshop.close()
        self.inspector.close()
        self.trials.close()
        self.database.close()


def open_registry(settings: Settings) -> Registry:
    """Raises InvalidConfig, or Unavailable where the database does not answer."""
    _require_no_restore(settings)
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    settings.data_dir.chmod(0o700)
    database, keyring = _database(settings)
    blobs, uploads = addresses.open_store(
        settings.blobs,
        max_bytes=settings.limits.max_file_bytes,
        seconds=settings.limits.storage_seconds,
        keyring=keyring,
    )
    registry = Registry(
        settings=settings,
        database=database,
        blobs=blobs,
        uploads=uploads,
        claims=Claims(database),
        signing_key=keys.load_or_create_signing_key(settings.data_dir / "keys" / "registry.pem"),
        log_key=keys.load_or_create_log_key(settings.data_dir / "keys" / "log.pem"),
        providers=_providers(settings),
        access_file=AccessFile(settings.access.file),
        hosts_authority=hostca.load_or_create(
            settings.data_dir / "keys" / "host-ca.pem", settings.access.trust_domain
        ),
        vault=sealing.load_or_create(settings.data_dir / "keys" / "secrets.key"),
        inspector=Inspector(boxes.box(settings, inspection.JOB)),
        trials=Trials(boxes.box(settings, trials.JOB)),
        callers=Recent(_CALLERS),
        versions=Recent(_VERSIONS),
        inspections=Recent(_INSPECTIONS),
        custodian_key=_custodian_key(settings),
        pulls=Recent(_PULLS),
        keyring=keyring,
    )
    _begin_log(registry)
    destroyed.save(settings, database)
    roots.keep(settings, registry.trust_root())
    return registry


def _database(settings: Settings) -> tuple[engine.Database, DatabaseKeyring | None]:
    found = engine.connect(settings.database)
    migrate.to_head(found)
    return found, _keyring(settings, found)


def _require_no_restore(settings: Settings) -> None:
    if (settings.data_dir / RESTORING).exists():
        raise errors.InvalidConfig(
            f"a restore into {settings.data_dir} was begun and has not ended",
            fix="run the same `plimsoll admin restore` again, to its end",
        )


def _providers(settings: Settings) -> "dict[str, Provider]":
    """Of identities, by their addresses."""
    if not settings.access.issuers:
        return {}
    from registry.trust.provider import Provider  # noqa: PLC0415  heavy, and not always wanted

    return {one.url: Provider(one) for one in settings.access.issuers}


def _begin_log(registry: Registry) -> None:
    origin = registry.settings.origin
    # Where another process is first, its head is found below.
    with suppress(errors.Conflict), registry.database.writing() as session:
        if log.head(session) is None:
            checkpoint = sign.sign_checkpoint(origin, 0, merkle.EMPTY_ROOT, registry.log_key)
            log.create_head(session, origin=origin, checkpoint=checkpoint)
            session.commit()
    with registry.database.reading() as session:
        head = log.head(session)
    if head is None:
        raise errors.Unavailable("the log could not be begun", fix="start the registry again")
    _require_own_log(registry, head.checkpoint, head.origin)


def _require_own_log(registry: Registry, checkpoint: str, origin: str) -> None:
    """A log goes on under its own name and key, or not at all."""
    if origin != registry.settings.origin:
        raise errors.InvalidConfig(
            f"the log in this database is called {origin!r}, "
            f"the settings call it {registry.settings.origin!r}",
            fix=f"set origin to {origin!r}",
        )
    try:
        note.verify_checkpoint(checkpoint, registry.log_name)
    except errors.SignatureInvalid as error:
        raise errors.InvalidConfig(
            "the log in this database was signed by another key than keys/log.pem",
            fix="put the log's own key back; a log cannot go on under a new key",
        ) from error


def _keyring(settings: Settings, database: engine.Database) -> DatabaseKeyring | None:
    """Raises InvalidConfig where blobs are encrypted, and not as the settings say."""
    with database.reading() as session:
        count = key_rows.count(session)
    provider = (key_providers.existing if count else key_providers.open_provider)(settings)
    if provider is not None:
        return DatabaseKeyring(database, provider)
    if count:
        raise errors.InvalidConfig(
            f"{count} stored blobs are encrypted, and the settings say encryption is off",
            fix="set encryption as it was: it can be switched on, but not off again",
        )
    return None


def _custodian_key(settings: Settings) -> SigningKey | None:
    """Made when the setting is first on; trusted for as long as it is there, on or off."""
    file = settings.data_dir / "keys" / "custodian.pem"
    if not settings.custodian and not file.exists():
        return None
    if any(one.name == _CUSTODIAN for one in _listed(settings.publishers_file, "publishers")):
        raise errors.InvalidConfig(
            f"{settings.publishers_file} lists a publisher called {_CUSTODIAN!r}, which is the "
            "registry's own name where it signs what nobody else signed",
            fix="give that publisher another name",
        )
    return keys.load_or_create_signing_key(file)


def _listed(file: Path, role: str) -> tuple[dsse.Signer, ...]:
    """The keys that `file` lists under `role`; nobody where there is no file."""
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return ()
    return _read(content, role, str(file))


@lru_cache(maxsize=64)
def _read(content: bytes, role: str, what: str) -> tuple[dsse.Signer, ...]:
    """Every publication asks, and the lists hardly ever change."""
    document = canonical.decode_object(content, what=what)
    return tuple(
        dsse.signer(fields.text(item, "name", what=what), fields.text(item, "publicKey", what=what))
        for item in fields.objects(document, role, what=what)
    )
