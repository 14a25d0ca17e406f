"""What a runtime finds in its environment, and which secrets that takes. Pure.

A plan knows a secret by a digest of its ciphertext. That ciphertext is AES-GCM under a random key
and a random nonce, so the digest tells that a value became another one, and nothing about either.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from reconciler.core.kinds import Host, ModelDeployment, Secret
from reconciler.core.observed import InstanceSpec
from reconciler.core.sources import Source, Tree
from registry.core import digest, documents
from registry.core.documents import Path, Problem

_DIGITS = 32


@dataclass(frozen=True, slots=True)
class Wanted:
    """One value of a secret, as it was when the instance was asked for: its fingerprint."""

    variable: str
    secret: str
    key: str
    sealed: str


def plain(spec: InstanceSpec) -> dict[str, str]:
    """Variables whose values stand in Git."""
    return {str(one["name"]): str(one["value"]) for one in _entries(spec) if "value" in one}


def wanted(spec: InstanceSpec) -> tuple[Wanted, ...]:
    """Variables whose values are secrets."""
    found = []
    for one in _entries(spec):
        if "secret" in one:
            name, _, key = str(one["secret"]).partition("/")
            found.append(Wanted(str(one["name"]), name, key, str(one["sealed"])))
    return tuple(found)


def sealed(spec: InstanceSpec) -> dict[str, str]:
    """The fingerprints of the secrets of `spec`, by `name/key`."""
    return {f"{one.secret}/{one.key}": one.sealed for one in wanted(spec)}


def fingerprint(ciphertext: str) -> str:
    """Of one encrypted value."""
    return digest.of(ciphertext.encode()).removeprefix("sha256:")[:_DIGITS]


def fingerprints(tree: Tree, manifest: ModelDeployment) -> dict[str, str]:
    """Of the secrets that `manifest` names, by `name/key`; what is not there is not in it."""
    found = {}
    for name, key in _named(manifest):
        source = tree.secrets.get(name)
        if source is not None and key in source.kind.spec.data:
            found[f"{name}/{key}"] = fingerprint(source.kind.spec.data[key])
    return found


def problems(
    tree: Tree, source: Source[ModelDeployment], targets: Mapping[str, Host]
) -> Iterator[Problem]:
    """Secrets that are not there, or not for this deployment; hosts that have no environment."""
    variables = source.kind.spec.runtime.env
    shared = sorted(name for name, host in targets.items() if host.spec.engine.is_process)
    if variables and shared:
        message = f"spec.runtime.env: {shared[0]} runs all its models in one process"
        fix = "target hosts with a Docker Engine, or set it where that process is started"
        yield source.document.problem(("spec", "runtime", "env"), message, fix=fix)
    for index, variable in enumerate(variables):
        if variable.secret is not None:
            at: Path = ("spec", "runtime", "env", index, "secret")
            said = _trouble(tree, source.kind, variable.secret.name, variable.secret.key)
            if said is not None:
                field, message, fix = said
                name = f"{'.'.join(map(str, at))}.{field}"
                yield source.document.problem((*at, field), f"{name}: {message}", fix=fix)


def _trouble(
    tree: Tree, manifest: ModelDeployment, name: str, key: str
) -> tuple[str, str, str] | None:
    """The field, what is wrong, and what to do."""
    path = f"{Secret.folder}/{name}.yaml"
    if name in tree.broken_secrets:
        return "name", f"{path} is wrong", "mend that file"
    source = tree.secrets.get(name)
    if source is None:
        hint = documents.did_you_mean(name, sorted(tree.secrets)) if tree.secrets else ""
        return "name", f"there is no secret {name!r}", f"add {path}; {hint}".rstrip("; ")
    whose = manifest.metadata
    if not source.kind.may_be_used(whose.environment, whose.project):
        whom = f"the project {whose.project} in {whose.environment}"
        fix = f"name both in spec.usedBy of {path}, with `plimsoll secrets edit`"
        return "name", f"the secret {name} is not for {whom}", fix
    if key not in source.kind.spec.data:
        known = documents.did_you_mean(key, sorted(source.kind.spec.data))
        return "key", f"the secret {name} has no {key!r}", known
    return None


def _named(manifest: ModelDeployment) -> list[tuple[str, str]]:
    variables = manifest.spec.runtime.env
    named = [one.secret for one in variables if one.secret is not None]
    return [(one.name, one.key) for one in named]


def _entries(spec: InstanceSpec) -> Iterable[dict[str, object]]:
    found = spec.declared.get("env")
    listed = found if isinstance(found, list) else []
    return [dict(one) for one in listed if isinstance(one, dict)]
