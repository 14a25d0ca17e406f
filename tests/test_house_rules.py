"""The shape of the code: small files, small functions, honest names, a clockless core."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("registry", "reconciler", "runtime", "migrations", "deploy", "bench")
FILES = sorted(path for top in PACKAGES for path in (ROOT / top).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
VAGUE_FILES = {
    "base", "common", "helper", "helpers", "manager", "managers", "misc", "service_base",
    "services", "util", "utils",
}  # fmt: skip
VAGUE_CLASSES = re.compile(r"(Manager|Helper|Util|Utils|Impl|Wrapper|Processor)$|^Base[A-Z]")
HOLLOW_WORDS = re.compile(
    r"#.*\b(robust|comprehensive|seamless|leverage|best practice|helper function|TODO|FIXME)\b",
    re.IGNORECASE,
)
IMPURE_CALLS = {"now", "utcnow", "today", "uuid4", "uuid7", "open", "getenv"}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def code_lines(node: ast.FunctionDef | ast.AsyncFunctionDef, source: list[str]) -> int:
    lines = source[node.lineno - 1 : node.end_lineno]
    return sum(1 for line in lines if line.strip() and not line.strip().startswith("#"))


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_file_keeps_the_house_rules(path: Path) -> None:
    text = path.read_text()
    tree, lines = ast.parse(text), text.splitlines()
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    classes = [n.name for n in ast.walk(tree) if isinstance(n, ast.ClassDef)]

    assert path.stem not in VAGUE_FILES
    assert ast.get_docstring(tree), "open with what the file holds and promises"
    if path.parent.name != "versions":  # a migration is one list of statements
        assert len(lines) <= 300
        assert not [f.name for f in functions if code_lines(f, lines) > 40]
    assert not [name for name in classes if VAGUE_CLASSES.search(name)]
    assert not [line for line in lines if HOLLOW_WORDS.search(line)]


@pytest.mark.parametrize(
    "path", [p for p in FILES if "core" in p.relative_to(ROOT).parts], ids=name_of
)
def test_the_core_reads_no_clock_and_draws_no_ids(path: Path) -> None:
    calls = [n.func for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)]
    names = {f.attr if isinstance(f, ast.Attribute) else getattr(f, "id", "") for f in calls}
    assert not names & IMPURE_CALLS


@pytest.mark.parametrize("path", TESTS, ids=name_of)
def test_every_test_can_fail_and_none_is_skipped(path: Path) -> None:
    text = path.read_text()
    tests = [
        node
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]
    silent = [
        node.name
        for node in tests
        if not re.search(r"Assert\(|raises|check|require", ast.dump(node))
    ]
    assert not silent
    assert not re.search(r"pytest\.mark\.(skip|xfail)", text) or path.name == Path(__file__).name
