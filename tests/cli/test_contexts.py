"""Which registry, and as whom: flag, environment, context, default, in this order."""

import io
import stat
from pathlib import Path

import pytest

from registry.cli import contexts, options
from registry.settings import Settings
from tests.cli.conftest import Run, run

WRONG = "plm_0000000000000000_" + "A" * 43


@pytest.fixture
def token(settings: Settings, plimsoll: Run, monkeypatch: pytest.MonkeyPatch) -> str:
    """The admin's, which no variable names any more."""
    for name in ("TOKEN_FILE", "TRUST"):
        monkeypatch.delenv(f"PLIMSOLL_{name}")
    return settings.admin_token_file.read_text().strip()


def test_who_has_logged_in_need_not_say_where_and_as_whom_again(
    plimsoll: Run, token: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    import os

    server = os.environ["PLIMSOLL_SERVER"]
    monkeypatch.delenv("PLIMSOLL_SERVER")
    monkeypatch.setattr("sys.stdin", io.StringIO(token + "\n"))
    done = plimsoll("login", server, "--context", "work", "--trust", settings.trust_file)
    assert (done.code, done.out) == (0, "")
    assert f"work: {server} takes you for" in done.err
    assert stat.S_IMODE(contexts.path().stat().st_mode) == 0o600
    assert plimsoll("model", "list").code == 0
    assert options.trust_path(None) == settings.trust_file
    listed = plimsoll("context", "list", "-o", "json")
    assert listed.document[0]["hasToken"] is True
    assert token not in listed.out + plimsoll("context", "list").out
    # The flag and the environment win.
    assert plimsoll("model", "list", "--server", "http://127.0.0.1:1").code == 1
    monkeypatch.setenv("PLIMSOLL_TOKEN", WRONG)
    assert plimsoll("model", "list").code == 4
    monkeypatch.delenv("PLIMSOLL_TOKEN")
    assert plimsoll("logout").code == 0
    assert token not in contexts.path().read_text()
    assert plimsoll("model", "list").code == 4


def test_a_token_that_the_registry_does_not_know_is_not_kept(
    plimsoll: Run, token: str, monkeypatch: pytest.MonkeyPatch
):
    import os

    monkeypatch.setattr("sys.stdin", io.StringIO(WRONG))
    assert plimsoll("login", os.environ["PLIMSOLL_SERVER"]).code == 4
    assert not contexts.path().exists()


def test_a_contexts_token_goes_to_no_other_server():
    contexts.save(
        contexts.Contexts("work", {"work": contexts.Context("https://one.example", WRONG)})
    )
    with options.connect("https://one.example/", None) as same:
        assert same.has_token
    with options.connect("https://two.example", None) as other:
        assert not other.has_token
    assert run("context", "add", "work", "https://two.example").code == 0
    assert contexts.load().known["work"].token == ""


def test_contexts_are_added_chosen_and_named_by_the_environment(monkeypatch: pytest.MonkeyPatch):
    assert run("context", "add", "a", "https://a.example").code == 0
    assert run("context", "add", "b.example", "https://b.example:8443/").code == 0
    assert contexts.load().current == "a"
    assert run("context", "use", "b.example").code == 0
    with options.connect("", None) as client:
        assert client.url == "https://b.example:8443"
    monkeypatch.setenv("PLIMSOLL_CONTEXT", "a")
    with options.connect("", None) as client:
        assert client.url == "https://a.example"
    monkeypatch.setenv("PLIMSOLL_CONTEXT", "c")
    done = run("model", "list")
    assert done.code == 1
    assert "there is no context 'c'" in done.err


def test_without_any_of_them_it_is_this_machine():
    with options.connect("", None) as client:
        assert (client.url, client.has_token) == (options.LOCAL_SERVER, False)


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        ('current = "a"\n', 0o644, "others on this machine can read it"),
        ("current = [", 0o600, "cannot be read"),
        ('colour = "red"\n', 0o600, "unknown setting 'colour'"),
        ("current = 1\n", 0o600, "not of the form it must have"),
        ('[contexts.a]\ntoken = "x"\n', 0o600, "[contexts.a] is not of the form"),
        ('[contexts.a]\nserver = "http://a"\nkey = "x"\n', 0o600, "[contexts.a] is not"),
    ],
)
def test_a_file_that_is_not_right_is_named_and_left_as_it_is(text: str, mode: int, said: str):
    file: Path = contexts.path()
    file.parent.mkdir(parents=True)
    file.write_text(text)
    file.chmod(mode)
    done = run("context", "add", "b", "https://b.example")
    assert done.code == 1
    assert said in done.err
    assert file.read_text() == text


def test_an_address_with_a_password_in_it_is_refused():
    assert run("context", "add", "a", "https://u:p@a.example").code == 1
    assert not contexts.path().exists()
