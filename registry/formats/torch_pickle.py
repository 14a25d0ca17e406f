"""The pickles of a TorchScript archive, followed on paper: nothing is imported, nothing called.

PyTorch's own reader knows a few functions and the classes of the archive's code; so does this
one, and no others. It gives the tensors that would be built, each inside its own storage and each
storage inside its record: older readers check neither, and 2.13 not yet the second.
"""

import pickletools
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any, Never

from registry.errors import UnsafeModel
from registry.formats import torch_ops
from registry.formats.refusal import unsafe
from registry.formats.torch_tensors import STORAGES, Storage, Weight

MAX_OPCODES = 5_000_000
MAX_RANK = 64
_AGAIN = "save the model again with torch.jit.save, without anything but tensors and plain values"
_LISTS = {"build_intlist", "build_doublelist", "build_boollist", "build_tensorlist"}
_PLAIN = {
    ("collections", "OrderedDict"),
    ("torch", "device"),
    ("torch.jit._pickle", "restore_type_tag"),
    *(("torch.jit._pickle", name) for name in _LISTS),
    *(("torch", f"per_{of}_{form}") for of in ("tensor", "channel") for form in
      ("affine", "symmetric", "affine_float_qparams")),
}  # fmt: skip
_TENSORS = {("torch._utils", "_rebuild_tensor_v2"), ("torch._utils", "_rebuild_qtensor")}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_ARGUMENTS = {
    "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE",
    "BINSTRING", "SHORT_BINSTRING",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Name:
    """What a GLOBAL refers to."""

    module: str
    name: str

    @property
    def qualified(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(slots=True)
class Built:
    """An object of a class, or what a function gave; `state` is by attribute."""

    of: Name
    state: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Read:
    """What one pickle holds: its value, and every tensor in it."""

    value: Any = None
    weights: list[Weight] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a pickle is from, and what it may refer to: classes of the code, and records below
    `tensors`, whose sizes are in `sizes`."""

    head: str
    record: str
    tensors: str
    classes: Collection[str]
    sizes: Mapping[str, int]


def read(data: bytes, scope: Scope) -> Read:
    """Follow the pickle in `data`; raises UnsafeModel."""
    return Machine(scope).run(data)


class Machine:
    """`on_x` is the step of opcode X; an opcode without one is refused."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}
        self._read = Read()

    def run(self, data: bytes) -> Read:
        """Up to STOP, which is the last byte."""
        at = None
        try:
            for count, (opcode, argument, position) in enumerate(pickletools.genops(data)):
                if count > MAX_OPCODES:
                    self._refuse(f"more than {MAX_OPCODES} steps")
                self._step(opcode.name, argument)
                at = position
        except (ValueError, IndexError, KeyError) as error:
            raise self._unsafe(f"is damaged: {str(error)[:120]}") from error
        if at != len(data) - 1 or self._stack or self._marks:
            self._refuse("something follows its end")
        return self._read

    def _step(self, name: str, argument: Any) -> None:
        if name in _CONSTANTS:
            self._stack.append(_CONSTANTS[name])
        elif name in _ARGUMENTS:
            self._stack.append(argument)
        else:
            step = getattr(self, f"on_{name.lower()}", None)
            if step is None:
                self._refuse(f"opcode {name} is not allowed")
            step(argument)

    def _refuse(self, what: str) -> Never:
        raise self._unsafe(what)

    def _unsafe(self, what: str) -> UnsafeModel:
        return unsafe(self._scope.head, f"{self._scope.record}: {what}", fix=_AGAIN)

    def _pop_to_mark(self) -> list[Any]:
        mark = self._marks.pop()
        items = self._stack[mark:]
        del self._stack[mark:]
        return items

    def _take(self, count: int) -> tuple[Any, ...]:
        if len(self._stack) - (self._marks[-1] if self._marks else 0) < count:
            raise IndexError("the stack is empty")
        items = tuple(self._stack[len(self._stack) - count :])
        del self._stack[len(self._stack) - count :]
        return items

    def on_proto(self, argument: int) -> None:
        if argument != 2:
            self._refuse(f"protocol {argument} is not known")

    def on_mark(self, _: Any) -> None:
        self._marks.append(len(self._stack))

    def on_stop(self, _: Any) -> None:
        (self._read.value,) = self._take(1)

    def on_global(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        found = Name(module, name)
        is_storage = module == "torch" and name in STORAGES
        is_class = found.qualified in self._scope.classes or found.qualified in torch_ops.CLASSES
        if not (is_storage or is_class or (module, name) in _PLAIN | _TENSORS):
            self._refuse(f"{found.qualified[:120]!r} is not allowed")
        self._stack.append(found)

    def on_binpersid(self, _: Any) -> None:
        """("storage", class, record, device, elements), as PyTorch's pickler writes it."""
        (found,) = self._take(1)
        match found:
            case ("storage", Name("torch", kind), str(key), str(), int(elements)) if (
                kind in STORAGES
            ):
                dtype, width = STORAGES[kind]
            case _:
                self._refuse("something other than a storage is referred to")
        record = f"{self._scope.tensors}/{key}"
        if not 0 <= elements * width <= self._scope.sizes.get(record, -1):
            self._refuse(
                f"a tensor's {elements} elements of {dtype} are not in record {record[:80]!r}"
            )
        self._stack.append(Storage(record, dtype, elements))

    def on_reduce(self, _: Any) -> None:
        function, arguments = self._take(2)
        if not isinstance(function, Name) or not isinstance(arguments, tuple):
            self._refuse("a call of something that is no function")
        if (function.module, function.name) in _TENSORS:
            self._stack.append(self._tensor(arguments))
        elif (function.module, function.name) == ("torch.jit._pickle", "restore_type_tag"):
            self._stack.append(arguments[0])
        elif (function.module, function.name) in _PLAIN:
            self._stack.append(Built(function))
        else:
            self._refuse(f"{function.qualified[:120]!r} is called")

    def _tensor(self, arguments: tuple[Any, ...]) -> Weight:
        match arguments:
            case (Storage() as storage, int(offset), tuple(size), tuple(stride), *_) if (
                len(size) == len(stride) <= MAX_RANK
            ):
                counts = (offset, *size, *stride)
            case _:
                self._refuse("a tensor is described in a way that is not allowed")
        if any(not isinstance(one, int) or not 0 <= one < 1 << 63 for one in counts):
            self._refuse("a tensor has an impossible size or stride")
        weight = Weight(storage, size, offset, stride)
        if weight.reach > storage.elements and prod(size):
            self._refuse(
                f"a tensor reaches to element {weight.reach - 1} of {storage.record}, "
                f"which has {storage.elements}"
            )
        self._read.weights.append(weight)
        return weight

    def on_newobj(self, _: Any) -> None:
        kind, arguments = self._take(2)
        if not isinstance(kind, Name) or not kind.module.startswith("__torch__") or arguments:
            self._refuse("an object of something that is no class of the model")
        self._stack.append(Built(kind))

    def on_build(self, _: Any) -> None:
        """An object's state; what is in it was followed when it was pushed."""
        built, state = self._take(2)
        if not isinstance(built, Built):
            self._refuse("a state for something that is no object")
        if isinstance(state, dict):
            built.state.update(state)
        self._stack.append(built)

    def on_binput(self, argument: int) -> None:
        self._memo[argument] = self._stack[-1]

    def on_binget(self, argument: int) -> None:
        self._stack.append(self._memo[argument])

    def on_tuple(self, _: Any) -> None:
        self._stack.append(tuple(self._pop_to_mark()))

    def on_appends(self, _: Any) -> None:
        self._extend(self._pop_to_mark())

    def on_append(self, _: Any) -> None:
        self._extend(list(self._take(1)))

    def on_setitems(self, _: Any) -> None:
        self._extend(self._pop_to_mark())

    def on_setitem(self, _: Any) -> None:
        self._extend(list(self._take(2)))

    def _extend(self, items: list[Any]) -> None:
        """Items of a list, or keys and values of a dictionary, of which texts are kept."""
        match self._stack[-1]:
            case list() as listed:
                listed.extend(items)
            case dict() as found:
                pairs = zip(items[::2], items[1::2], strict=True)
                found.update((key, value) for key, value in pairs if isinstance(key, str))
            case Built(state=state):
                pairs = zip(items[::2], items[1::2], strict=False)
                state.update((key, value) for key, value in pairs if isinstance(key, str))
            case _:
                self._refuse("items for something that holds none")

    def on_tuple1(self, _: Any) -> None:
        self._stack.append(self._take(1))

    def on_tuple2(self, _: Any) -> None:
        self._stack.append(self._take(2))

    def on_tuple3(self, _: Any) -> None:
        self._stack.append(self._take(3))

    def on_pop(self, _: Any) -> None:
        self._take(1)

    def on_empty_list(self, _: Any) -> None:
        self._stack.append([])

    def on_empty_dict(self, _: Any) -> None:
        self._stack.append({})

    on_long_binput, on_long_binget = on_binput, on_binget
