"""Composes a version's image when it is first pulled by its tag, where a runtime's base is set.

Who takes an index of images and asks for a version that nobody has packaged waits for the one pass
over its files, together with all others who ask meanwhile; what he gets is what `package` makes.
"""

from functools import partial

from registry import errors
from registry.core import oci
from registry.core.identity import Caller, Role
from registry.db import oci_models
from registry.making import packaging
from registry.usecases import oci as repositories
from registry.usecases.oci import Found
from registry.usecases.opening import Registry
from registry.usecases.pull import Asked

# Whoever pulls has asked for an image; it is the registry that decides of what it is made.
_ITSELF = Caller(Role.ADMIN, "first-pull")


def manifest(registry: Registry, repository: str, reference: str, *, is_run: bool) -> Found:
    """As `repositories.manifest`, after composing what is still to be composed.

    Raises NotFound; Forbidden where the base is not here; Busy where it takes longer than a client
    waits; what no host would load is not made into an image: IntegrityError, Quarantined.
    """
    found = repositories.manifest(registry, repository, reference, is_run=is_run)
    base = registry.settings.runtime_base
    if not (base and is_run) or oci.is_digest(reference) or not _is_bare(found):
        return found
    _require_base(registry, repository, base)
    asked = _asked(registry, repository, found)
    compose = partial(packaging.package, registry, asked, base, _ITSELF)
    try:
        registry.workshop.images.get((repository, found.digest), compose)
    except errors.Unsupported:  # an ensemble: its steps are other versions
        return found
    return repositories.manifest(registry, repository, reference, is_run=True)


def _is_bare(found: Found) -> bool:
    """A version itself, and no image of one."""
    return found.version > 0 and found.digest == found.of


def _asked(registry: Registry, model: str, found: Found) -> Asked:
    """By the name that `plimsoll package` has for it, which is none for a version's first variant:
    the same image, whichever tag or alias is pulled."""
    with registry.database.reading() as session:
        if oci_models.digest_of(session, model, found.version, "") == found.digest:
            return Asked(model, found.version)
        variant = oci_models.variant(session, model, found.digest)
    return Asked(model, found.version, variant[0].name if variant else "")


def _require_base(registry: Registry, repository: str, base: str) -> None:
    try:
        packaging.bases(registry, base, _ITSELF)
    except errors.NotFound as error:
        raise errors.Forbidden(
            f"images of {repository} are composed on {base}, which is not in this registry",
            fix="push a runtime's image there: docs/packaging.md",
        ) from error
