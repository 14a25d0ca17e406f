"""Images as files, without an engine: python -m deploy.layouts NAME ... --into FOLDER

An OCI image layout each, which skopeo copies to a registry or into Docker. The same commit makes
the same bytes, and so the same digest, whenever and in whichever folder it is done, given the same
Python and system libraries of the machine and the same wheels, which constraints.txt names.
"""

import argparse
import hashlib
import json
import os
import platform
import shutil
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

from deploy import base_image, dockerfile, images, reproducible, tars

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


def build(name: str, into: Path) -> str:
    """The image of the program `name` as a layout in the folder `into`; returns its digest."""
    program = images.PROGRAMS[name]
    (into / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
    others = [Path(path) for path in program.programs]
    recipe = images.ROOT / "deploy" / f"Dockerfile.{program.extra}"
    with tempfile.TemporaryDirectory(prefix="plimsoll-layout-") as scratch:
        site = reproducible.site(images.requirements(program), program.unused, Path(scratch))
        layers = [_layer(into, lambda out: base_image.write(out, site=site, others=others))]
        code = _copied(images.files(program.code), Path(scratch) / "code")
        layers.append(_layer(into, lambda out: _write_code(out, code)))
    return _written(into, layers, dockerfile.config(recipe.read_text(), base_image.CHANGES))


def _copied(files: list[Path], folder: Path) -> Path:
    for path in files:
        target = folder / path.relative_to(images.ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    reproducible.compile_below(folder, shown_as="/opt/plimsoll/code")
    return folder


def _write_code(stream: IO[bytes], code: Path) -> None:
    """What the Dockerfile copies: our code, and the empty folder that volumes take over."""
    with tars.opened(stream) as archive:
        archive.add(code, "opt/plimsoll/code", filter=base_image.of_root)
        for name in ("var/lib/plimsoll", "var/lib/reconciler"):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            entry.uid = entry.gid = dockerfile.OWNER
            archive.addfile(entry)


def _layer(into: Path, write: Callable[[IO[bytes]], None]) -> dict[str, object]:
    """One layer in the layout, as its descriptor; its digest is that of the tar: nothing is
    compressed here, and what copies it to a registry does that."""
    fresh = into / "blobs" / f"layer.{os.getpid()}"
    with tempfile.TemporaryFile(dir=into) as raw:
        write(raw)
        raw.seek(0)
        with fresh.open("wb") as out:
            reproducible.normalise(raw, out)
    with fresh.open("rb") as written:
        digest = hashlib.file_digest(written, "sha256").hexdigest()
    size = fresh.stat().st_size
    fresh.replace(into / "blobs" / "sha256" / digest)
    return {"mediaType": _LAYER, "digest": f"sha256:{digest}", "size": size}


def _written(into: Path, layers: list[dict[str, object]], config: dict[str, object]) -> str:
    """Configuration, manifest and index around `layers`; the digest of the manifest."""
    machine = platform.machine()
    about = {
        "created": reproducible.CREATED,
        "architecture": _MACHINES.get(machine, machine),
        "os": "linux",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": _blob(into, about, _CONFIG),
        "layers": layers,
    }
    found = _blob(into, manifest, _MANIFEST)
    index = {"schemaVersion": 2, "manifests": [found]}
    (into / "index.json").write_bytes(_bytes(index))
    (into / "oci-layout").write_bytes(_bytes({"imageLayoutVersion": "1.0.0"}))
    return str(found["digest"])


def _blob(into: Path, document: object, media_type: str) -> dict[str, object]:
    data = _bytes(document)
    digest = hashlib.sha256(data).hexdigest()
    (into / "blobs" / "sha256" / digest).write_bytes(data)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}


def _bytes(document: object) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def main() -> None:
    command = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    known = sorted(images.PROGRAMS)
    command.add_argument("names", nargs="+", metavar="NAME", choices=known, help=", ".join(known))
    command.add_argument("--into", type=Path, required=True, metavar="FOLDER")
    given = command.parse_args()
    for name in given.names:
        print(f"{given.into / name}  {build(name, given.into / name)}")


if __name__ == "__main__":
    main()
