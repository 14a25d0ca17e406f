"""The code of a TorchScript archive: read as text, checked against what it may use. Never run.

TorchScript looks like Python, and every file that PyTorch writes is valid Python, so Python's own
parser reads it. Where the two could disagree on what a text means (comments, which TorchScript
reads types from; odd strings; tabs; letters beyond ASCII) the text is refused. Every name is then
a local one, a class or function of the archive, or in `torch_ops`.
"""

import ast
import io
import re
import tokenize
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Never

from registry.formats import torch_ops
from registry.formats.refusal import unsafe

MAX_SOURCE = 16 << 20
MAX_DEPTH = 200
ROOTS = {"torch", "ops", "CONSTANTS", "__torch__"}

_AGAIN = "export the module without it, or as ONNX (torch.onnx.export)"
_BASES = {"Module", "NamedTuple", "Interface", "ModuleInterface", "Enum"}
_TYPES = """
Any Await Capsule Device Dict Final Future Generator Layout List MemoryFormat NoneType Optional
QScheme Scalar ScalarType Storage Stream Tensor Tuple Union bool complex float int number
str
"""
_FUNCTIONS = """
abs annotate bin chr dict divmod enumerate getattr hasattr hex inf infj isinstance len list max min
nan nanj oct ord pow range reversed round sorted sum tuple unchecked_cast uninitialized zip
"""
_KNOWN = frozenset(f"{_TYPES} {_FUNCTIONS}".split())
_NODES = (
    ast.AnnAssign, ast.Assign, ast.Attribute, ast.BinOp, ast.BoolOp, ast.Call, ast.Compare,
    ast.Constant, ast.Dict, ast.Expr, ast.For, ast.If, ast.IfExp, ast.List, ast.Name, ast.Pass,
    ast.Return, ast.Slice, ast.Subscript, ast.Tuple, ast.UnaryOp, ast.While,
    ast.With, ast.arg, ast.arguments, ast.boolop, ast.cmpop, ast.expr_context, ast.keyword,
    ast.operator, ast.unaryop, ast.withitem,
)  # fmt: skip
# Control characters, which PyTorch writes as escapes, and a line that goes on in the next.
_UNWRITTEN = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]|\\\n")
_NUMBER = re.compile(r"\d+(\.\d*)?([eE][+-]?\d+)?j?|\.\d+([eE][+-]?\d+)?j?")
_STRING = re.compile(r"""(?!\"\"\"|''')["'].*""", re.DOTALL)
_CONSTANT = re.compile(r"c\d+")


@dataclass(slots=True)
class Code:
    """All files by the module they define, and what they define together.

    `defined` are classes and functions by qualified name, `attributes` all names that a class of
    the archive gives to a method, a field or a constant.
    """

    modules: dict[str, ast.Module] = field(default_factory=dict)
    defined: dict[str, ast.ClassDef | ast.FunctionDef] = field(default_factory=dict)
    attributes: set[str] = field(default_factory=set)

    def classes(self) -> frozenset[str]:
        """Qualified names of the classes."""
        return frozenset(
            name for name, node in self.defined.items() if isinstance(node, ast.ClassDef)
        )


def parse(head: str, sources: Mapping[str, bytes]) -> Code:
    """`sources` by record name, such as `code/__torch__/a.py`. Raises UnsafeModel."""
    code = Code()
    if sum(len(source) for source in sources.values()) > MAX_SOURCE:
        raise unsafe(head, f"its code has over {MAX_SOURCE} bytes", fix=_AGAIN)
    for record, source in sources.items():
        module = record.removeprefix("code/").removesuffix(".py").replace("/", ".")
        tree = _tree(head, record, source)
        code.modules[module] = tree
        for node in tree.body:
            # PyTorch would take the library's class of that name, whatever the text says.
            hides = module.startswith("__torch__.torch.classes")
            if hides or not isinstance(node, ast.ClassDef | ast.FunctionDef):
                what = "hides a library's class" if hides else "defines nothing"
                raise unsafe(head, f"{record}: line {node.lineno} {what}", fix=_AGAIN)
            code.defined[f"{module}.{node.name}"] = node
            if isinstance(node, ast.ClassDef):
                code.attributes.update(_attributes(node))
    return code


def check(head: str, code: Code) -> int:
    """The number of operations that are called; raises UnsafeModel for one that is not allowed."""
    return sum(
        _Walk(head, module, code).definition(node)
        for module, tree in code.modules.items()
        for node in tree.body
    )


def _tree(head: str, record: str, source: bytes) -> ast.Module:
    try:
        text = source.decode()
        _check_tokens(head, record, text)
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, tokenize.TokenError) as error:
        raise unsafe(
            head, f"{record}: this is not TorchScript: {str(error)[:120]}", fix=_AGAIN
        ) from error
    _check_depth(head, record, tree)
    return tree


def _check_tokens(head: str, record: str, text: str) -> None:
    """Only such characters and literals as both languages read alike."""
    if _UNWRITTEN.search(text):
        raise unsafe(head, f"{record}: a character that PyTorch does not write", fix=_AGAIN)
    for token in tokenize.generate_tokens(io.StringIO(text, newline="").readline):
        match token.type:
            case tokenize.COMMENT | tokenize.ERRORTOKEN | tokenize.TYPE_COMMENT:
                is_fine = False
            case tokenize.NUMBER:
                is_fine = _NUMBER.fullmatch(token.string) is not None
            case tokenize.STRING:
                is_fine = _STRING.fullmatch(token.string) is not None
            case tokenize.INDENT:
                is_fine = not token.string.strip(" ")
            case _:
                is_fine = token.string.isascii() and token.string not in {";", ":=", "@", "..."}
        if not is_fine:
            raise unsafe(
                head,
                f"{record}: line {token.start[0]} has {token.string[:40]!r}, "
                "which PyTorch does not write",
                fix=_AGAIN,
            )


def _check_depth(head: str, record: str, tree: ast.Module) -> None:
    level: list[ast.AST] = [tree]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if not level:
            return
    raise unsafe(head, f"{record}: nests deeper than {MAX_DEPTH}", fix=_AGAIN)


def _attributes(node: ast.ClassDef) -> Iterator[str]:
    for inner in node.body:
        match inner:
            case ast.FunctionDef(name=name):
                yield name
            case ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]):
                yield name
            case ast.Assign(
                targets=[
                    ast.Subscript(
                        value=ast.Name(id="__annotations__"), slice=ast.Constant(value=str(name))
                    )
                ]
            ):
                yield name


class _Walk:
    """One file's walk; `_locals` are the names that the function at hand has given."""

    def __init__(self, head: str, module: str, code: Code) -> None:
        self._head = head
        self._module = module
        self._code = code
        self._locals: Collection[str] = ()
        self._operations = 0

    def definition(self, node: ast.stmt) -> int:
        """Operations in a class or function."""
        if isinstance(node, ast.ClassDef):
            self._class(node)
        elif isinstance(node, ast.FunctionDef):
            self._function(node)
        return self._operations

    def _class(self, node: ast.ClassDef) -> None:
        bases = [base.id if isinstance(base, ast.Name) else "" for base in node.bases]
        if node.keywords or node.decorator_list or not _BASES.issuperset(bases):
            self._refuse(node, f"class {node.name[:80]!r} is of a kind that is not allowed")
        for name in _attributes(node):
            if torch_ops.is_denied(name):
                self._refuse(node, f"{name[:80]!r} is the name of an operation: rename it")
        for inner in node.body:
            self._member(inner)

    def _member(self, node: ast.stmt) -> None:
        match node:
            case ast.FunctionDef():
                self._function(node)
            case (
                ast.Assign(targets=[ast.Name()], value=value)
                | ast.Assign(
                    targets=[ast.Subscript(value=ast.Name(id="__annotations__"))], value=value
                )
            ):
                self._nodes(value)
            case ast.AnnAssign(target=ast.Name(), annotation=kind, value=value):
                self._nodes(kind, *([value] if value else []))
            case ast.Pass():
                pass
            case _:
                self._refuse(node, "something in a class that PyTorch does not write")

    def _function(self, node: ast.FunctionDef) -> None:
        if node.decorator_list:
            self._refuse(node, "a decorator is not allowed")
        given = {inner.arg for inner in ast.walk(node.args) if isinstance(inner, ast.arg)}
        given |= {
            inner.id
            for inner in ast.walk(node)
            if isinstance(inner, ast.Name) and not isinstance(inner.ctx, ast.Load)
        }
        if given & ROOTS:
            self._refuse(node, "a local name hides one of PyTorch's own")
        self._locals = given
        self._nodes(node.args, *node.body, *([node.returns] if node.returns else []))
        self._locals = ()

    def _nodes(self, *roots: ast.AST) -> None:
        waiting = list(roots)
        while waiting:
            node = waiting.pop()
            if not isinstance(node, _NODES):
                self._refuse(node, f"{type(node).__name__} is nothing that PyTorch writes")
            path = _path(node)
            if path and path[0] in ROOTS:
                self._reference(node, path)
                continue
            self._node(node)
            waiting.extend(ast.iter_child_nodes(node))

    def _node(self, node: ast.AST) -> None:
        match node:
            case ast.Name(id=name) if name not in self._locals and name not in _KNOWN:
                self._refuse(node, f"name {name[:80]!r} is not known")
            case ast.Attribute(attr=name):
                self._attribute(node, name)
            case ast.Call(func=ast.Name(id="getattr" | "hasattr"), args=arguments):
                match arguments:
                    case [_, ast.Constant(value=str(name)), *_]:
                        self._attribute(node, name)
                    case _:
                        self._refuse(node, "an attribute whose name is not in the text")
            case ast.Constant(value=value) if not isinstance(
                value, str | int | float | complex | None
            ):
                self._refuse(node, "a literal that PyTorch does not write")
            case _:
                pass

    def _attribute(self, node: ast.AST, name: str) -> None:
        """On a value of any type: a field or method of the archive's, or an allowed operation."""
        is_own = name in self._code.attributes and not torch_ops.is_denied(name)
        if not is_own and not torch_ops.is_allowed(name):
            self._refuse(node, f"operation {name[:80]!r} is not allowed")

    def _reference(self, node: ast.AST, path: list[str]) -> None:
        match path:
            case ["torch", name]:
                is_fine = torch_ops.is_allowed(name)
            case ["ops", namespace, name] if namespace in torch_ops.NAMESPACES:
                allowed = torch_ops.NAMESPACES[namespace]
                is_fine = allowed is None or torch_ops.is_allowed(name, allowed)
            case ["CONSTANTS", name]:
                is_fine = _CONSTANT.fullmatch(name) is not None
            case ["__torch__", *_]:
                is_fine = self._is_own(path)
            case _:
                is_fine = False
        if not is_fine:
            self._refuse(node, f"operation {'.'.join(path)[:120]!r} is not allowed")
        self._operations += path[0] in {"torch", "ops"}

    def _is_own(self, path: list[str]) -> bool:
        """A class or function of the archive, or a member of one."""
        full, above = ".".join(path), ".".join(path[:-1])
        if full in self._code.defined or full in torch_ops.CLASSES:
            return True
        members = self._code.attributes | {"__new__"}
        return above in self._code.defined and path[-1] in members

    def _refuse(self, node: ast.AST, what: str) -> Never:
        line = getattr(node, "lineno", 0)
        place = f"code/{self._module.replace('.', '/')}.py line {line}"
        raise unsafe(self._head, f"{place}: {what}", fix=_AGAIN)


def _path(node: ast.AST) -> list[str]:
    """`a.b.c` as its parts; empty for what is no such chain."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return [node.id, *reversed(parts)] if isinstance(node, ast.Name) else []
