"""Answers of an engine that are no error to us, since things are as we want them."""

import contextlib
from collections.abc import Iterator

import docker.errors


@contextlib.contextmanager
def conflict() -> Iterator[None]:
    """For what is created under a fixed name: somebody else was first."""
    try:
        yield
    except docker.errors.APIError as error:
        if error.status_code != 409:
            raise


@contextlib.contextmanager
def absence() -> Iterator[None]:
    """For what shall be gone: it is."""
    with contextlib.suppress(docker.errors.NotFound):
        yield
