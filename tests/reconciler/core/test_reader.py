"""Reading commit after commit: what comes out is what a first reading makes of the last of them."""

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.core import desired
from tests.reconciler.core.wishes import POLICY, deployment_file, host_file

LABELLED = host_file("h3").replace("site: lab", "site: shop")
BY_LABELS = deployment_file("c", 1, ("h1",), tested=False).replace(
    "{hosts: [h1]}", "{matchLabels: {site: shop}}"
)

CHOICES = {
    "models.d/hosts/h1.yaml": (host_file("h1"), "kind: ["),
    "models.d/hosts/h2.yaml": (host_file("h2"), host_file("h2").replace("lab", "shop")),
    "models.d/hosts/h3.yaml": (LABELLED,),
    "models.d/production/a.yaml": (
        deployment_file("a", 1, ("h1",), tested=False),
        deployment_file("a", 2, ("h1", "h2"), tested=False),
        deployment_file("a", 2, ("h9",), tested=False),
    ),
    "models.d/production/b.yaml": (
        deployment_file("b", 1, ("h1", "h2"), tested=False, model="a"),
        deployment_file("b", 1, ("h1", "h2")),
        "not: a deployment",
    ),
    "models.d/production/c.yaml": (BY_LABELS, BY_LABELS.replace("shop", "lab")),
    "policies/deploy/all.yaml": (POLICY, POLICY.replace("never", "not now")),
}


@st.composite
def changes(draw: st.DrawFn) -> tuple[str, str | None]:
    path = draw(st.sampled_from(sorted(CHOICES)))
    return path, draw(st.sampled_from([None, *CHOICES[path]]))


@settings(max_examples=30, deadline=None)
@given(st.lists(changes(), min_size=1, max_size=14))
def test_reading_only_what_differs_comes_to_the_same(history: list[tuple[str, str | None]]) -> None:
    reader, files = desired.Reader(), dict[str, bytes]()
    for path, text in history:
        files.pop(path, None)
        if text is not None:
            files[path] = text.encode()
        found = reader.load(files, commit="c")
        assert found == desired.load(files, commit="c")


def test_one_file_that_changed_is_read_and_checked_alone_however_many_there_are() -> None:
    for count in (5, 50):
        files = {"models.d/hosts/h1.yaml": host_file("h1").encode()}
        for number in range(count):
            text = deployment_file(f"m{number}", 1, ("h1",), tested=False)
            files[f"models.d/production/m{number}.yaml"] = text.encode()
        reader = desired.Reader()
        before = reader.load(files, commit="c1")
        assert (reader.shelf.parsed, reader.checks.checked) == (count + 1, count)
        text = deployment_file("m3", 2, ("h1",), tested=False)
        files["models.d/production/m3.yaml"] = text.encode()
        after = reader.load(dict(files), commit="c2")
        assert (reader.shelf.parsed, reader.checks.checked) == (1, 1)
        others = after.deployments.keys() - {"production/m3"}
        assert all(after.deployments[key] is before.deployments[key] for key in others)


def test_a_host_that_changed_is_held_against_every_deployment() -> None:
    files = {
        "models.d/hosts/h1.yaml": host_file("h1").encode(),
        "models.d/production/c.yaml": BY_LABELS.encode(),
    }
    reader = desired.Reader()
    assert set(reader.load(files, commit="c1").held) == {"production/c"}
    files["models.d/hosts/h3.yaml"] = LABELLED.encode()
    assert reader.load(files, commit="c2").deployments["production/c"].hosts == ("h3",)
    assert (reader.shelf.parsed, reader.checks.checked) == (1, 1)
