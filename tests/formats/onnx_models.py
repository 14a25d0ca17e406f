"""Small ONNX models, one honest and many named for their flaw. Each gives {path: bytes}."""

from collections.abc import Callable

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Files = dict[str, bytes]
FLAWS: dict[str, tuple[Callable[[], Files], str]] = {}


def flaw(expected: str) -> Callable[[Callable[[], Files]], Callable[[], Files]]:
    """Register a bad model with a pattern of what must be said about it."""

    def register(build: Callable[[], Files]) -> Callable[[], Files]:
        FLAWS[build.__name__] = (build, expected)
        return build

    return register


def graph(nodes=None, weights=None, outputs=("y",)) -> onnx.GraphProto:
    nodes = nodes or [helper.make_node("MatMul", ["x", "w"], ["y"])]
    weights = [weight()] if weights is None else weights
    return helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 3]) for name in outputs],
        weights,
    )


def weight(name: str = "w") -> onnx.TensorProto:
    return numpy_helper.from_array(np.ones((4, 3), np.float32), name)


def external(location: str, *, length: int = 48, offset: int = 0) -> onnx.TensorProto:
    tensor = onnx.TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4, 3])
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", offset), ("length", length)):
        tensor.external_data.add(key=key, value=str(value))
    return tensor


def model(of: onnx.GraphProto | None = None, **more) -> onnx.ModelProto:
    more.setdefault("opset_imports", [helper.make_opsetid("", 17)])
    return helper.make_model(of or graph(), ir_version=10, **more)


def files(of: onnx.ModelProto | None = None, **others: bytes) -> Files:
    return {"model.onnx": (of or model()).SerializeToString(), **others}


def with_external_data() -> Files:
    return files(model(graph(weights=[external("weights.bin")])), **{"weights.bin": bytes(48)})


def nested(depth: int) -> onnx.ModelProto:
    """`depth` If operations, each in the branch of the one before."""
    output = helper.make_tensor_value_info("z", TensorProto.FLOAT, None)
    inner = helper.make_graph([helper.make_node("Identity", ["x"], ["z"])], "b", [], [output])
    for _ in range(depth):
        node = helper.make_node("If", ["c"], ["z"], then_branch=inner, else_branch=inner)
        inner = helper.make_graph([node], "b", [], [output])
    condition = numpy_helper.from_array(np.array(True), "c")
    top = helper.make_node("Identity", ["z"], ["y"])
    return model(graph([*inner.node, top], [condition]))


@flaw("truncated or damaged: it ends at byte")
def truncated() -> Files:
    return {"model.onnx": files()["model.onnx"][:-40]}


@flaw("truncated or damaged")
def truncated_to_a_few_bytes() -> Files:
    return {"model.onnx": files()["model.onnx"][:20]}


@flaw("a zip archive")
def a_zip() -> Files:
    return {"model.onnx": b"PK\x03\x04" + bytes(60)}


@flaw("a Python pickle")
def a_pickle() -> Files:
    return {"model.onnx": b"\x80\x04\x95" + bytes(60)}


@flaw("a Git LFS pointer")
def a_git_lfs_pointer() -> Files:
    return {"model.onnx": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n"}


@flaw("is not ONNX")
def text() -> Files:
    return {"model.onnx": b"this is not a model, it is a note to say that it is not\n"}


@flaw("the file is empty")
def empty() -> Files:
    return {"model.onnx": b""}


@flaw("external data at '../weights.bin', outside of the model")
def external_data_above() -> Files:
    return files(model(graph(weights=[external("../weights.bin")])), **{"weights.bin": bytes(48)})


@flaw("external data at '/etc/passwd'")
def external_data_absolute() -> Files:
    return files(model(graph(weights=[external("/etc/passwd")])))


@flaw("'weights.bin', which was not pushed")
def external_data_missing() -> Files:
    return files(model(graph(weights=[external("weights.bin")])))


@flaw("which has only 40")
def external_data_too_short() -> Files:
    return files(model(graph(weights=[external("weights.bin")])), **{"weights.bin": bytes(40)})


@flaw("4096 external bytes for a shape that needs 48")
def external_data_of_another_shape() -> Files:
    far = external("weights.bin", length=4096)
    return files(model(graph(weights=[far])), **{"weights.bin": bytes(4096)})


@flaw("weights share bytes of weights.bin")
def external_data_shared_to_unpack_into_more() -> Files:
    twice = external("weights.bin")
    twice.name = "w2"
    both = [external("weights.bin"), twice]
    return files(model(graph(weights=both)), **{"weights.bin": bytes(48)})


@flaw("external data outside of a graph's weights")
def external_data_in_a_constant() -> Files:
    node = helper.make_node("Constant", [], ["w"], value=external("weights.bin"))
    nodes = [node, helper.make_node("MatMul", ["x", "w"], ["y"])]
    return files(model(graph(nodes, [])), **{"weights.bin": bytes(48)})


@flaw("external data outside of a graph's weights")
def external_data_in_a_sparse_tensor() -> Files:
    of = graph()
    sparse = of.sparse_initializer.add(dims=[4, 3])
    sparse.values.CopyFrom(external("weights.bin"))
    sparse.indices.CopyFrom(numpy_helper.from_array(np.zeros(1, np.int64), "i"))
    return files(model(of), **{"weights.bin": bytes(48)})


@flaw(r"operation com\.evil\.Run .* is not allowed")
def operation_of_a_foreign_domain() -> Files:
    return files(model(graph([helper.make_node("Run", ["x"], ["y"], domain="com.evil")])))


@flaw(r"operations of domain 'com\.evil' are not allowed")
def import_of_a_foreign_domain() -> Files:
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("com.evil", 1)]
    return files(model(opset_imports=imports))


@flaw(r"operation com\.microsoft\.PyOp .* is not allowed")
def microsoft_operation_that_is_not_listed() -> Files:
    return files(model(graph([helper.make_node("PyOp", ["x"], ["y"], domain="com.microsoft")])))


@flaw("nest deeper than 8")
def branches_nested_deep() -> Files:
    return files(nested(9))


@flaw("shape 1099511627776 needs")
def weights_of_a_huge_shape_without_data() -> Files:
    huge = onnx.TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1 << 40])
    return files(model(graph(weights=[huge])))


@flaw("shape -4x3 is negative")
def weights_of_a_negative_shape() -> Files:
    odd = weight()
    odd.dims[0] = -4
    return files(model(graph(weights=[odd])))


@flaw("declares 4398046511104 elements")
def input_of_a_huge_shape() -> Files:
    of = graph()
    of.input[0].type.tensor_type.shape.dim[0].dim_value = 1 << 40
    return files(model(of))


@flaw("function 'again' calls itself")
def function_that_calls_itself() -> Files:
    return files(_with_functions([("again", ["again"])]))


@flaw("its functions unroll to")
def functions_that_unroll_without_end() -> Files:
    chain = [(f"f{level}", [f"f{level + 1}"] * 10) for level in range(7)]
    return files(_with_functions([*chain, ("f7", [])]))


@flaw("it holds a training graph")
def training_graph() -> Files:
    of = model()
    of.training_info.add()
    return files(of)


@flaw("output 'y' is a sequence, not a tensor")
def output_that_is_no_tensor() -> Files:
    of = graph()
    of.output[0].CopyFrom(helper.make_tensor_sequence_value_info("y", TensorProto.FLOAT, None))
    return files(model(of))


@flaw("data type that cannot be served")
def input_of_complex_numbers() -> Files:
    of = graph()
    of.input[0].type.tensor_type.elem_type = TensorProto.COMPLEX64
    return files(model(of))


@flaw("onnx.checker refuses it")
def operation_that_does_not_exist() -> Files:
    return files(model(graph([helper.make_node("NoSuchThing", ["x"], ["y"])])))


@flaw("onnx.checker refuses it")
def edge_from_nowhere() -> Files:
    return files(model(graph([helper.make_node("MatMul", ["x", "nowhere"], ["y"])])))


@flaw("it has no output")
def no_output() -> Files:
    return files(model(graph(outputs=())))


def _with_functions(described: list[tuple[str, list[str]]]) -> onnx.ModelProto:
    """Functions by name, each calling the named others one after the other."""
    domain, imports = "local", [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)]
    functions = []
    for name, calls in described:
        steps = [helper.make_node(called, ["a"], ["b"], domain=domain) for called in calls]
        steps = steps or [helper.make_node("Identity", ["a"], ["b"])]
        functions.append(helper.make_function(domain, name, ["a"], ["b"], steps, imports))
    start = helper.make_node(described[0][0], ["x"], ["y"], domain=domain)
    return model(graph([start]), opset_imports=imports, functions=functions)
