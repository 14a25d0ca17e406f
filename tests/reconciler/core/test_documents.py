"""Every bad file under bad/ names its flaw; the errors beside it say where it is and what helps."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core import desired, kinds
from registry.core import documents
from registry.errors import InvalidDesiredState

BAD = Path(__file__).parent / "bad"
AROUND = {
    "models.d/hosts/edge-1.yaml": b"""\
apiVersion: plimsoll.dev/v1
kind: Host
metadata: {name: edge-1}
spec:
  engine: {address: unix:///var/run/docker.sock}
  ingress: {port: 8501}
""",
    "models.d/datasets/golden.csv": b"label,p0\n1,2\n",
}


@pytest.mark.parametrize("name", sorted(path.stem for path in BAD.glob("*.yaml")))
def test_a_bad_file_is_refused_with_place_and_fix(name: str) -> None:
    expected = (BAD / f"{name}.error").read_text()
    place = re.match(r"(\S+?\.ya?ml):\d+:\d+: ", expected)
    assert place is not None
    files = {**AROUND, place[1]: (BAD / f"{name}.yaml").read_bytes()}
    state = desired.load(files, commit="c")
    found = [problem for problem in state.problems if problem.path == place[1]]
    said = "".join(f"{problem.detail}\n  fix: {problem.fix}\n" for problem in found)
    assert said == expected
    assert all(problem.fix for problem in found)


def test_a_problem_is_an_error_of_ours() -> None:
    problem = documents.read("models.d/production/x.yaml", b"[")
    assert isinstance(problem, documents.Problem)
    error = problem.error()
    assert isinstance(error, InvalidDesiredState)
    assert error.detail.startswith("models.d/production/x.yaml:")


def test_a_file_over_the_limit_is_not_even_read() -> None:
    problem = documents.read("x.yaml", b"a: " + b"[" * documents.TEXT_LIMIT)
    assert isinstance(problem, documents.Problem)
    assert "at most 262144" in problem.message


def test_words_keep_the_meaning_that_yaml_1_2_gives_them() -> None:
    text = b"a: no\nb: true\nc: 12\nd: 1.5\ne: '12'\nf: ~\ng: 127.0.0.1:80\nh: 1.2.3\ni: |\n  x\n"
    document = documents.read("x.yaml", text)
    assert isinstance(document, documents.Document)
    assert document.value == {
        "a": "no", "b": True, "c": 12, "d": 1.5, "e": "12", "f": None,
        "g": "127.0.0.1:80", "h": "1.2.3", "i": "x\n",
    }  # fmt: skip


@pytest.mark.parametrize("text", ["0x1F", "0o17", "1_000", "1e3", ".5", "5.", "+5", "010", ".inf"])
def test_numbers_with_a_second_reading_are_refused(text: str) -> None:
    problem = documents.read("x.yaml", f"a: {text}\n".encode())
    assert isinstance(problem, documents.Problem)
    assert (problem.line, problem.column) == (1, 4)


@given(st.text(max_size=200) | st.binary(max_size=200))
def test_no_text_whatsoever_makes_reading_raise(noise: str | bytes) -> None:
    data = noise.encode(errors="surrogatepass") if isinstance(noise, str) else noise
    found = documents.read("x.yaml", data)
    assert isinstance(found, documents.Document | documents.Problem)


_yaml = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("ab1.-: ", max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=3), inner),
    max_leaves=8,
)


@given(_yaml)
def test_no_value_whatsoever_makes_a_kind_raise(value: object) -> None:
    for name in kinds.KINDS:
        whole: dict[str, object] = {"apiVersion": "plimsoll.dev/v1", "kind": name, "spec": value}
        document = documents.Document("x.yaml", whole, {}, {})  # type: ignore[arg-type]
        assert isinstance(kinds.read(document), tuple)
