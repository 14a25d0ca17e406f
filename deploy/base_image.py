"""A base image made of this machine's own Python, for machines that cannot pull one.

It is laid out like `python:3.11-slim`: the interpreter under /usr/local, the C libraries where
the loader looks by itself, the CA bundle of the machine. No shell, no package manager.
"""

import hashlib
import io
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from deploy import tars

_VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"
_LEFT_OUT = re.compile(
    r"^(test|idlelib|tkinter|turtledemo|lib2to3|ensurepip|site-packages|dist-packages|config-.*)(/|$)"
    r"|\.opt-\d\.pyc$|lib-dynload/_(tkinter|gdbm|dbm|test|ctypes_test|xxtest)"
)
# Wheels are linked against all the names glibc ever had, which `ldd` of Python alone misses.
_LIBC_NAMES = (
    *("libc.so.6", "libm.so.6", "libmvec.so.1", "libpthread.so.0", "libdl.so.2", "librt.so.1"),
    *("libutil.so.1", "libresolv.so.2", "libanl.so.1", "libnss_files.so.2", "libnss_dns.so.2"),
    *("libgcc_s.so.1", "libstdc++.so.6"),
)
_CA_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")
_ACCOUNTS = "root:x:0:0:root:/:/sbin/nologin\nplimsoll:x:10001:10001:plimsoll:/tmp:/sbin/nologin\n"

CHANGES = [
    'ENV PATH="/usr/local/bin:/usr/bin:/bin"',
    'ENV SSL_CERT_FILE="/etc/ssl/certs/ca-certificates.crt"',
    'CMD ["python3"]',
]


def identity() -> str:
    """Changes when the interpreter or this recipe does."""
    recipe = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    interpreter = _interpreter().stat()
    return f"{sys.version} {interpreter.st_size} {interpreter.st_mtime_ns} {recipe}"


def write(stream: IO[bytes], *, site: Path | None = None, others: Sequence[Path] = ()) -> None:
    """The root file system as a tar, with the packages in `site` where Dockerfiles put them.

    `others` are further programs and folders of this machine, which stay where they are here.
    """
    with tars.opened(stream) as archive:
        add_to(archive, others)
        if site is not None:
            archive.add(site, "opt/plimsoll/site", filter=of_root)
        add_accounts(archive)


def add_to(archive: tarfile.TarFile, others: Sequence[Path] = ()) -> None:
    """Python and `others`, the libraries they and common wheels are linked with, and whom to
    believe."""
    for folder, mode in (("tmp", 0o1777), ("proc", 0o755), ("sys", 0o755), ("dev", 0o755)):
        add_folder(archive, folder, mode)
    archive.add(_interpreter(), f"usr/local/bin/{_VERSION}", filter=of_root)
    for name in ("python3", "python"):
        _add_link(archive, f"usr/local/bin/{name}", _VERSION)
    for path in _standard_library():
        inside = path.relative_to(_stdlib())
        archive.add(path, f"usr/local/lib/{_VERSION}/{inside}", filter=of_root)
    programs = [_interpreter(), *(p for p in _standard_library() if p.suffix == ".so")]
    for path in others:
        archive.add(path, str(path).lstrip("/"), filter=of_root)
        below = path.rglob("*") if path.is_dir() else [path]
        programs += [file for file in below if file.is_file() and _is_linked(file)]
    for target, path in libraries(programs).items():
        archive.add(path, target, filter=of_root)
    for bundle in [path for path in _CA_BUNDLES if Path(path).exists()][:1]:
        archive.add(bundle, _CA_BUNDLES[0].lstrip("/"), filter=of_root)


def _is_linked(file: Path) -> bool:
    with file.open("rb") as opened:
        if opened.read(4) != b"\x7fELF":
            return False
    return subprocess.run(["ldd", file], capture_output=True, check=False).returncode == 0


def add_accounts(archive: tarfile.TarFile, *, more: str = "") -> None:
    """Who there is, and where names of hosts are looked up; `more` are lines of /etc/passwd."""
    add_text(archive, "etc/passwd", _ACCOUNTS + more)
    add_text(archive, "etc/group", "root:x:0:\nplimsoll:x:10001:\n")
    add_text(archive, "etc/nsswitch.conf", "hosts: files dns\n")


def _interpreter() -> Path:
    return Path(sys.base_prefix) / "bin" / _VERSION


def _stdlib() -> Path:
    return Path(sysconfig.get_path("stdlib"))


def _standard_library() -> Iterator[Path]:
    for folder, folders, files in os.walk(_stdlib()):
        inside = Path(folder).relative_to(_stdlib())
        folders[:] = sorted(name for name in folders if not _LEFT_OUT.search(str(inside / name)))
        kept = (name for name in sorted(files) if not _LEFT_OUT.search(str(inside / name)))
        yield from (Path(folder) / name for name in kept)


def libraries(programs: list[Path]) -> dict[str, Path]:
    """Path in the image -> path here, for all that these and common wheels are linked with."""
    listed = subprocess.run(
        ["ldd", *map(str, programs)], capture_output=True, text=True, check=True
    ).stdout
    found = {Path(path) for path in re.findall(r"(?:=> |^\s+)(/\S+)", listed, re.MULTILINE)}
    system = next(path.parent for path in found if path.name == "libc.so.6")
    found |= {system / name for name in _LIBC_NAMES if (system / name).exists()}
    found |= {Path("/usr") / path.relative_to("/") for path in found if not path.exists()}
    loader = {path for path in found if path.name.startswith("ld-linux")}
    folder = f"lib/{sysconfig.get_config_var('MULTIARCH')}"
    placed = {f"{folder}/{path.name}": path for path in found - loader}
    return placed | {str(path).lstrip("/"): path for path in loader}


def of_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """`entry` as root's."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    return entry


def add_folder(archive: tarfile.TarFile, name: str, mode: int) -> None:
    """An empty folder."""
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = tarfile.DIRTYPE, mode
    archive.addfile(entry)


def _add_link(archive: tarfile.TarFile, name: str, target: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = tarfile.SYMTYPE, target
    archive.addfile(entry)


def add_text(archive: tarfile.TarFile, name: str, text: str) -> None:
    """A file of root's."""
    entry = tarfile.TarInfo(name)
    entry.size = len(text.encode())
    archive.addfile(entry, io.BytesIO(text.encode()))
