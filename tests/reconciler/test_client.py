"""What a reconciler hears of a registry that it cannot ask."""

from contextlib import closing
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


def test_a_token_that_is_away_while_it_is_renewed_is_an_outage_and_no_end(tmp_path: Path) -> None:
    """Threads that renew leases or tell of hosts go on after it."""
    with closing(client.Registry("http://127.0.0.1:1", tmp_path / "token", None)) as registry:
        with pytest.raises(errors.Unavailable, match=r"token .* cannot be read"):
            registry.lease_hosts("blue-1", ["edge-1"], seconds=60)
        (tmp_path / "token").write_bytes(b"\xff\xfe")
        with pytest.raises(errors.Unavailable, match=r"token .* cannot be read"):
            registry.report_host("edge-1", {})
