"""What is known of a version when a plan is made: what verifies, and the registry's word. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from reconciler.core.edit import Pin
from registry.core import evidence, tensors
from registry.core import fields as of
from registry.core.canonical import Json
from registry.core.envelope import Verified
from registry.core.evidence import Kind
from registry.core.tensors import Signature
from registry.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Version:
    """Its signatures hold. `metrics` are numbers that signed tests found, by `template: name`;
    `said` are those of the publisher, who may say anything. `size` is in bytes."""

    pin: Pin
    format: str
    size: int
    signers: tuple[str, ...]
    signature: Signature | None
    metrics: Mapping[str, float] = field(default_factory=dict)
    said: Mapping[str, float] = field(default_factory=dict)
    log_size: int = 0


@dataclass(frozen=True, slots=True)
class Refused:
    """Its verification failed, and so it will run nowhere."""

    pin: Pin
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Doubt:
    """Nobody could be asked: there is no verdict."""

    pin: Pin
    reason: str


Fact: TypeAlias = Version | Refused | Doubt


def version(pin: Pin, document: Mapping[str, Json], found: Verified) -> Version:
    """From the registry's document of it and what its envelope has shown."""
    return Version(
        pin=pin,
        format=found.format,
        size=found.size,
        signers=tuple(dict.fromkeys((found.publisher, *found.signers))),
        signature=_signature(document, pin.digest),
        metrics=dict(_tested(found)),
        said=dict(_numbers(_mapping(_mapping(document, "metadata"), "metrics"))),
        log_size=found.checkpoint.size,
    )


def _signature(document: Mapping[str, Json], digest: str) -> Signature | None:
    variants = document.get("variants")
    for one in variants if isinstance(variants, list) else []:
        if isinstance(one, dict) and one.get("digest") == digest:
            said = one.get("signature")
            try:
                return tensors.signature(said) if isinstance(said, dict) and said else None
            except InvalidInput:
                return None
    return None


def _tested(found: Verified) -> Iterator[tuple[str, float]]:
    """Later tests of the same template stand for earlier ones: evidence is in the log's order."""
    for one in found.evidence:
        if one.kind is Kind.TEST_RESULT:
            for template, numbers in _mapping(one.detail, evidence.METRICS).items():
                if isinstance(numbers, dict):
                    for name, value in _numbers(numbers):
                        yield f"{template}: {name}", value


def _numbers(source: Mapping[str, Json], at: str = "") -> Iterator[tuple[str, float]]:
    for name, value in source.items():
        if isinstance(value, dict):
            yield from _numbers(value, f"{at}{name}.")
        elif (number := of.finite(value)) is not None:
            yield f"{at}{name}", number


def _mapping(source: Mapping[str, Json], name: str) -> Mapping[str, Json]:
    found = source.get(name)
    return found if isinstance(found, dict) else {}
