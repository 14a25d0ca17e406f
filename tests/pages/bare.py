"""Finds text in templates that nobody could translate: English outside `_()` and `{% trans %}`.

A template is parsed, each of its expressions becomes a mark in the HTML around it, and an HTML
parser tells which text is seen or read out. What expressions give there counts too.
"""

import ast
import re
from collections.abc import Iterator
from html.parser import HTMLParser

from jinja2 import Environment, nodes

# What readers see or hear of an element beside its text.
_HEARD = frozenset({"alt", "aria-label", "data-label", "placeholder", "title"})
# In these no word is for people.
_UNSEEN = frozenset({"script", "style"})
# Names, commands and examples that every language writes the same.
_SAME = frozenset({"code", "pre"})
_MARK = re.compile("\ue000([0-9]+)\ue001")
# "rolled back", "on a host": not what has slashes, colons or quotes in it.
_SENTENCE = re.compile(r"^[^/:\"']*[A-Za-z]{2,} [a-z]{2,}[^/:\"']*$|^ [a-z]{2,}|[a-z]{2,} $")
_WORD = re.compile(r"[A-Za-z]{2,}")
_TRANSLATING = frozenset({"_", "gettext", "ngettext"})
# Arguments of our macros that pick a colour, an icon, an address; and what formats numbers.
_NO_TEXT = re.compile(
    r"good|bad|warn|busy|quiet|word|tone|name|is_same|digest|equalto|[/?&=].*|%.*|\{:.*"
)


def bare(environment: Environment, source: str) -> list[str]:
    """Each text of `source` that has a word in it and is not marked, in order."""
    outputs: list[nodes.Expr] = []
    html = "".join(_html(environment.parse(source), outputs))
    found = list[str]()
    for text in seen(html):
        if _WORD.search(_MARK.sub("", text)):
            found.append(_MARK.sub("{}", text))
        for mark in _MARK.finditer(text):
            found += [one for one in _constants(outputs[int(mark[1])]) if _WORD.search(one)]
    return found


def sentences(source: str) -> list[str]:
    """Each text of Python with several words in it that is neither a `phrase` nor an error's."""
    tree = ast.parse(source)
    left = {id(one) for node in ast.walk(tree) for one in _told(node)}
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if id(node) not in left and _SENTENCE.search(node.value)
    ]


def _told(node: ast.AST) -> Iterator[ast.AST]:
    """What in `node` is no text of a page, or is one that is marked."""
    match node:
        case ast.Call(func=ast.Name(id="phrase") | ast.Attribute(attr="phrase")):
            yield from ast.walk(node)
        case ast.Raise() | ast.Call(func=ast.Attribute(value=ast.Name(id="errors" | "_LOG"))):
            yield from ast.walk(node)
        case ast.Expr(value=ast.Constant()):
            yield node.value


def seen(html: str) -> list[str]:
    """The texts of a page, in order: what is between its tags, and what stands for it to some."""
    parser = _Seen()
    parser.feed(html)
    return parser.texts


def _html(node: nodes.Node, outputs: list[nodes.Expr]) -> Iterator[str]:
    """The HTML in the order of the file, all branches of it; a mark for each expression."""
    if isinstance(node, nodes.Output):
        for one in node.nodes:
            if isinstance(one, nodes.TemplateData):
                yield one.data
            else:
                outputs.append(one)
                yield f"\ue000{len(outputs) - 1}\ue001"
        return
    for child in node.iter_child_nodes():
        yield from _html(child, outputs)


def _constants(node: nodes.Node) -> Iterator[str]:
    """The texts that an expression may put out; a marked one is not bare."""
    match node:
        case nodes.Call(node=nodes.Name(name=name)) if name in _TRANSLATING:
            return
        case nodes.Compare() | nodes.Getitem() | nodes.Test():
            return
        case nodes.Const(value=str(value)):
            if not _NO_TEXT.fullmatch(value):
                yield value
            return
        case nodes.CondExpr():
            yield from _constants(node.expr1)
            if node.expr2 is not None:
                yield from _constants(node.expr2)
            return
    for child in node.iter_child_nodes():
        yield from _constants(child)


class _Seen(HTMLParser):
    """Collects what is seen or heard."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _UNSEEN | _SAME:
            self._open.append(tag)
        self.texts += [value for name, value in attrs if name in _HEARD and value]

    def handle_endtag(self, tag: str) -> None:
        if self._open and self._open[-1] == tag:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if not self._open and data.strip():
            self.texts.append(data.strip())
