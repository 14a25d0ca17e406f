"""The words that may stand in the fields of all kinds in Git."""

import pytest

from registry.core import strict


@pytest.mark.parametrize(("text", "seconds"), [("0s", 0), ("30s", 30), ("5m", 300), ("2h", 7200)])
def test_a_duration_is_read_as_seconds(text: str, seconds: int) -> None:
    assert strict.duration_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "30", "-1s", "1.5m", "05s", "1d", "1m30s", "s", "1s\n"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration such as 30s"):
        strict.duration_seconds(text)
