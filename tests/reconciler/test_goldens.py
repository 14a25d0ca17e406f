"""Golden data on disk: what a download that was killed left there."""

from contextlib import closing
from pathlib import Path

from reconciler import client, goldens


def test_what_a_killed_download_left_is_gone_after_the_next_start(tmp_path: Path) -> None:
    kept = tmp_path / goldens.FOLDER / ("a" * 64)
    kept.parent.mkdir()
    kept.write_bytes(b"whole")
    (kept.parent / f".{'b' * 64}.140001").write_bytes(b"half")
    with closing(client.Registry("http://127.0.0.1:1", tmp_path / "token")) as registry:
        goldens.Goldens(registry, tmp_path)
    assert list(kept.parent.iterdir()) == [kept]
