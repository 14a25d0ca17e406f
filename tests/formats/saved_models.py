"""Small SavedModels built field by field, many named for their flaw. Each gives {path: bytes}."""

from collections.abc import Callable
from typing import Any

from registry.formats.tensorflow_protos import SavedModel

Files = dict[str, bytes]
FLAWS: dict[str, tuple[Callable[[], Files], str]] = {}
FLOAT = 1


def flaw(expected: str) -> Callable[[Callable[[], Files]], Callable[[], Files]]:
    """Register a bad model with a pattern of what must be said about it."""

    def register(build: Callable[[], Files]) -> Callable[[], Files]:
        FLAWS[build.__name__] = (build, expected)
        return build

    return register


def honest() -> Any:
    """x -> serve(x) -> y, with a saver beside it as every SavedModel has."""
    model = SavedModel(saved_model_schema_version=1)
    meta = model.meta_graphs.add()
    meta.meta_info_def.tags.append("serve")
    add_node(meta, "serving_x", "Placeholder")
    call = add_node(meta, "call", "StatefulPartitionedCall", "serving_x")
    call.attr["f"].func.name = "serve"
    add_function(meta, "serve", ("r", "Relu", "x"))
    add_node(meta, "saver_filename", "Placeholder")
    save = add_node(meta, "save", "StatefulPartitionedCall", "saver_filename")
    save.attr["f"].func.name = "save_fn"
    add_function(meta, "save_fn", ("s", "SaveV2", "x"), ("m", "MergeV2Checkpoints", "s"))
    restore = add_node(meta, "restore", "StatefulPartitionedCall", "saver_filename")
    restore.attr["f"].func.name = "restore_fn"
    add_function(meta, "restore_fn", ("r", "RestoreV2", "x"))
    meta.saver_def.filename_tensor_name = "saver_filename:0"
    meta.saver_def.save_tensor_name = "save:0"
    meta.saver_def.restore_op_name = "restore"
    sign(meta, "serving_default")
    return model


def sign(meta: Any, name: str) -> None:
    signature = meta.signature_def[name]
    for tensors, key, source in (
        (signature.inputs, "x", "serving_x:0"),
        (signature.outputs, "y", "call:0"),
    ):
        tensors[key].name = source
        tensors[key].dtype = FLOAT
        tensors[key].tensor_shape.dim.add(size=-1)
        tensors[key].tensor_shape.dim.add(size=4)


def add_node(meta: Any, name: str, op: str, *inputs: str) -> Any:
    return meta.graph_def.node.add(name=name, op=op, input=list(inputs))


def add_function(meta: Any, name: str, *nodes: tuple[str, ...]) -> Any:
    function = meta.graph_def.library.function.add()
    function.signature.name = name
    function.signature.input_arg.add(name="x", type=FLOAT)
    for node, op, *inputs in nodes:
        function.node_def.add(name=node, op=op, input=inputs)
    return function


def with_vocabulary() -> Any:
    """As TensorFlow 2 writes a table that is filled from a file, when the model is loaded."""
    model = honest()
    meta = model.meta_graphs[0]
    add_node(meta, "asset_path", "Placeholder")
    meta.asset_file_def.add(filename="words.txt").tensor_info.name = "asset_path:0"
    add_node(meta, "path", "VarHandleOp").attr["shared_name"].s = b"path"
    add_node(meta, "path/Assign", "AssignVariableOp", "path", "asset_path")
    add_node(meta, "path/Read", "ReadVariableOp", "path", "^path/Assign")
    add_node(meta, "table", "HashTableV2")
    fill = add_node(meta, "fill", "StatefulPartitionedCall", "path/Read", "table")
    fill.attr["f"].func.name = "fill_fn"
    add_node(meta, "init", "NoOp", "^fill", "^path/Assign")
    meta.signature_def["__saved_model_init_op"].outputs["__saved_model_init_op"].name = "init"
    meta.collection_def["saved_model_main_op"].node_list.value.append("init")
    function = add_function(
        meta, "fill_fn", ("i", "InitializeTableFromTextFileV2", "table", "file")
    )
    del function.signature.input_arg[:]
    for name in ("file", "table"):
        function.signature.input_arg.add(name=name)
    objects = meta.object_graph_def
    objects.nodes.add().asset.asset_file_def_index = 0
    objects.nodes.add().resource.device = ""
    objects.nodes.add().constant.operation = "somewhere"
    objects.nodes.add().function.concrete_functions.append("fill_fn")
    objects.concrete_functions["fill_fn"].bound_inputs.extend([0, 1])
    return model


def vocabulary(change: Callable[[Any], object] = lambda meta: None) -> Files:
    model = with_vocabulary()
    change(model.meta_graphs[0])
    others = {"variables/variables.index": b"i", "variables/variables.data-00000-of-00001": b"d"}
    return {**files(model), "assets/words.txt": b"a\nb\n", **others}


def files(model: Any, **others: bytes) -> Files:
    return {"saved_model.pb": model.SerializeToString(), **others}


def changed(change: Callable[[Any], None]) -> Files:
    model = honest()
    change(model.meta_graphs[0])
    return files(model)


@flaw(r"operation ReadFile \('f' in function serve\) is not allowed")
def reads_a_file_when_asked() -> Files:
    return changed(lambda meta: _function(meta, "serve").node_def.add(name="f", op="ReadFile"))


@flaw(r"operation ReadFile \('f' in function deep\) is not allowed")
def reads_a_file_three_calls_in() -> Files:
    def change(meta: Any) -> None:
        add_function(meta, "deep", ("f", "ReadFile"))
        add_function(meta, "middle", ("c", "deep"))
        branch = _function(meta, "serve").node_def.add(name="b", op="StatelessIf")
        branch.attr["then_branch"].func.name = "middle"

    return changed(change)


@flaw(r"operation WriteFile .* is not allowed")
def writes_a_file_from_a_list_of_branches() -> Files:
    def change(meta: Any) -> None:
        add_function(meta, "arm", ("f", "WriteFile"))
        _function(meta, "serve").node_def.add(name="c", op="Case").attr[
            "branches"
        ].list.func.add().name = "arm"

    return changed(change)


@flaw(r"operation ReadFile \('f' in function nobody_calls\) is not allowed")
def reads_a_file_in_a_function_that_nobody_calls() -> Files:
    return changed(lambda meta: add_function(meta, "nobody_calls", ("f", "ReadFile")))


@flaw(r"operation SaveV2 \('s' in function save_fn\) is not allowed")
def writes_a_checkpoint_while_serving() -> Files:
    return changed(lambda meta: _function(meta, "serve").node_def.add(name="s", op="save_fn"))


@flaw(r"operation SaveV2 \('s' in function save_fn\) is not allowed")
def writes_a_checkpoint_while_it_is_loaded() -> Files:
    def change(meta: Any) -> None:
        meta.saver_def.restore_op_name = "save"

    return changed(change)


@flaw(r"operation SaveV2 \('s' in function save_fn\) is not allowed")
def writes_a_checkpoint_from_an_initialiser() -> Files:
    def change(meta: Any) -> None:
        node = meta.object_graph_def.nodes.add()
        node.function.concrete_functions.append("save_fn")

    return changed(change)


@flaw(r"operation RestoreV2 \('r' in function restore_fn\) is not allowed")
def reads_a_checkpoint_while_serving() -> Files:
    return changed(lambda meta: _function(meta, "serve").node_def.add(name="r", op="restore_fn"))


@flaw(r"operation SaveV2 \('planted' in graph\) is not allowed")
def writes_before_it_answers_by_a_control_dependency() -> Files:
    def change(meta: Any) -> None:
        add_node(meta, "planted", "SaveV2")
        meta.graph_def.node[1].input.append("^planted")

    return changed(change)


@flaw(r"operation PyFunc .* is not allowed")
def runs_python() -> Files:
    return changed(lambda meta: add_node(meta, "python", "PyFunc"))


@flaw("two operations or functions have one name")
def two_functions_of_one_name() -> Files:
    return changed(lambda meta: add_function(meta, "serve", ("r", "Relu", "x")))


@flaw("constant 'bomb' in graph declares 1099511627776 elements")
def constant_of_a_huge_shape() -> Files:
    def change(meta: Any) -> None:
        tensor = add_node(meta, "bomb", "Const").attr["value"].tensor
        tensor.float_val.append(1.0)
        tensor.tensor_shape.dim.add(size=1 << 40)

    return changed(change)


@flaw("declares 4398046511104 elements")
def input_of_a_huge_shape() -> Files:
    def change(meta: Any) -> None:
        shape = meta.signature_def["serving_default"].inputs["x"].tensor_shape
        shape.dim[0].size = 1 << 40

    return changed(change)


_UNCERTAIN = r"operation \w+ \('\S+'\) is not allowed: the file that a table is filled from"


@flaw(_UNCERTAIN)
def table_filled_from_a_constant_path() -> Files:
    def change(meta: Any) -> None:
        add_node(meta, "passwd", "Const")
        _node(meta, "fill").input[0] = "passwd"

    return vocabulary(change)


@flaw(_UNCERTAIN)
def table_filled_from_a_constant_path_inside_the_function() -> Files:
    def change(meta: Any) -> None:
        function = _function(meta, "fill_fn")
        function.node_def.add(name="passwd", op="Const")
        function.node_def[0].input[1] = "passwd:output:0"

    return vocabulary(change)


@flaw(_UNCERTAIN)
def asset_whose_tensor_is_a_constant() -> Files:
    return vocabulary(lambda meta: setattr(_node(meta, "asset_path"), "op", "Const"))


@flaw(_UNCERTAIN)
def path_that_is_assigned_something_else_too() -> Files:
    def change(meta: Any) -> None:
        add_node(meta, "passwd", "Const")
        add_node(meta, "again", "AssignVariableOp", "path", "passwd")

    return vocabulary(change)


@flaw(_UNCERTAIN)
def path_that_a_function_could_assign() -> Files:
    def change(meta: Any) -> None:
        _node(meta, "call").input.append("path")

    return vocabulary(change)


@flaw(_UNCERTAIN)
def path_that_another_handle_could_assign() -> Files:
    def change(meta: Any) -> None:
        node = _function(meta, "serve").node_def.add(name="other", op="VarHandleOp")
        node.attr["shared_name"].s = b"path"

    return vocabulary(change)


@flaw(_UNCERTAIN)
def filling_function_that_is_called_again_with_another_path() -> Files:
    def change(meta: Any) -> None:
        function = add_function(meta, "wrapper", ("p", "Const"))
        call = function.node_def.add(name="c", op="PartitionedCall", input=["p:output:0", "x"])
        call.attr["f"].func.name = "fill_fn"

    return vocabulary(change)


@flaw(_UNCERTAIN)
def filling_function_in_a_branch() -> Files:
    def change(meta: Any) -> None:
        branch = add_node(meta, "b", "If", "path/Read", "path/Read", "table")
        branch.attr["then_branch"].func.name = "fill_fn"

    return vocabulary(change)


@flaw(_UNCERTAIN)
def filling_function_whose_path_is_bound_to_a_constant() -> Files:
    def change(meta: Any) -> None:
        meta.object_graph_def.concrete_functions["fill_fn"].bound_inputs[0] = 2

    return vocabulary(change)


@flaw(_UNCERTAIN)
def filling_function_whose_path_the_caller_gives() -> Files:
    def change(meta: Any) -> None:
        del meta.object_graph_def.concrete_functions["fill_fn"].bound_inputs[0]

    return vocabulary(change)


@flaw(r"InitializeTableFromTextFileV2 .* is not allowed")
def table_filled_while_serving() -> Files:
    return vocabulary(lambda meta: _node(meta, "call").input.append("^fill"))


@flaw("lets a caller set an asset's path")
def signature_that_takes_the_path() -> Files:
    def change(meta: Any) -> None:
        meta.signature_def["serving_default"].inputs["x"].name = "asset_path:0"

    return vocabulary(change)


@flaw("lets a caller set an asset's path")
def initialiser_that_takes_an_input() -> Files:
    def change(meta: Any) -> None:
        meta.signature_def["__saved_model_init_op"].inputs["x"].name = "serving_x:0"

    return vocabulary(change)


@flaw("operation ReadFile .* is not allowed")
def initialiser_that_reads_a_file() -> Files:
    return vocabulary(lambda meta: add_node(meta, "r", "ReadFile") and
                      _node(meta, "init").input.append("^r"))  # fmt: skip


@flaw(r"saved_model\.cpb: .* does not refer to this file")
def second_graph_in_chunks() -> Files:
    return {**files(honest()), "saved_model.cpb": b"x"}


@flaw("its assets are listed only in the old way")
def assets_in_a_collection_only() -> Files:
    def change(meta: Any) -> None:
        meta.collection_def["saved_model_assets"].any_list.value.add()

    return changed(change)


@flaw("asset '../../etc/passwd' is not a file of this model")
def asset_above() -> Files:
    return changed(lambda meta: meta.asset_file_def.add(filename="../../etc/passwd"))


@flaw("asset 'words.txt' is not a file of this model")
def asset_missing() -> Files:
    return changed(lambda meta: meta.asset_file_def.add(filename="words.txt"))


@flaw(r"the weights are not complete: found 0 data file\(s\) and no index")
def variables_missing() -> Files:
    return changed(lambda meta: add_node(meta, "v", "VarHandleOp"))


@flaw(r"the weights are not complete: found 1 data file\(s\) and the index")
def one_shard_of_two_missing() -> Files:
    others = {"variables/variables.index": b"i", "variables/variables.data-00001-of-00002": b"d"}
    return {**files(honest()), **others}


@flaw("it holds 2 graphs in schema 1")
def two_graphs() -> Files:
    model = honest()
    model.meta_graphs.add().CopyFrom(model.meta_graphs[0])
    return files(model)


@flaw("its graph has the tags train")
def training_graph() -> Files:
    def change(meta: Any) -> None:
        meta.meta_info_def.tags[0] = "train"

    return changed(change)


@flaw("no signature 'serving_default'; it has: a, b")
def two_signatures_and_no_default() -> Files:
    def change(meta: Any) -> None:
        del meta.signature_def["serving_default"]
        sign(meta, "a")
        sign(meta, "b")

    return changed(change)


@flaw("no signature 'serving_default'; it has: none")
def no_signature() -> Files:
    def change(meta: Any) -> None:
        del meta.signature_def["serving_default"]

    return changed(change)


@flaw("is sparse, ragged or of a data type that cannot be served")
def input_of_a_variant() -> Files:
    def change(meta: Any) -> None:
        meta.signature_def["serving_default"].inputs["x"].dtype = 21

    return changed(change)


@flaw("truncated or damaged: it ends at byte")
def truncated() -> Files:
    return {"saved_model.pb": files(honest())["saved_model.pb"][:-50]}


@flaw("is not TensorFlow SavedModel")
def text() -> Files:
    return {"saved_model.pb": b"this is not a model\n"}


@flaw("its protobuf cannot be read")
def garbage_inside() -> Files:
    return {"saved_model.pb": b"\x08\x01\x12\x40" + b"\xff" * 64}


def _function(meta: Any, name: str) -> Any:
    return next(f for f in meta.graph_def.library.function if f.signature.name == name)


def _node(meta: Any, name: str) -> Any:
    return next(node for node in meta.graph_def.node if node.name == name)
