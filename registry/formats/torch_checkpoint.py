"""Tensors in what `torch.save` wrote, a Python pickle: looked at, never loaded.

No such file is ever published, but a stolen model may be in one. Its pickle is followed on paper as
TorchScript's are; names that it has loaded are taken for what they are, names, and what would be
called with them is not. So a state dictionary is found inside whatever was saved around it.
"""

from typing import Any

from registry.formats import torchscript
from registry.formats.refusal import unsafe
from registry.formats.torch_pickle import Built, Machine, Name, Scope
from registry.formats.torch_tensors import Weight
from registry.formats.torchscript import Parts
from registry.formats.zip_archive import Archive

# What a module keeps its tensors and modules under, and a state dictionary does not name.
INNER = frozenset({"_parameters", "_buffers", "_modules"})
_TENSOR = {"_rebuild_tensor_v2", "_rebuild_qtensor"}
_NAMELESS = Name("", "")


def take_apart(head: str, archive: Archive) -> Parts:
    """Raises UnsafeModel."""
    records = torchscript.in_one_folder(head, archive)
    if torchscript.DATA not in records:
        raise unsafe(
            head,
            "it is neither TorchScript nor what torch.save writes",
            fix="give it as it was found, or its weights as safetensors",
        )
    sizes = {name: record.size for name, record in records.items()}
    scope = Scope(head, torchscript.DATA, "data", frozenset(), sizes)
    content = archive.read(records[torchscript.DATA], torchscript.MAX_PICKLE)
    return Parts(archive, records, {torchscript.DATA: _Onlooker(scope).run(content)})


class _Onlooker(Machine):
    """Knows how tensors are built, and lets everything else be what it says it is."""

    def on_global(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self._stack.append(Name(module, name))

    def on_reduce(self, _: Any) -> None:
        function, arguments = self._take(2)
        match function, arguments:
            case Name("torch._utils", name), tuple() if name in _TENSOR:
                self._stack.append(self._tensor(arguments))
            case Name("torch._utils", "_rebuild_parameter"), (Weight() as weight, *_):
                self._stack.append(weight)
            case _:
                self._stack.append(Built(function if isinstance(function, Name) else _NAMELESS))

    def on_newobj(self, _: Any) -> None:
        kind, _arguments = self._take(2)
        self._stack.append(Built(kind if isinstance(kind, Name) else _NAMELESS))

    def on_build(self, _: Any) -> None:
        built, state = self._take(2)
        if isinstance(built, Built) and isinstance(state, dict):
            built.state.update(state)
        self._stack.append(built)
