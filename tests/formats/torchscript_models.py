"""Small TorchScript archives built record by record, many named for their flaw.

Each gives {path: bytes}. The real ones beside (golden/) are PyTorch's own.
"""

import io
import pickle
import struct
import zipfile
from collections.abc import Callable

Files = dict[str, bytes]
FLAWS: dict[str, tuple[Callable[[], Files], str]] = {}

CODE = """\
class Net(Module):
  __parameters__ = ["weight", ]
  __buffers__ = []
  weight : Tensor
  training : bool
  scale : Final[float] = 2.0
  def forward(self: __torch__.Net,
    x: Tensor,
    mask: Optional[Tensor]=None) -> Tuple[Tensor, Tensor]:
    weight = self.weight
    _0 = torch.matmul(x, weight)
    if torch.__isnot__(mask, None):
      mask0 = unchecked_cast(Tensor, mask)
      _1 = torch.mul(_0, mask0)
    else:
      _1 = (self).scaled(_0, )
    return (torch.relu_(_1), _0)
  def scaled(self: __torch__.Net,
    x: Tensor) -> Tensor:
    return torch.mul(x, CONSTANTS.c0)
"""
SOURCE = "code/__torch__.py"


def flaw(expected: str) -> Callable[[Callable[[], Files]], Callable[[], Files]]:
    """Register a bad model with a pattern of what must be said about it."""

    def register(build: Callable[[], Files]) -> Callable[[], Files]:
        FLAWS[build.__name__] = (build, expected)
        return build

    return register


class Pickle:
    """Opcodes one behind the other."""

    def __init__(self) -> None:
        self.data = pickle.PROTO + b"\x02"

    def add(self, *steps: bytes | str | int) -> "Pickle":
        for step in steps:
            match step:
                case bytes():
                    self.data += step
                case str():
                    self.data += b"X" + struct.pack("<I", len(step.encode())) + step.encode()
                case int():
                    self.data += b"J" + struct.pack("<i", step)
        return self

    def name(self, module: str, name: str) -> "Pickle":
        self.data += f"c{module}\n{name}\n".encode()
        return self

    def tensor(
        self,
        key: str = "0",
        *,
        elements: int = 12,
        offset: int = 0,
        size: tuple[int, ...] = (4, 3),
        stride: tuple[int, ...] = (3, 1),
    ) -> "Pickle":
        self.name("torch._utils", "_rebuild_tensor_v2").add(b"((", "storage")
        self.name("torch", "FloatStorage").add(key, "cpu", elements, b"tQ", offset)
        self.add(b"(", *size, b"t(", *stride, b"t", b"\x89")
        return self.name("collections", "OrderedDict").add(b")RtR")


def data(tensor: Callable[[Pickle], Pickle] = Pickle.tensor) -> bytes:
    """An object of class Net with its weight."""
    net = Pickle().name("__torch__", "Net").add(b")\x81}(", "training", b"\x88", "weight")
    return tensor(net).add(b"ub.").data


def constants() -> bytes:
    return Pickle().tensor(elements=1, size=(), stride=()).add(b"\x85.").data


def records(**changes: bytes | None) -> dict[str, bytes]:
    """Of an honest archive, with some replaced, added or (None) left out."""
    found: dict[str, bytes | None] = {
        "data/0": bytes(48),
        "constants/0": bytes(4),
        "data.pkl": data(),
        SOURCE: CODE.encode(),
        "constants.pkl": constants(),
        "version": b"3\n",
        "byteorder": b"little",
        **changes,
    }
    return {name: content for name, content in found.items() if content is not None}


def archive(of: dict[str, bytes], *, packed: tuple[str, ...] = (SOURCE,)) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name, content in of.items():
            form = zipfile.ZIP_DEFLATED if name in packed else zipfile.ZIP_STORED
            file.writestr(zipfile.ZipInfo(f"net/{name}"), content, form)
    return out.getvalue()


def files(**changes: bytes | None) -> Files:
    return {"model.pt": archive(records(**changes))}


def with_code(old: str, new: str) -> Files:
    assert old in CODE
    return files(**{SOURCE: CODE.replace(old, new).encode()})


def with_body(*lines: str) -> Files:
    """forward() does this first."""
    first = "    weight = self.weight\n"
    return with_code(first, "".join(f"    {line}\n" for line in lines) + first)


@flaw(r"line 10: operation 'torch\.from_file' is not allowed")
def reads_a_file() -> Files:
    return with_body('y = torch.from_file("/etc/passwd", False, 10)')


@flaw(r"operation 'ops\.aten\.from_file' is not allowed")
def reads_a_file_by_the_operation() -> Files:
    return with_body('y = ops.aten.from_file("/etc/passwd", False, 10)')


@flaw(r"operation 'torch\.save' is not allowed")
def writes_a_file_through_a_variable() -> Files:
    return with_body("f = torch.save", 'f(x, "/tmp/planted")')


@flaw("operation 'save' is not allowed")
def writes_a_file_by_a_method_of_a_tensor() -> Files:
    return with_body('_9 = (x).save("/tmp/planted", )')


@flaw("operation 'save' is not allowed")
def writes_a_file_by_a_method_asked_for_by_name() -> Files:
    return with_body('f = getattr(x, "save")', 'f("/tmp/planted")')


@flaw("'save' is the name of an operation")
def writes_a_file_behind_a_method_of_the_same_name() -> Files:
    method = "  def save(self: __torch__.Net, to: str) -> NoneType:\n    return None\n"
    return files(**{SOURCE: (CODE + method).encode()})


@flaw("an attribute whose name is not in the text")
def asks_for_an_attribute_by_a_computed_name() -> Files:
    return with_body('f = getattr(x, torch.add("sa", "ve"))')


@flaw("operation 'torch' is not allowed")
def gives_pytorch_another_name() -> Files:
    return with_body("t = torch", "y = t.relu(x)")


@flaw("a local name hides one of PyTorch's own")
def gives_another_thing_the_name_of_pytorch() -> Files:
    return with_body("torch = x")


@flaw(r"operation 'ops\.evil\.run' is not allowed")
def operation_of_a_foreign_namespace() -> Files:
    return with_body("y = ops.evil.run(x)")


@flaw(r"operation 'ops\.image\.read_file' is not allowed")
def operation_of_another_library_that_reads_files() -> Files:
    return with_body('y = ops.image.read_file("/etc/passwd")')


@flaw(r"operation 'ops\.prim\.rpc_sync' is not allowed")
def talks_to_others() -> Files:
    return with_body('y = ops.prim.rpc_sync("worker", "f", (x,), {})')


@flaw(r"operation 'torch\.set_' is not allowed")
def lets_a_tensor_see_memory_that_is_not_its_own() -> Files:
    return with_body("y = torch.set_(x, x, 0, [1 << 40], [1])")


@flaw(r"operation '__torch__\.torch\.classes\.evil\.Loader' is not allowed")
def class_of_a_foreign_library() -> Files:
    return with_body('y = __torch__.torch.classes.evil.Loader("x")')


@flaw("hides a library's class")
def class_in_place_of_a_foreign_librarys() -> Files:
    return files(**{"code/__torch__/torch/classes/evil.py": b"class Loader:\n  a : int\n"})


@flaw("name 'open' is not known")
def calls_python() -> Files:
    return with_body('y = open("/etc/passwd")')


@flaw(
    "has '# type: ",
)
def types_in_a_comment() -> Files:
    return with_body("y = x # type: Tensor")


@flaw("is nothing that PyTorch writes")
def code_with_a_function_in_a_function() -> Files:
    return with_body("def f(y: Tensor) -> Tensor:", "  return y")


@flaw("has '@', which PyTorch does not write")
def code_with_a_decorator() -> Files:
    return with_code("  def scaled", "  @staticmethod\n  def scaled")


@flaw("has 'b\"x\"'")
def code_with_a_text_of_bytes() -> Files:
    return with_body('y = b"x"')


@flaw("a character that PyTorch does not write")
def code_with_tabs() -> Files:
    return with_body("y =\tx")


@flaw("a character that PyTorch does not write")
def code_with_a_continued_line() -> Files:
    return with_body("y = \\", "x")


@flaw("this is not TorchScript")
def code_that_is_no_code() -> Files:
    return files(**{SOURCE: b"this is not code at all"})


@flaw("line 1 defines nothing")
def code_beside_classes_and_functions() -> Files:
    return files(**{SOURCE: ("torch.relu\n" + CODE).encode()})


@flaw("nests deeper than|too many|not TorchScript")
def code_nested_deep() -> Files:
    return with_body("y = " + "(x, " * 150 + "x" + ")" * 150 + "[0]" * 150)


@flaw(r"data\.pkl: 'os\.system' is not allowed")
def pickle_that_runs_a_command() -> Files:
    run = Pickle().name("os", "system").add("(", "true", b"tR.").data
    return files(**{"data.pkl": run})


@flaw(r"constants\.pkl: 'builtins\.eval' is not allowed")
def constants_that_run_python() -> Files:
    run = Pickle().name("builtins", "eval").add(b"(", "1", b"tR.").data
    return files(**{"constants.pkl": run})


@flaw(r"code/__torch__\.py\.debug_pkl: 'os\.system' is not allowed")
def debug_pickle_that_runs_a_command() -> Files:
    run = Pickle().name("os", "system").add(b".").data
    return files(**{f"{SOURCE}.debug_pkl": run})


@flaw("opcode STACK_GLOBAL is not allowed")
def pickle_with_a_computed_name() -> Files:
    return files(**{"data.pkl": b"\x80\x02\x8c\x02os\x8c\x06system\x93."})


@flaw("opcode INST is not allowed")
def pickle_of_an_old_instance() -> Files:
    return files(**{"data.pkl": b"(ios\nsystem\n."})


@flaw(r"'__torch__\.Other' is not allowed")
def object_of_a_class_without_code() -> Files:
    return files(**{"data.pkl": Pickle().name("__torch__", "Other").add(b")\x81.").data})


@flaw("is damaged")
def pickle_that_ends_early() -> Files:
    return files(**{"data.pkl": data()[:-20]})


@flaw("something follows its end")
def pickle_with_another_behind() -> Files:
    return files(**{"data.pkl": data() + b"cos\nsystem\n."})


@flaw("is damaged")
def pickle_that_takes_from_an_empty_stack() -> Files:
    return files(**{"data.pkl": b"\x80\x02R."})


@flaw(r"12 elements of float32 are not in record 'data/9'")
def tensor_without_bytes() -> Files:
    return files(**{"data.pkl": data(lambda p: p.tensor("9"))})


@flaw(r"4096 elements of float32 are not in record 'data/0'")
def storage_larger_than_its_record() -> Files:
    return files(**{"data.pkl": data(lambda p: p.tensor(elements=4096))})


@flaw("a tensor reaches to element 1199 of data/0, which has 12")
def tensor_larger_than_its_storage() -> Files:
    return files(**{"data.pkl": data(lambda p: p.tensor(size=(400, 3)))})


@flaw("a tensor reaches to element 3002 of data/0")
def tensor_with_wide_strides() -> Files:
    return files(**{"data.pkl": data(lambda p: p.tensor(stride=(1000, 1)))})


@flaw("a tensor reaches to element 111 of data/0")
def tensor_behind_its_storage() -> Files:
    return files(**{"data.pkl": data(lambda p: p.tensor(offset=100))})


@flaw("impossible size or stride")
def tensor_with_a_negative_stride() -> Files:
    return files(**{"data.pkl": data(lambda p: p.tensor(stride=(-3, 1)))})


@flaw("record 'data/1' belongs to no tensor")
def weights_that_nothing_refers_to() -> Files:
    return files(**{"data/1": b"hidden"})


@flaw("the weights in 'data/0' are packed")
def packed_weights() -> Files:
    return {"model.pt": archive(records(), packed=("data/0",))}


@flaw("record 'extra/run.py' is not part of")
def program_among_the_extra_files() -> Files:
    return files(**{"extra/run.py": b"import os"})


@flaw("a second program, saved for the lite interpreter")
def bytecode_in_place_of_the_code() -> Files:
    return files(**{"bytecode.pkl": Pickle().add("aten::from_file", b".").data})


@flaw("record 'ts_code/0' is not part of")
def record_of_torch_package() -> Files:
    return files(**{"ts_code/0": b"x"})


@flaw("a torch.save checkpoint, which is a Python pickle")
def state_dict() -> Files:
    return files(**{SOURCE: None, "constants.pkl": None, "constants/0": None})


@flaw(r"a torch\.export archive")
def export_archive() -> Files:
    return files(archive_format=b"pt2", **{SOURCE: None, "constants.pkl": None})


@flaw("does not consist of one folder")
def records_in_two_folders() -> Files:
    out = io.BytesIO(archive(records()))
    with zipfile.ZipFile(out, "a") as file:
        file.writestr("other/data.pkl", b".")
    return {"model.pt": out.getvalue()}


@flaw("this is a Python pickle, not TorchScript")
def old_checkpoint() -> Files:
    return {"model.pt": pickle.dumps({"weight": [1.0]}, protocol=2)}


@flaw("this is not TorchScript|not a TorchScript")
def text() -> Files:
    return {"model.pt": b"this is not a model\n"}


@flaw("the file is empty")
def empty() -> Files:
    return {"model.pt": b""}
