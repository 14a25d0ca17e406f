"""A version's steps are read before it is published: what no runtime could serve is refused.

Only the document is: images, texts and tokenizers are for the runtime's own processes.
"""

import os
from dataclasses import replace

from registry.core import ensemble
from registry.core.oms import File
from registry.core.steps import FILE, LARGEST_FILE, document, flow
from registry.errors import InvalidInput
from registry.formats.inspection import Inspection
from registry.usecases import inspection
from registry.usecases.opening import Registry


def checked(registry: Registry, files: tuple[File, ...], found: Inspection) -> Inspection:
    """`found`, with what clients send and get where there are steps; raises `InvalidInput`."""
    by_path = {file.path: file for file in files}
    if FILE not in by_path:
        return found
    if found.format == ensemble.FORMAT:
        raise InvalidInput(
            f"{FILE}: an ensemble has no steps of its own", fix="give them to one of its members"
        )
    if by_path[FILE].size > LARGEST_FILE:
        raise InvalidInput(f"{FILE} has {by_path[FILE].size} bytes, at most {LARGEST_FILE}")
    with inspection.opened(registry, by_path[FILE]) as descriptor:
        steps = document.parse(os.pread(descriptor, LARGEST_FILE, 0))
    if missing := steps.files - by_path.keys():
        raise InvalidInput(
            f"{FILE} names {min(missing)!r}, which is no file of the version",
            fix="publish it in the same folder",
        )
    seen = flow.follow(steps, found.signature).signature
    return replace(found, detail={**found.detail, "steps": seen.document()})
