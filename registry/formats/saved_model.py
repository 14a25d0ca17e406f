"""SavedModel: its protobuf parsed and walked, its serving signature read. Never loaded."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from google.protobuf.message import DecodeError

from registry import errors
from registry.core import names
from registry.core.canonical import Json
from registry.core.tensors import DTYPES, Signature, Tensor
from registry.formats import detect, saved_model_assets, saved_model_graph, tensorflow_protos
from registry.formats.model import Found, Model
from registry.formats.refusal import unsafe

_AGAIN = "export the model with tf.saved_model.save or keras model.export and push that"
_SIGNATURE = "serving_default"
_INDEX = detect.SAVED_MODEL_INDEX
# TensorFlow and Keras write these too, and no loader runs them.
_BESIDE = frozenset(
    {
        "fingerprint.pb",
        "keras_metadata.pb",
        "debug/saved_model_debug_info.pb",
        "assets.extra/tf_serving_warmup_requests",
    }
)
_SHARD = re.compile(r"variables/variables\.data-(\d{5})-of-(\d{5})")
# tensorflow/core/framework/types.proto; a reference type is the same number plus 100.
_DTYPES = {
    1: "float32", 2: "float64", 3: "int32", 4: "uint8", 5: "int16", 6: "int8", 7: "string",
    9: "int64", 10: "bool", 14: "bfloat16", 17: "uint16", 19: "float16", 22: "uint32",
    23: "uint64",
}  # fmt: skip


def inspect(asked: Model) -> Found:
    """What the head says, and the files it refers to; raises UnsafeModel."""
    head = asked.head.path
    model = tensorflow_protos.SavedModel()
    try:
        model.ParseFromString(asked.head.message())
    except DecodeError as error:
        raise unsafe(
            head, "the file is damaged: its protobuf cannot be read", fix=_AGAIN
        ) from error
    meta = _serving_graph(model, head)
    assets = list(_assets(meta, asked))
    graph = saved_model_graph.index(meta, head)
    operations = saved_model_graph.check(graph, saved_model_assets.initialisers(graph))
    variables = _variables(graph, asked.sizes)
    name = _signature_name(meta, head)
    detail: dict[str, Json] = {
        "operations": operations,
        "producer": f"TensorFlow {meta.meta_info_def.tensorflow_version}"[:200],
        "signatureName": name,
    }
    signature = _signature(meta.signature_def[name], head)
    return Found(signature, detail, _BESIDE | {head, *assets, *variables})


def _serving_graph(model: Any, head: str) -> Any:
    if model.saved_model_schema_version != 1 or len(model.meta_graphs) != 1:
        raise unsafe(
            head,
            f"it holds {len(model.meta_graphs)} graphs in schema "
            f"{model.saved_model_schema_version}; wanted is one graph in schema 1",
            fix="export one graph, with the tag 'serve'",
        )
    meta = model.meta_graphs[0]
    if list(meta.meta_info_def.tags) != ["serve"]:
        tags = ", ".join(meta.meta_info_def.tags)[:120] or "none"
        raise unsafe(
            head, f"its graph has the tags {tags}", fix="export one graph, with the tag 'serve'"
        )
    return meta


def _assets(meta: Any, asked: Model) -> Iterator[str]:
    """A loader joins these names to a path: each must be a plain one, of a file that is there."""
    if "saved_model_assets" in meta.collection_def and not meta.asset_file_def:
        raise unsafe(asked.head.path, "its assets are listed only in the old way", fix=_AGAIN)
    for asset in meta.asset_file_def:
        try:
            path = names.file_path(f"assets/{asset.filename}")
        except errors.InvalidName:
            path = ""
        if not path or path not in asked.sizes:
            raise unsafe(
                asked.head.path,
                f"asset {asset.filename[:120]!r} is not a file of this model",
                fix=_AGAIN,
            )
        yield path


def _variables(graph: saved_model_graph.Graph, sizes: Mapping[str, int]) -> Iterable[str]:
    shards = {found[1]: found[2] for path in sizes if (found := _SHARD.fullmatch(path))}
    has_variables = any(node.op in {"VarHandleOp", "VariableV2"} for node in graph.nodes.values())
    if not shards and _INDEX not in sizes and not has_variables:
        return ()
    counts = set(shards.values())
    wanted = {f"{number:05d}" for number in range(int(min(counts, default="1")))}
    if _INDEX not in sizes or len(counts) > 1 or shards.keys() != wanted:
        raise unsafe(
            "variables/",
            f"the weights are not complete: found {len(shards)} data file(s) "
            f"and {'the' if _INDEX in sizes else 'no'} index",
            fix="push the whole exported folder, with variables/ in it",
        )
    return (_INDEX, *(path for path in sizes if _SHARD.fullmatch(path)))


def _signature_name(meta: Any, head: str) -> str:
    found = sorted(name for name in meta.signature_def if name != saved_model_graph.INITIALISER)
    if _SIGNATURE in found:
        return _SIGNATURE
    if len(found) == 1:
        return str(found[0])
    listed = ", ".join(found)[:200] or "none"
    raise unsafe(
        head,
        f"no signature {_SIGNATURE!r}; it has: {listed}",
        fix=f"export it with signatures={{'{_SIGNATURE}': …}}",
    )


def _signature(definition: Any, head: str) -> Signature:
    """By name: the protobuf's map has no order of its own."""
    if not definition.outputs or not definition.inputs:
        missing = "output" if definition.inputs else "input"
        raise unsafe(head, f"its signature has no {missing}", fix=_AGAIN)
    return Signature(
        tuple(_tensor(name, definition.inputs[name], head) for name in sorted(definition.inputs)),
        tuple(_tensor(name, definition.outputs[name], head) for name in sorted(definition.outputs)),
    )


def _tensor(name: str, info: Any, head: str) -> Tensor:
    dtype = _DTYPES.get(info.dtype % 100)
    if dtype is None or info.WhichOneof("encoding") != "name":
        raise unsafe(
            head,
            f"{name[:80]!r} is sparse, ragged or of a data type that cannot be served "
            f"(number {info.dtype})",
            fix=f"export it with dense tensors of: {', '.join(sorted(DTYPES))}",
        )
    if info.tensor_shape.unknown_rank:
        return Tensor(name, dtype, None)
    sizes = [dimension.size for dimension in info.tensor_shape.dim]
    return Tensor(name, dtype, tuple(size if size >= 0 else None for size in sizes))
