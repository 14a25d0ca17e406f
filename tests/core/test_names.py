"""Names every dialect accepts, and those that must not get in."""

import pytest

from registry import errors
from registry.core import names


@pytest.mark.parametrize("text", ["digits", "a", "0", "fraud-eu.v2_x", "a1.b2-c3"])
def test_good_slugs_pass(text: str) -> None:
    assert names.slug(text) == text


@pytest.mark.parametrize(
    "text",
    ["", "Digits", "a b", "a/b", "a:b", "-a", "a-", "a..b", "a--b", "é", "a\n", "a" * 129, "../a"],
)
def test_bad_slugs_are_refused_with_a_fix(text: str) -> None:
    with pytest.raises(errors.InvalidName) as caught:
        names.slug(text)
    assert "lower-case" in caught.value.fix


@pytest.mark.parametrize("text", ["latest", "LATEST", "v1", "V22", "1a", "a-b", "", "a b", "a\n"])
def test_bad_aliases_are_refused(text: str) -> None:
    with pytest.raises(errors.InvalidName):
        names.alias(text)


@pytest.mark.parametrize("number", [0, -1, 2**63, True, "1", 1.0, None])
def test_a_version_is_a_positive_integer(number: object) -> None:
    with pytest.raises(errors.InvalidName):
        names.version(number)


@pytest.mark.parametrize("text", ["model.onnx", "variables/variables.index", "a/b/c d.txt", "…"])
def test_good_file_paths_pass(text: str) -> None:
    assert names.file_path(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "", "/etc/passwd", "../x", "a/../x", "a//b", "./a", "a/.", "a\\b", "C:x", "a\0b", "a\nb",
        ".git/config", "a/.GIT/x", ".gitattributes", "a.", "a /b", "x" * 513, "a\x7f", "a?",
    ],
)  # fmt: skip
def test_file_paths_that_leave_or_hide_are_refused(text: str) -> None:
    with pytest.raises(errors.InvalidName):
        names.file_path(text)


def test_paths_that_collide_on_some_systems_are_refused() -> None:
    with pytest.raises(errors.InvalidName, match="the same on some systems"):
        names.file_paths(["Model.onnx", "model.onnx"])
    with pytest.raises(errors.InvalidName, match="also used as a folder"):
        names.file_paths(["a", "a/b"])
