"""What is known of one version before any request: its tensors in the protocol's terms.

A plan also keeps the layouts of requests: a client's JSON is most often the same, byte for byte,
in one request and the next, and then nothing in it is read or checked twice; or the same but for
the numbers, and then they alone are.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from registry.core.tensors import Tensor
from registry.errors import InvalidInput, Unavailable
from runtime.backends.protocol import DEFAULT_CALL, NUMPY_TYPES, Array
from runtime.protocols import datatypes
from runtime.protocols.http import JSON, Header
from runtime.protocols.json_forms import Forms
from runtime.table import Slot

_LAYOUTS = 64
_HEADS = 64
LARGEST_HEAD = 4096

Shape = tuple[int, ...]
# Shape and bytes of each output.
Sizes = tuple[tuple[Shape, int], ...]


@dataclass(frozen=True, slots=True)
class Part:
    """One tensor of the model. `is_string` is whether its bytes are BYTES."""

    tensor: Tensor
    datatype: str
    dtype: np.dtype[np.generic]
    is_string: bool

    @property
    def declared(self) -> list[int]:
        """The shape as the protocol writes it, -1 for what is free."""
        return [-1 if size is None else size for size in self.tensor.shape or ()]


@dataclass(frozen=True, slots=True)
class Piece:
    """Where one input lies in the bytes behind a request's JSON."""

    part: Part
    shape: Shape
    count: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """One output as the client asks for it; `classes` is 0 unless it wants the best so many."""

    part: Part
    is_binary: bool
    classes: int = 0


# A tuple, as in `http`.
class Layout(NamedTuple):
    """A request's JSON, checked against the model; `given` holds the tensors that are in it.

    `size` bytes follow the JSON. `outputs` is empty where all are wanted.
    """

    pieces: tuple[Piece, ...]
    given: Mapping[str, Array]
    size: int
    wanted: tuple[Wanted, ...]
    outputs: tuple[str, ...]
    id: str | None = None
    priority: int = 0
    timeout_seconds: float | None = None
    has_classes: bool = False

    @property
    def is_lasting(self) -> bool:
        """Whether another request with the same JSON has the same layout and little is kept."""
        return self.id is None and not self.given


class Head(NamedTuple):
    """All of an answer but its tensors, where `wanted` are all binary and their sizes known."""

    wanted: tuple[Wanted, ...]
    json: bytes
    headers: tuple[Header, ...]


class Template(NamedTuple):
    """The layout of all requests that differ in the numbers of their one input alone."""

    layout: Layout
    part: Part
    shape: Shape
    values: int


@dataclass(frozen=True, slots=True)
class Plan:
    """One version's call and its tensors by name; `headers` go with every answer.

    `plain` and `binary` are all outputs in either form.
    """

    model: str
    version: str
    call: str
    inputs: Mapping[str, Part]
    outputs: Mapping[str, Part]
    plain: tuple[Wanted, ...]
    binary: tuple[Wanted, ...]
    headers: tuple[Header, ...]
    json_headers: tuple[Header, ...]
    layouts: dict[bytes, Layout] = field(default_factory=dict)
    forms: Forms[Template] = field(default_factory=Forms)
    heads: dict[Sizes, Head] = field(default_factory=dict)

    def remember(self, head: bytes, layout: Layout) -> None:
        """Bounded, and simply emptied when full: what is used comes back."""
        if len(head) <= LARGEST_HEAD and layout.is_lasting:
            if len(self.layouts) >= _LAYOUTS:
                self.layouts.clear()
            self.layouts[head] = layout

    def remember_head(self, sizes: Sizes, head: Head) -> None:
        """Bounded in the same way."""
        if len(self.heads) >= _HEADS:
            self.heads.clear()
        self.heads[sizes] = head

    def output(self, name: str) -> Part:
        """Raises `InvalidInput`."""
        found = self.outputs.get(name)
        if found is None:
            raise InvalidInput(f"unexpected inference output '{name}' for model '{self.model}'")
        return found


class Plans:
    """The plan of each version, made on its first request and gone with it."""

    def __init__(self) -> None:
        self._plans: WeakKeyDictionary[Slot, Plan] = WeakKeyDictionary()

    def of(self, slot: Slot) -> Plan:
        """Raises `Unavailable` for a version that is not loaded."""
        found = self._plans.get(slot)
        if found is None:
            found = self._plans[slot] = _plan(slot)
        return found


def _plan(slot: Slot) -> Plan:
    if slot.backend is None:
        raise Unavailable(f"{slot.pin.model}@{slot.pin.version} is {slot.state}")
    calls = slot.backend.calls
    # The protocol has no word for signatures.
    call = DEFAULT_CALL if DEFAULT_CALL in calls else min(calls)
    signature = calls[call].signature
    outputs = _parts(signature.outputs)
    return Plan(
        slot.pin.model,
        str(slot.pin.version),
        call,
        _parts(signature.inputs),
        outputs,
        tuple(Wanted(part, is_binary=False) for part in outputs.values()),
        tuple(Wanted(part, is_binary=True) for part in outputs.values()),
        slot.headers,
        (JSON, *slot.headers),
    )


def _parts(tensors: tuple[Tensor, ...]) -> dict[str, Part]:
    return {
        tensor.name: Part(
            tensor,
            datatypes.NAMES[tensor.dtype],
            np.dtype(NUMPY_TYPES[tensor.dtype]),
            tensor.dtype == "string",
        )
        for tensor in tensors
    }
