"""The `[registry]` table of plimsoll.toml, as `Settings`."""

from pathlib import Path

from registry import errors
from registry.core import table
from registry.settings import Settings


def load(path: Path) -> Settings:
    """Read `path`; relative paths are from its folder. Raises `InvalidConfig`."""
    try:
        found = table.parse(path.read_text(encoding="utf-8"), "registry", file=str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise errors.InvalidConfig(f"{path} cannot be read: {error}") from error
    return _settings(found, path.resolve().parent)


def _settings(values: table.Table, folder: Path) -> Settings:
    publishers, storage = values.optional("publishers"), values.optional("storage")
    if storage is not None and "://" not in storage:
        storage = str(folder / storage)
    settings = Settings(
        data_dir=folder / values.take("data", str, "registry"),
        listen=tuple(values.texts("listen", ["127.0.0.1:8440"])),
        database_url=values.take("database", str, ""),
        storage=storage or "",
        publishers=None if publishers is None else folder / publishers,
        origin=values.take("log_origin", str, "plimsoll.local/log"),
    )
    values.finish()
    return settings
