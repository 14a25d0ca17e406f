"""Every example of every page is read by what would read it: nothing in one is made up.

Some pages are run as they stand as well: the pipeline, the audit, custom tests, clients.
"""

import ast
import importlib
import importlib.util
import json
import re
import shutil
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from reconciler import config
from registry import configuration
from registry.core.policy import kinds as policy_kinds
from registry.core.policy.expressions import Area, Fault, compiled
from tests.examples import desired, pages, shell
from tests.examples.pages import ROOT, Example

BLOCKS = list(pages.blocks())
INLINE = list(pages.inline())
# (page, how the block begins): why the reader of its language does not take it.
EXCEPTIONS = {
    ("docs/secrets.md", "apiVersion: plimsoll.dev/v1\nkind: Secret"): "as it is before encryption",
    ("docs/secrets.md", "creation_rules:"): "a file of SOPS",
}
# In an environment of their own, because they pin what we use newer (Makefile: clients).
ELSEWHERE = {"tritonclient"}
MAKE = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def _shell(example: Example, _folder: Path) -> None:
    said = subprocess.run(
        ["bash", "-n"], input=example.text, capture_output=True, text=True, check=False
    )
    assert said.stderr == ""
    for words in shell.commands(example.text):
        _command(words, whole=True)


def _console(example: Example, folder: Path) -> None:
    typed = [line[2:] for line in example.text.splitlines() if line.startswith("$ ")]
    assert typed
    for line in typed:
        _shell(Example(example.page, example.line, "sh", line), folder)


def _command(words: list[str], *, whole: bool) -> None:
    if words[0] == "plimsoll":
        assert shell.complaints(words, whole=whole) == "", words
    if words[0] == "make" and len(words) > 1:
        assert {word for word in words[1:] if "=" not in word} <= MAKE
    if words[:2] == ["python", "-m"]:
        assert importlib.util.find_spec(words[2]), words


def _yaml(example: Example, _folder: Path) -> None:
    excepted = [
        page == example.page and example.text.startswith(start) for page, start in EXCEPTIONS
    ]
    said = desired.problems(example.text)
    assert (said != "") == any(excepted), said


def _json(example: Example, _folder: Path) -> None:
    """One document, or one a line."""
    try:
        json.loads(example.text)
    except json.JSONDecodeError:
        for line in example.text.splitlines():
            json.loads(line)


def _toml(example: Example, folder: Path) -> None:
    """The program's own reader takes it; what is left out of an example is added."""
    read = tomllib.loads(example.text)
    assert read.keys() <= {"registry", "reconciler", "agent"}
    path, text = folder / "plimsoll.toml", example.text
    if "registry" in read:
        path.write_text(text if "[registry]" in text else f"[registry]\n{text}")
        configuration.load(path)
    for name in {"reconciler", "agent"} & read.keys():
        head = f"[{name}]\n" + ("" if "repository" in read[name] else 'repository = "r"\n')
        path.write_text(head + text.replace(f"[{name}]\n", "", 1))
        config.load(path)


def _python(example: Example, _folder: Path) -> None:
    tree = ast.parse(example.text, str(example))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                _require_module(name.name, ())
        elif isinstance(node, ast.ImportFrom):
            _require_module(node.module or "", tuple(one.name for one in node.names))


def _require_module(name: str, parts: tuple[str, ...]) -> None:
    if name.split(".", maxsplit=1)[0] not in ELSEWHERE:
        module = importlib.import_module(name)
        for part in parts:
            assert hasattr(module, part) or importlib.util.find_spec(f"{name}.{part}"), part


def _promql(example: Example, folder: Path) -> None:
    rules = [
        {"record": f"shown:{number}", "expr": line}
        for number, line in enumerate(example.text.splitlines())
    ]
    _check_rules(rules, folder)


def _check_rules(rules: list[dict[str, str]], folder: Path) -> None:
    promtool = shutil.which("promtool")
    assert promtool, "promtool is not installed (apt-get install prometheus)"
    file = folder / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "shown", "rules": rules}]}))
    done = subprocess.run(
        [promtool, "check", "rules", str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def _cel(example: Example, _folder: Path) -> None:
    for line in example.text.splitlines():
        spec = policy_kinds.PolicySpec.model_validate(
            {"match": {}, "mode": "enforce", "validations": [{"expression": line, "message": "m"}]}
        )
        program = compiled(Area.DEPLOY, spec)
        faults = program if isinstance(program, tuple) else ()
        assert [one for one in faults if isinstance(one, Fault)] == []


def _shown(example: Example, _folder: Path) -> None:
    """What a program says, or a drawing: nothing that somebody would copy."""
    assert not re.search(r"^(\$ )?(plimsoll|docker|make|git|curl) ", example.text, re.MULTILINE)


def _run_elsewhere(example: Example, _folder: Path) -> None:
    """`reconciler/trials/test_documented.py` builds and runs it."""
    assert example.page == "docs/custom-tests.md"


READERS: dict[str, Callable[[Example, Path], None]] = {
    "cel": _cel,
    "console": _console,
    "dockerfile": _run_elsewhere,
    "json": _json,
    "promql": _promql,
    "python": _python,
    "sh": _shell,
    "text": _shown,
    "toml": _toml,
    "yaml": _yaml,
}


@pytest.mark.parametrize("example", BLOCKS, ids=str)
def test_every_example_is_taken_by_what_reads_it(example: Example, tmp_path: Path) -> None:
    assert example.language in READERS, f"say the language of the block at {example}"
    check = READERS[example.language]
    check(example, tmp_path)


def test_every_command_in_the_prose_exists_with_its_options() -> None:
    assert len(INLINE) > 100
    for example in INLINE:
        for words in shell.commands(example.text):
            assert shell.complaints(words, whole=False) == "", str(example)


def test_every_query_of_an_analysis_is_promql(tmp_path: Path) -> None:
    found = [
        provider["prometheus"]
        for example in BLOCKS
        if example.language == "yaml" and "prometheus:" in example.text
        for metric in yaml.safe_load(example.text)["spec"]["metrics"]
        if "prometheus" in (provider := metric["provider"])
    ]
    queries = [one[field] for one in found for field in ("query", "samples") if field in one]
    assert queries
    given = (re.sub(r"\[\{\{.*?\}\}\]", "[2m]", query) for query in queries)
    _check_rules([{"record": f"q:{n}", "expr": query} for n, query in enumerate(given)], tmp_path)


def test_an_exception_is_needed() -> None:
    for page, start in EXCEPTIONS:
        assert any(one.page == page and one.text.startswith(start) for one in BLOCKS), page


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("plimsoll pusch fraud .", "no command 'pusch'"),
        ("plimsoll push fraud . --modell x", "No such option"),
        ("plimsoll push fraud", "needs"),
        ("plimsoll status a b", "takes no 'b'"),
        ("x=1 plimsoll audit > file", "needs a command"),
        ("plimsoll token list --output xml", "not one of"),
        ('echo "$(plimsoll statuss)" # plimsoll', "no command 'statuss'"),
    ],
)
def test_a_wrong_command_is_seen(wrong: str, said: str) -> None:
    found = [shell.complaints(words, whole=True) for words in shell.commands(wrong)]
    assert any(said in one for one in found), found


def test_a_wrong_field_is_seen() -> None:
    assert "there is no such field" in desired.problems("fleet: {maxParalel: 1}")
    assert desired.problems("fleet: {maxParallel: 1}") == ""
