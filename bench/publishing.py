"""Publishes small models over the registry's API, as `plimsoll push` does."""

from collections.abc import Mapping
from pathlib import Path

import httpx2

from bench import registries
from registry.core import digest, problem
from registry.core.canonical import Json
from registry.core.oms import File
from registry.trust import sign


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file below `folder`, by its path there."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def upload(client: httpx2.Client, files: Mapping[str, bytes]) -> None:
    """Bring every file into the blob store."""
    for content in files.values():
        location = _required(client.post("/v1/uploads"), 202).headers["location"]
        answer = client.put(f"{location}?digest={digest.of(content)}", content=content)
        _required(answer, 201)


def body(
    registry: registries.Running,
    files: Mapping[str, bytes],
    *,
    model: str,
    version: int,
    form: str,
) -> dict[str, Json]:
    """What to post in order to publish `files`, signed."""
    listed = [File(path, digest.of(content), len(content)) for path, content in files.items()]
    return {
        "version": version,
        "format": form,
        "files": [{"path": f.path, "digest": f.digest, "size": f.size} for f in listed],
        "publisherBundle": sign.sign_model(model, listed, registry.key),
    }


def publish(
    registry: registries.Running,
    files: Mapping[str, bytes],
    *,
    model: str,
    version: int,
    form: str,
) -> str:
    """Upload and publish; returns the version's digest."""
    with registry.client() as client:
        upload(client, files)
        return post(client, body(registry, files, model=model, version=version, form=form), model)


def post(client: httpx2.Client, document: Mapping[str, Json], model: str) -> str:
    """Publish what is uploaded already; returns the version's digest."""
    answer = client.post(f"/v1/models/{model}/versions", json=dict(document))
    return str(_required(answer, 201).json()["digest"])


def _required(answer: httpx2.Response, status: int) -> httpx2.Response:
    if answer.status_code == status:
        return answer
    what = f"{answer.request.method} {answer.request.url.path}"
    raise problem.error_from(answer.status_code, answer.content, what=what)


