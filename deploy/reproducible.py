"""The same bytes from the same inputs: packages compiled alike each time, tars without a clock.

See https://reproducible-builds.org/docs/ for the method; what varies between two builds is times,
the order in which modules were compiled (Python's marshal marks a name as shared if anybody else
holds it at that moment), and the paths of the machine that an installer writes down.
"""

import importlib.util
import io
import os
import shutil
import subprocess
import sys
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

from deploy import site_packages
from deploy.images import ROOT

# What zip files, and so wheels, can say at the earliest.
CREATED = "1980-01-01T00:00:00Z"
_TIME = 315532800
_HASHED = b"\x01\x00\x00\x00"
_COMPILE = """
import compileall, py_compile, sys
for path in sys.stdin.read().splitlines():
    # What does not compile, such as an example for a newer Python, is not imported either.
    compileall.compile_file(path, quiet=2, stripdir=sys.argv[1], prependdir=sys.argv[2],
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
"""
# By number, so that the same files are always compiled after the same others.
_LANES = 2


def site(wanted: list[str], unused: tuple[str, ...], into: Path) -> Path:
    """A folder with the packages `wanted`, of the versions in constraints.txt, compiled."""
    folder = into / "site"
    subprocess.run(
        [
            *(sys.executable, "-m", "uv", "pip", "install", "--quiet", "--link-mode=copy"),
            *("--python", sys.executable, "--target", str(folder)),
            *("--constraint", str(ROOT / "constraints.txt"), *wanted),
        ],
        check=True,
    )
    site_packages.remove(folder, unused)
    _forget_paths(folder)
    compile_below(folder, shown_as="/opt/plimsoll/site")
    return folder


def _forget_paths(folder: Path) -> None:
    """What an installer writes down of itself and of its machine: nobody reads it in an image."""
    for name in ("RECORD", "direct_url.json", "uv_cache.json", "REQUESTED"):
        for path in folder.glob(f"*.dist-info/{name}"):
            path.unlink()
    (folder / ".lock").unlink(missing_ok=True)
    for path in folder.rglob("__pycache__"):
        shutil.rmtree(path)


def compile_below(folder: Path, *, shown_as: str) -> None:
    """Compile what is below `folder`, in processes of their own; tracebacks say `shown_as`."""
    sources = sorted(str(path) for path in folder.rglob("*.py"))
    lanes = [sources[lane::_LANES] for lane in range(_LANES)]
    outside = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment = {**outside, "PYTHONHASHSEED": "0"}
    command = [sys.executable, "-P", "-S", "-c", _COMPILE, str(folder), shown_as]

    def compiled(lane: list[str]) -> None:
        listed = "\n".join(lane)
        subprocess.run(command, input=listed, text=True, env=environment, check=True)

    with ThreadPoolExecutor(_LANES) as pool:
        list(pool.map(compiled, lanes))


def normalise(raw: IO[bytes], out: IO[bytes]) -> None:
    """The tar `raw` written again: entries in the order of their names, all of one time.

    Compiled modules that name the time of their source name its hash instead, so that Python
    believes them; see PEP 552.
    """
    with (
        tarfile.open(fileobj=raw, mode="r:") as given,
        tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as made,
    ):
        entries = {entry.name: entry for entry in given}
        for name, entry in sorted(entries.items()):
            content = given.extractfile(entry) if entry.isreg() else None
            entry.mtime, entry.pax_headers = _TIME, {}
            entry.mode = _mode(entry)
            if content is not None and _is_compiled(name):
                data = content.read()
                source = entries.get(_source_of(name))
                if source is not None and data[4:8] == bytes(4):
                    data = data[:4] + _HASHED + _hash_of(given, source) + data[16:]
                content = io.BytesIO(data)
            made.addfile(entry, content)


def _mode(entry: tarfile.TarInfo) -> int:
    """Without what the umask of who builds has to say."""
    is_for_all = entry.isdir() or entry.issym() or entry.mode & 0o100
    return entry.mode & 0o7000 | (0o777 if entry.mode & 0o1000 else 0o755 if is_for_all else 0o644)


def _is_compiled(name: str) -> bool:
    return name.endswith(".pyc") and "/__pycache__/" in name


def _source_of(name: str) -> str:
    folder, _, file = name.rpartition("/__pycache__/")
    return f"{folder}/{file.partition('.')[0]}.py"


def _hash_of(archive: tarfile.TarFile, source: tarfile.TarInfo) -> bytes:
    content = archive.extractfile(source)
    return importlib.util.source_hash(content.read() if content else b"")
