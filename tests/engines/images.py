"""Images for the tests of engines: a stand-in for the runtime, a custom test, both real fronts."""

import tempfile
from pathlib import Path

from deploy import images
from deploy.building import Builder

STANDIN = "plimsoll-standin:test"
INGRESS = "plimsoll-ingress:test"
HAPROXY = "plimsoll-ingress-haproxy:test"
TRIAL = "plimsoll-trial:test"
_FOLDER = Path(__file__).parent / "standin"


def build(address: str = "unix:///var/run/docker.sock") -> None:
    """These images on one engine; quick when they are there."""
    images.build(("ingress", "ingress-haproxy"), address=address, base=images.LOCAL, tag="test")
    builder = Builder(address)
    with images.alone():
        _build(builder)
    builder.close()


def _build(builder: Builder) -> None:
    base = images.bare(builder)
    server, dockerfile = _FOLDER / "server.py", _FOLDER / "Dockerfile"
    content = images.digest(base, server.read_bytes(), dockerfile.read_bytes())
    if not builder.holds(STANDIN, content):
        with tempfile.TemporaryDirectory() as state:
            context = {"Dockerfile": dockerfile, "server.py": server, "state": Path(state)}
            builder.build(context, image=STANDIN, content=content, arguments={"BASE": base})
    _build_trial(builder, base)


def _build_trial(builder: Builder, base: str) -> None:
    folder = _FOLDER.with_name("trial")
    context = {name: folder / name for name in ("Dockerfile", "main.py")}
    content = images.digest(base, *(path.read_bytes() for path in context.values()))
    if not builder.holds(TRIAL, content):
        builder.build(context, image=TRIAL, content=content, arguments={"BASE": base})
