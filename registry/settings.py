"""How one registry is set up: where it keeps things, where it listens, what it will not take."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes, times in seconds."""

    max_file_bytes: int = 64 * 1024**3
    max_model_bytes: int = 64 * 1024**3
    max_document_bytes: int = 8 * 1024**2
    max_files: int = 10_000
    upload_ttl: float = 24 * 3600
    inspection_seconds: float = 90.0


@dataclass(frozen=True, slots=True)
class Settings:
    """`data_dir` holds everything unless `database_url` or `storage` say otherwise.

    `storage` is a directory or `s3://bucket/prefix`. `publishers` is a JSON file
    {"publishers": [{"name", "publicKey"}]}; it is read at each publication, and without it nobody
    may publish. `origin` names the log in its checkpoints and never changes afterwards.
    """

    data_dir: Path
    listen: tuple[str, ...] = ("127.0.0.1:8080",)
    database_url: str = ""
    storage: str = ""
    publishers: Path | None = None
    origin: str = "plimsoll.local/log"
    limits: Limits = field(default_factory=Limits)

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
        return self.publishers or self.data_dir / "publishers.json"

    @property
    def admin_token_file(self) -> Path:
        """The token that the first start mints, mode 0600."""
        return self.data_dir / "admin.token"

    @property
    def trust_file(self) -> Path:
        """The trust root as of the last start, for hosts to be given."""
        return self.data_dir / "trust.json"
