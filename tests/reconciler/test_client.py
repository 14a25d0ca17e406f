"""What a reconciler hears of a registry that it cannot ask."""

from pathlib import Path

import pytest

from reconciler import client
from registry import errors


def test_a_thread_that_asks_once_more_after_the_end_hears_that_it_is_unavailable(
    tmp_path: Path,
) -> None:
    (tmp_path / "token").write_text("plm_any")
    registry = client.Registry("http://127.0.0.1:1", tmp_path / "token", None)
    registry.close()
    with pytest.raises(errors.Unavailable, match="asked no more"):
        registry.agents(after=None)
