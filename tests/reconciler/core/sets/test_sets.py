"""One file that makes many deployments: for what, how, and what it never does."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.core import desired
from reconciler.core.sets import filling
from registry.core import documents
from tests.reconciler.core.projects.projects import ANYTHING, project_file
from tests.reconciler.core.sets.files import BY_HOST, PATH, hosts, set_file
from tests.reconciler.core.wishes import deployment_file, digest_of, host_file


def made(set_text: bytes, *names: str) -> dict[str, desired.Deployment]:
    state = desired.load({**hosts(*(names or ("h1", "h2"))), PATH: set_text}, commit="c")
    assert [problem.detail for problem in state.problems] == []
    return dict(state.deployments)


def wrong(set_text: bytes) -> list[str]:
    state = desired.load({**hosts("h1", "h2"), PATH: set_text}, commit="c")
    assert not state.may_prune  # what an error leaves out is not taken for removed
    return [problem.detail for problem in state.problems]


def test_each_host_with_the_labels_gets_its_deployment() -> None:
    found = made(set_file())
    assert {key: one.hosts for key, one in found.items()} == {
        "production/digits-h1": ("h1",),
        "production/digits-h2": ("h2",),
    }
    assert {one.path for one in found.values()} == {PATH}


def test_a_set_makes_what_a_file_by_hand_would() -> None:
    [one] = made(set_file("list: {elements: [{host: h1}]}")).values()
    text = deployment_file("digits-h1", 1, ["h1"], model="digits", tested=False)
    by_hand = desired.load(
        {**hosts("h1"), "models.d/production/digits-h1.yaml": text.encode()}, commit="c"
    )
    assert by_hand.deployments["production/digits-h1"].revision != one.revision  # its deadline
    text = text.replace("progressDeadlineSeconds: 100", "progressDeadlineSeconds: 600")
    by_hand = desired.load(
        {**hosts("h1"), "models.d/production/digits-h1.yaml": text.encode()}, commit="c"
    )
    assert by_hand.deployments["production/digits-h1"].revision == one.revision


def test_environments_are_named_or_those_that_have_files() -> None:
    files = {
        **hosts("h1", "h2"),
        "models.d/prod-eu/a.yaml": deployment_file("a", 1, ["h1"], tested=False)
        .replace("environment: production", "environment: prod-eu")
        .encode(),
        PATH: set_file(
            'environments: {names: [staging, "prod-*"]}',
            name="digits",
            environment='"{{environment}}"',
            host="h2",
        ).replace(b"model: {name: digits", b'model: {name: "digits-{{environment}}"'),
    }
    state = desired.load(files, commit="c")
    assert state.problems == ()
    assert sorted(state.deployments) == ["prod-eu/a", "prod-eu/digits", "staging/digits"]


def test_a_matrix_has_each_with_each_and_a_merge_goes_over_what_has_the_same_keys() -> None:
    rows = "list: {elements: [{size: small}, {size: large}]}"
    found = made(
        set_file(
            f"matrix: {{generators: [{BY_HOST}, {{{rows}}}]}}", name='"{{size}}-{{host}}"'
        ).replace(b"name: digits, v", b'name: "digits-{{size}}", v')
    )
    assert sorted(found) == [
        f"production/{size}-{host}" for size in ("large", "small") for host in ("h1", "h2")
    ]
    rows = f'list: {{elements: [{{host: h2, version: 2, digest: "{digest_of(2)}"}}]}}'
    first = (
        f'list: {{elements: [{{host: h1, version: 1, digest: "{digest_of(1)}"}}, '
        f'{{host: h2, version: 1, digest: "{digest_of(1)}"}}]}}'
    )
    found = made(
        set_file(
            f"merge: {{mergeKeys: [host], generators: [{{{first}}}, {{{rows}}}]}}",
            version='"{{version}}"',
            digest='"{{digest}}"',
        )
    )
    versions = {key: one.manifest.spec.model.version for key, one in found.items()}
    assert versions == {"production/digits-h1": 1, "production/digits-h2": 2}


def test_a_value_keeps_its_type_where_it_stands_alone_and_is_text_within_text() -> None:
    row = '{host: h1, version: 3, suspended: true, team: "007"}'
    text = set_file(
        f"list: {{elements: [{row}]}}",
        version='"{{ version }}"',
        more='      suspend: "{{suspended}}"\n',
    ).replace(b'{name: "digits-{{host}}"', b'{name: "d-{{version}}", labels: {team: "{{team}}"}')
    [one] = made(text).values()
    assert one.manifest.spec.model.version == 3
    assert one.manifest.spec.suspend is True
    assert one.manifest.metadata.labels == {"team": "007"}
    assert one.key == "production/d-3"


NASTY = st.text(alphabet="ab1\"'{}[]:,\n#&*!|>-% \\", max_size=30) | st.sampled_from(
    ["x, suspend: true", "}}{{host", "{{host}}", "a\nsuspend: true", "!!python/object", "*x", "~"]
)


@settings(max_examples=60, deadline=None)
@given(NASTY)
def test_a_value_can_add_no_field_and_stays_one_text(value: str) -> None:
    template: documents.Value = {"a": "{{v}}", "b": ["x-{{v}}-y", {"c": 1}]}
    assert filling.fill(template, {"v": value}) == {"a": value, "b": [f"x-{value}-y", {"c": 1}]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (set_file(host='"{{hots}}"'), "there is no parameter hots (for the element host=h1, "),
        (set_file(name="digits"), "template.metadata.name: production/digits is made more than"),
        (set_file(version="zero"), "spec.model.version: input should be a valid integer"),
        (set_file(environment="hosts"), "metadata.environment: hosts is no name for an env"),
        (set_file(name='"{{host}"'), "has braces that are no placeholder"),
        (set_file("hosts: {matchLabels: {site: sea}}"), "nothing comes of them, and all that"),
        (
            set_file("list: {elements: [{host: h1}, {host: h1}]}"),
            "production/digits-h1 is made more than once",
        ),
        (
            set_file("matrix: {generators: [{hosts: {}}, {list: {elements: [{host: x}]}}]}"),
            "spec.generators.0: two generators give host, and differ: h1 and x",
        ),
        (
            set_file("merge: {mergeKeys: [name], generators: [{hosts: {}}, {hosts: {}}]}"),
            "spec.generators.0: the element host=h1, host.labels.site=lab has no name to be merged",
        ),
        (set_file(more='      "{{host}}": 1\n'), "{{host}}: a field's name is no place for a"),
        (
            set_file("matrix: {generators: [" + ", ".join(["{list: {elements: ["
                     + ", ".join(f"{{a{n}: {i}}}" for i in range(30)) + "]}}" for n in range(3)])
                     + "]}"),
            "a set makes at most 10000 deployments",
        ),
    ],
)  # fmt: skip
def test_what_a_set_gets_wrong_is_told_with_its_line_and_the_element(
    text: bytes, said: str
) -> None:
    found = wrong(text)
    assert found
    assert all(re.match(rf"{PATH}:\d+:\d+: ", one) for one in found)
    assert said in found[0]


def test_a_deployment_by_hand_goes_on_and_the_set_that_makes_it_too_is_wrong() -> None:
    text = deployment_file("digits-h1", 5, ["h1"], model="digits", tested=False)
    by_hand = {"models.d/production/digits-h1.yaml": text.encode()}
    state = desired.load({**hosts("h1", "h2"), **by_hand, PATH: set_file()}, commit="c")
    assert [problem.path for problem in state.problems] == [PATH]
    assert state.held == {}
    versions = {key: one.manifest.spec.model.version for key, one in state.deployments.items()}
    assert versions == {"production/digits-h1": 5, "production/digits-h2": 1}


def test_an_element_that_is_wrong_holds_its_own_deployment_and_no_other() -> None:
    rows = "list: {elements: [{host: h1, version: 1}, {host: h2, version: 0}]}"
    files = {**hosts("h1", "h2"), PATH: set_file(rows, version='"{{version}}"')}
    state = desired.load(files, commit="c")
    assert list(state.deployments) == ["production/digits-h1"]
    assert list(state.held) == ["production/digits-h2"]


def test_an_element_that_goes_is_a_deployment_that_git_no_longer_asks_for() -> None:
    state = desired.load({**hosts("h1"), PATH: set_file()}, commit="c")
    assert list(state.deployments) == ["production/digits-h1"]
    assert state.may_prune


def test_while_a_host_cannot_be_read_nothing_that_a_set_makes_for_hosts_is_removed() -> None:
    files = {**hosts("h1"), "models.d/hosts/h2.yaml": b"kind: [", PATH: set_file()}
    state = desired.load(files, commit="c")
    assert list(state.deployments) == ["production/digits-h1"]
    assert not state.may_prune


def test_a_set_may_be_empty_where_it_says_so() -> None:
    text = set_file("hosts: {matchLabels: {site: sea}}").replace(
        b"spec:\n  gen", b"spec:\n  allowEmpty: true\n  gen"
    )
    state = desired.load({**hosts("h1"), PATH: text}, commit="c")
    assert (state.problems, state.may_prune) == ((), True)


def test_another_host_costs_what_it_adds_however_many_there_are() -> None:
    for count in (4, 40):
        names = [f"h{number}" for number in range(count)]
        reader, files = desired.Reader(), {**hosts(*names), PATH: set_file()}
        before = reader.load(files, commit="c1")
        assert reader.sets.made == count
        after = reader.load({**files, **hosts("new")}, commit="c2")
        assert (reader.shelf.parsed, reader.sets.made) == (1, 1)
        assert len(after.deployments) == count + 1
        assert all(after.deployments[key] is one for key, one in before.deployments.items())
        reader.load({**files, **hosts("new")}, commit="c3")
        assert (reader.shelf.parsed, reader.sets.made, reader.checks.checked) == (0, 0, 0)


CHOICES = {
    PATH: (set_file(), set_file(version="2"), set_file(name='"x-{{host}}"'), b"kind: ["),
    "models.d/hosts/h1.yaml": (host_file("h1").encode(), b"kind: ["),
    "models.d/hosts/h2.yaml": (
        host_file("h2").encode(),
        host_file("h2").replace("lab", "sea").encode(),
    ),
    "models.d/production/digits-h2.yaml": (
        deployment_file("digits-h2", 1, ["h2"], tested=False).encode(),
    ),
}


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.sampled_from(sorted(CHOICES)).flatmap(
            lambda path: st.tuples(st.just(path), st.sampled_from([None, *CHOICES[path]]))
        ),
        max_size=12,
    )
)
def test_expanding_only_what_differs_comes_to_the_same(
    history: list[tuple[str, bytes | None]],
) -> None:
    reader, files = desired.Reader(), dict[str, bytes]()
    for path, text in history:
        files.pop(path, None)
        if text is not None:
            files[path] = text
        assert reader.load(files, commit="c") == desired.load(files, commit="c")


def test_what_the_page_shows_of_sets_is_valid() -> None:
    page = (Path(__file__).parents[4] / "docs/generators.md").read_text()
    shown = re.findall(r"```yaml\n(# models.d/sets/(\S+)\n.*?)```", page, re.DOTALL)
    assert len(shown) == 2
    for text, name in shown:
        files = {
            **hosts("h1", "h2"),
            f"models.d/sets/{name}": text.replace("sha256:…", digest_of(1)).encode(),
        }
        files["models.d/projects/fraud.yaml"] = project_file("fraud", ANYTHING)
        state = desired.load(files, commit="c")
        assert [problem.detail for problem in state.problems] == []
        assert len(state.deployments) == 2
