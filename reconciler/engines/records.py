"""What a process engine knows about its instances that the runtime does not: one JSON file."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler import durable
from reconciler.core.observed import InstanceSpec, Route
from registry import errors


@dataclass(frozen=True, slots=True)
class Records:
    """`specs` by instance name, `routes` by model: what was asked for, not what is so."""

    specs: Mapping[str, InstanceSpec]
    routes: Mapping[str, Route]


def read(path: Path) -> Records:
    """Nothing is recorded where there is no file; a damaged file raises `EngineRefused`."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return Records({}, {})
    except OSError as error:
        raise errors.EngineRefused(
            f"{path} cannot be read: {error.strerror}", fix="let the reconciler read its own files"
        ) from error
    try:
        document = json.loads(data)
        specs = [InstanceSpec(**fields) for fields in document["instances"]]
        routes = [Route(**fields) for fields in document["routes"]]
    except (ValueError, KeyError, TypeError) as error:
        raise errors.EngineRefused(
            f"{path} cannot be read: {error}",
            fix="remove it: what runs will be started again from the desired state",
        ) from error
    return Records({spec.name: spec for spec in specs}, {route.model: route for route in routes})


def write(path: Path, records: Records) -> None:
    """Replace the file whole."""
    document: dict[str, Any] = {
        "instances": [dataclasses.asdict(spec) for spec in records.specs.values()],
        "routes": [dataclasses.asdict(route) for route in records.routes.values()],
    }
    replace(path, json.dumps(document, indent=1).encode())


def replace(path: Path, content: bytes) -> None:
    """After a crash there is the old file or the new one; only we may read it.

    Raises `EngineRefused` where the disk does not take it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        durable.write(path, content)
    except OSError as error:
        raise errors.EngineRefused(
            f"{path} cannot be written: {error.strerror}",
            fix="make its folder writable and leave room on its disk",
        ) from error
