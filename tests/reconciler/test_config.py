"""plimsoll.toml: what is wrong is named, what is left out has a documented default."""

from pathlib import Path

import pytest

from reconciler import config
from registry import configuration, errors


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "plimsoll.toml"
    path.write_text(text)
    return path


def test_a_repository_is_all_a_reconciler_needs(tmp_path: Path) -> None:
    found = config.load(written(tmp_path, '[reconciler]\nrepository = "origin.git"\n'))
    assert (found.repository, found.branch, found.poll_s) == ("origin.git", "main", 30.0)
    assert found.host_registry == found.registry == "http://127.0.0.1:8440"
    assert found.token_file == tmp_path / "reconciler.token"
    assert found.trust_file == tmp_path / "registry" / "trust.json"
    assert (found.listen, found.webhook_secret_file, found.allow_empty) == (None, None, False)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", r"the table \[reconciler\] is missing"),
        ("[reconciler]\n", "reconciler.repository must be text, found nothing"),
        ("[reconciler]\nrepository = 7\n", "reconciler.repository must be text, found 7"),
        ('[reconciler]\nrepository = "x"\npoll_secons = 5\n', "poll_secons is not a setting"),
        ('[reconciler]\nrepository = "x"\npoll_seconds = 0\n', "must be above zero"),
        ('[reconciler]\nrepository = "x"\npoll_seconds = true\n', "must be a number, found True"),
        ('[reconciler]\nrepository = "x"\nallow_empty = 1\n', "must be true or false, found 1"),
        ('[reconciler]\nrepository = "x"\nrepository = "y"\n', "plimsoll.toml: "),
        ('repository = "x"\n', "repository stands outside of a table"),
    ],
)
def test_a_wrong_setting_is_named_with_the_file(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(errors.InvalidConfig, match=complaint) as caught:
        config.load(written(tmp_path, text))
    assert "plimsoll.toml" in caught.value.detail
    assert caught.value.fix


def test_the_registrys_table_has_defaults_too(tmp_path: Path) -> None:
    found = configuration.load(written(tmp_path, "[registry]\n"))
    assert found.listen == ("127.0.0.1:8440",)
    assert found.data_dir == tmp_path / "registry"


def test_listen_must_be_a_list(tmp_path: Path) -> None:
    with pytest.raises(errors.InvalidConfig, match=r"registry.listen must be a list of texts"):
        configuration.load(written(tmp_path, '[registry]\nlisten = "127.0.0.1:1"\n'))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(errors.InvalidConfig, match=r"nowhere.toml cannot be read: No such") as said:
        config.load(tmp_path / "nowhere.toml")
    assert "--config" in said.value.fix


@pytest.mark.parametrize(
    ("tables", "complaint"),
    [
        ("[[reconciler.checks]]\n", r"checks\[0\].address must be text"),
        ('[[reconciler.checks]]\naddress = "checks.example"\n', "is not one of http or https"),
        ('[[reconciler.checks]]\naddress = "https://u:p@c.example"\n', "a user, a password"),
        (
            '[[reconciler.prometheus]]\naddress = "http://p.example"\ntoken_file = "t"\n',
            "would be read by anybody",
        ),
        ('[[reconciler.prometheus]]\naddress = "https://p"\ntoken = "t"\n', "is not a setting"),
    ],
)
def test_whom_analyses_may_ask_is_an_address_and_a_token_goes_nowhere_in_the_clear(
    tmp_path: Path, tables: str, complaint: str
) -> None:
    with pytest.raises(errors.InvalidConfig, match=complaint):
        config.load(written(tmp_path, f'[reconciler]\nrepository = "x"\n{tables}'))


def test_a_token_may_go_to_this_machine(tmp_path: Path) -> None:
    tables = '[[reconciler.prometheus]]\naddress = "http://127.0.0.1:9090"\ntoken_file = "t"\n'
    text = f'[reconciler]\nrepository = "x"\n{tables}'
    found = config.load(written(tmp_path, text)).sources
    assert found.prometheus[0].token_file == tmp_path / "t"
    assert found.checks == ()
