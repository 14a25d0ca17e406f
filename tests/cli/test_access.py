"""`whoami`, `host` and `token` against a real registry."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from registry.api.server import Server
from registry.usecases import enrolment
from tests.cli.conftest import Run
from tests.registry.authorities import HostKeys


def test_whoami_says_who_one_is_and_on_which_models(plimsoll: Run, tmp_path: Path) -> None:
    me = plimsoll("whoami")
    assert me.code == 0, me.err
    assert "first-start" in me.out
    assert me.out.splitlines()[-1].split() == ["admin", "all"]
    made = plimsoll(
        "token", "create", "publisher", "risk-ci", "--model", "risk-*", "--project", "pay",
        "--days", 9,
    )  # fmt: skip
    assert made.code == 0, made.err
    (tmp_path / "token").write_text(made.out)
    me = plimsoll("whoami", "--token-file", tmp_path / "token")
    assert me.out.splitlines()[-1].split(maxsplit=1) == ["publisher", "risk-*, project pay"]
    listed = plimsoll("token", "list", "-o", "json").document
    shown = next(one for one in listed if one["name"] == "risk-ci")
    until = datetime.fromisoformat(shown["expiresAt"]) - datetime.now(UTC)
    assert timedelta(days=8) < until <= timedelta(days=9)
    refused = plimsoll("host", "list", "--token-file", tmp_path / "token")
    assert (refused.code, "publisher:risk-ci may not" in refused.err) == (4, True)


def test_a_host_is_invited_listed_and_turned_out(plimsoll: Run, server: Server) -> None:
    made = plimsoll("host", "enrol", "edge-1", "--minutes", 5)
    assert made.code == 0, made.err
    assert made.out.startswith("ple_")
    assert "good once" in made.err
    keys = HostKeys()
    enrolment.exchange(
        server.app.state.registry,
        made.out.strip(),
        request=keys.request(),
        recipient=keys.age_key.recipient,
    )
    [shown] = plimsoll("host", "list", "-o", "json").document
    assert (shown["name"], shown["revokedAt"]) == ("edge-1", None)
    assert keys.age_key.recipient in plimsoll("host", "list", "-o", "wide").out
    gone = plimsoll("host", "revoke", "edge-1", "--reason", "sold")
    assert gone.code == 0, gone.err
    [shown] = plimsoll("host", "list", "-o", "json").document
    assert shown["revokedAt"] is not None
    assert plimsoll("host", "revoke", "edge-9", "--reason", "x").code == 1


@pytest.mark.parametrize("name", ["Edge 1", "../x", ""])
def test_a_host_that_cannot_be_called_so_is_refused(plimsoll: Run, name: str) -> None:
    done = plimsoll("host", "enrol", name)
    assert done.code == 1
    assert "host name" in done.err


def test_an_authority_that_cannot_be_read_is_named(
    plimsoll: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PLIMSOLL_CA", str(tmp_path / "none.pem"))
    done = plimsoll("whoami")
    assert done.code == 1
    assert "none.pem: cannot be read as authorities" in done.err
