"""How one registry is set up: where it keeps things, where it listens, what it will not take."""

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from registry.core.protection import Rule as Protection
from registry.core.retention import Rule as RetentionRule
from registry.settings_access import Access
from registry.settings_mail import Mail


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes, times in seconds."""

    max_file_bytes: int = 64 * 1024**3
    max_model_bytes: int = 64 * 1024**3
    max_document_bytes: int = 8 * 1024**2
    max_files: int = 10_000
    upload_ttl: float = 24 * 3600
    inspection_seconds: float = 90.0
    registration_lease: float = 15.0
    storage_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class Retention:
    """What goes when; without a rule no version ever does. `every_hours` 0 sweeps on demand only.

    Bytes that nothing refers to go once they were unused for `grace_hours`.
    """

    rules: tuple[RetentionRule, ...] = ()
    rollback_window_days: float = 30.0
    grace_hours: float = 24.0
    every_hours: float = 0.0


@dataclass(frozen=True, slots=True)
class Sending:
    """How webhooks are sent: `attempts` an event, `seconds` each, with pauses that double.

    Those that are told by `mail` have the same patience.

    `hosts` are globs of receivers that need not be at an address of the public internet.
    """

    hosts: tuple[str, ...] = ()
    attempts: int = 8
    seconds: float = 10.0
    first_pause: float = 5.0
    longest_pause: float = 3600.0
    mail: Mail = field(default_factory=Mail)


@dataclass(frozen=True, slots=True)
class Running:
    """How the process behaves; `traces` is an OTLP collector's address, empty for none.

    After a stop signal it goes on for `drain_seconds`, saying it is not ready; then requests in
    flight have `grace_seconds` to end. It is not ready either with less than `free_mib` of disk.
    So many `optimisations` it runs at a time; with 0 it takes no recipes.
    """

    traces: str = ""
    free_mib: int = 64
    drain_seconds: float = 0.0
    grace_seconds: float = 10.0
    optimisations: int = 0


@dataclass(frozen=True, slots=True)
class Inspecting:
    """Where models are looked at: in containers of `engine`, or, where empty, in child processes.

    `image` has the code of this very registry.
    """

    engine: str = ""
    image: str = "plimsoll-registry:dev"


@dataclass(frozen=True, slots=True)
class Encryption:
    """Whether stored blobs are encrypted, and by whose keys: docs/trust/encryption.md.

    `provider` is off, file, pkcs11 or vault; each has its own of the other fields. With
    `require_delivery` a host gets blobs only encrypted to its own key.
    """

    provider: str = "off"
    key_file: Path | None = None
    pkcs11_module: str = ""
    pkcs11_token: str = ""
    pkcs11_key: str = "plimsoll"
    pkcs11_pin_file: Path | None = None
    vault_url: str = ""
    vault_mount: str = "transit"
    vault_key: str = "plimsoll"
    vault_token_file: Path | None = None
    require_delivery: bool = False


@dataclass(frozen=True, slots=True)
class Watermark:
    """Whether models are marked: docs/watermark.md. `publish` is off or on, unless a request says.

    Off, nothing is marked that nobody asked for; on, everything that is large enough. `copies` is
    off, hosts or required: hosts get copies of their own of what is marked, or of that only.
    """

    publish: str = "off"
    copies: str = "off"


# A publication asks for all of these, and to put a path together takes longer than to read it.
@lru_cache(maxsize=64)
def _within(folder: Path, name: str) -> Path:
    return folder / name


@lru_cache(maxsize=64)
def _beside(file: Path, name: str) -> Path:
    return file.with_name(name)


@dataclass(frozen=True, slots=True)
class Settings:
    """`data_dir` holds everything unless `database_url` or `storage` say otherwise.

    `storage` is a directory or such as `s3://bucket/prefix`; with `direct_downloads` clients are
    sent there for blobs, unless they ask not to be. `publishers` is a JSON file
    {"publishers": [{"name", "publicKey"}]}; it is read at each publication, and without it nobody
    may publish; `trust` is a trust root that says so instead, signed or plain. `url` is how
    clients reach the registry. As `custodian` it signs for MLflow's clients what nobody else
    signed. `policies` is a folder of policies that decide on publications and promotions; without
    it only the built-in checks do. On `runtime_base`, REPOSITORY:TAG or @DIGEST of a runtime's
    image, versions are packaged when they are first pulled. `origin` names the log in its
    checkpoints and never changes afterwards.
    """

    data_dir: Path
    listen: tuple[str, ...] = ("127.0.0.1:8080",)
    url: str = ""
    database_url: str = ""
    storage: str = ""
    direct_downloads: bool = False
    publishers: Path | None = None
    trust: Path | None = None
    custodian: bool = False
    origin: str = "plimsoll.local/log"
    runtime_base: str = ""
    limits: Limits = field(default_factory=Limits)
    protected: tuple[Protection, ...] = ()
    policies: Path | None = None
    retention: Retention = field(default_factory=Retention)
    sending: Sending = field(default_factory=Sending)
    running: Running = field(default_factory=Running)
    inspecting: Inspecting = field(default_factory=Inspecting)
    encryption: Encryption = field(default_factory=Encryption)
    watermark: Watermark = field(default_factory=Watermark)
    access: Access = field(default_factory=Access)

    @property
    def database(self) -> str:
        """The database's address: a SQLite file in `data_dir` unless one was named."""
        return self.database_url or f"sqlite:///{self.data_dir / 'registry.db'}"

    @property
    def blobs(self) -> str:
        """Where blobs are kept: in `data_dir` unless another place was named."""
        return self.storage or str(self.data_dir / "blobs")

    @property
    def publishers_file(self) -> Path:
        """Whose models may be published."""
        return self.publishers or _within(self.data_dir, "publishers.json")

    @property
    def reconcilers_file(self) -> Path:
        """Whose permits hosts believe: {"reconcilers": [{"name", "publicKey"}]}, read at each use.

        Without the file hosts load whatever else is in order, without a permit.
        """
        return _beside(self.publishers_file, "reconcilers.json")

    @property
    def agents_file(self) -> Path:
        """Whose permits count on one host: {"agents": [{"name": HOST, "publicKey"}]}."""
        return _beside(self.publishers_file, "agents.json")

    @property
    def witnesses_file(self) -> Path:
        """Whose cosignatures on the log's checkpoints count, and how many hosts demand."""
        return _beside(self.publishers_file, "witnesses.json")

    @property
    def approvers_file(self) -> Path:
        """Whose approvals count: {"approvers": [{"name", "publicKey"}]}, read at each use."""
        return _beside(self.publishers_file, "approvers.json")

    @property
    def testers_file(self) -> Path:
        """Whose test results count: {"testers": [{"name", "publicKey"}]}, read at each use."""
        return _beside(self.publishers_file, "testers.json")

    @property
    def signers_files(self) -> dict[str, Path]:
        """The files that say whose signatures count, by what a backup calls them."""
        return {
            "publishers.json": self.publishers_file,
            "approvers.json": self.approvers_file,
            "testers.json": self.testers_file,
            "reconcilers.json": self.reconcilers_file,
            "agents.json": self.agents_file,
            "witnesses.json": self.witnesses_file,
        }

    @property
    def admin_token_file(self) -> Path:
        """The token that the first start mints, mode 0600."""
        return self.data_dir / "admin.token"

    @property
    def key_file(self) -> Path:
        """The keys of stored blobs, where the key provider is a file."""
        return self.encryption.key_file or self.data_dir / "keys" / "blobs.key"

    @property
    def destroyed_file(self) -> Path:
        """The keys that erasures destroyed, for whoever restores a backup from before them."""
        return self.data_dir / "destroyed-keys.txt"

    @property
    def trust_file(self) -> Path:
        """The trust root as of the last start, for hosts to be given."""
        return self.data_dir / "trust.json"
