"""Globs of project files: over names the registry's, over paths a little more careful."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.projects import globs
from registry.core import scope

NAMES = st.text(alphabet="ab1-._", min_size=1, max_size=8)
GLOBS = st.text(alphabet="ab1-._*?", min_size=1, max_size=8)


@given(GLOBS, NAMES)
def test_a_glob_means_the_same_in_a_project_as_in_a_tokens_scope(glob: str, name: str) -> None:
    assert globs.any_fits((glob,), name) is scope.Scope(models=(glob,)).covers(name)


@pytest.mark.parametrize(
    ("glob", "path", "fits"),
    [
        ("r.example/team/*", "r.example/team/runtime:1", True),
        ("r.example/team/*", "r.example/team/other/runtime:1", False),
        ("r.example/**", "r.example/team/other/runtime:1", True),
        ("r.example*", "r.example.evil/runtime:1", False),
        ("models.d/*/a-*.yaml", "models.d/production/a-one.yaml", True),
        ("models.d/*/a-*.yaml", "models.d/datasets/b/a-one.yaml", False),
        ("models.d/a.*", "models.d/ab", False),
    ],
)
def test_a_star_stays_within_a_part_of_a_path(glob: str, path: str, *, fits: bool) -> None:
    assert globs.any_fits((glob,), path) is fits
