"""`plimsoll secrets`: what people do with files of secrets, and what they get to see."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from reconciler import cli
from reconciler.core.sops import file
from registry import errors
from tests.reconciler import sealed, sops_tool
from tests.reconciler.sealed import CANARY


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return sealed.key_file(tmp_path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "tracing.yaml"
    made.write_text(sealed.encrypted(sealed.plain()))
    return made


def run(*words: str, **environment: str) -> Result:
    return CliRunner(env=environment).invoke(cli.app, ["secrets", *words], catch_exceptions=False)


def values(path: Path) -> dict[str, str]:
    found = file.opened(sealed.tree(path.read_text()), [sealed.identity()], what=str(path))
    return dict(found.values)


def editor(folder: Path, script: str) -> str:
    program = folder / "editor.sh"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o700)
    return str(program)


def test_a_key_is_made_once_for_its_owner_alone_and_its_recipient_is_printed(
    tmp_path: Path,
) -> None:
    (tmp_path / "plimsoll.toml").write_text(
        '[reconciler]\nrepository = "nowhere"\nage_identity_file = "age.key"\n'
    )
    printed = [run("keys", "--config", str(tmp_path / "plimsoll.toml")).output for _ in range(2)]
    assert printed[0] == printed[1]
    assert printed[0].startswith("age1")
    assert (tmp_path / "age.key").stat().st_mode & 0o777 == 0o600
    path = tmp_path / "tracing.yaml"
    path.write_text(sealed.plain())
    run("encrypt", str(path), "--recipient", printed[0].strip())
    shown = sops_tool.run("decrypt", str(path), key=tmp_path / "age.key")
    assert f"{CANARY}-one" in shown


def test_a_key_whose_making_was_cut_short_is_made_the_next_time(tmp_path: Path) -> None:
    """The disk takes no byte, as where it is full, or as where who writes is killed just then."""
    key = tmp_path / "age.key"
    words = ["-m", "registry.cli", "secrets", "keys", "--identity", str(key)]
    limited = f"ulimit -f 0; exec {shlex.quote(sys.executable)} {shlex.join(words)}"
    assert subprocess.run(["sh", "-c", limited], check=False, capture_output=True).returncode
    assert list(tmp_path.iterdir()) == []
    assert run("keys", "--identity", str(key)).output.startswith("age1")


def test_a_file_is_encrypted_in_place_and_nothing_of_it_is_printed(
    tmp_path: Path, key: Path
) -> None:
    path = tmp_path / "tracing.yaml"
    path.write_text(sealed.plain())
    done = run("encrypt", str(path), "--recipient", sealed.identity().recipient)
    assert CANARY not in done.output + path.read_text()
    assert values(path)["token"] == f"{CANARY}-one"
    with pytest.raises(errors.Conflict, match="encrypted already"):
        run("encrypt", str(path), "--recipient", sealed.identity().recipient)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (sealed.plain().replace("token:", "token: 5\n    x:"), "spec.data.token is not text"),
        (sealed.plain().replace("token: ", "token: 2026-01-01"), "cannot be read as YAML"),
        (sealed.plain(used_by="[]"), "spec.usedBy: is empty"),
        (sealed.plain().replace("usedBy", "usedby"), "spec.usedBy: is missing"),
    ],
)
def test_what_would_not_be_read_again_is_left_as_it_was(
    tmp_path: Path, content: str, said: str
) -> None:
    path = tmp_path / "tracing.yaml"
    path.write_text(content)
    with pytest.raises(errors.PlimsollError) as caught:
        run("encrypt", str(path), "--recipient", sealed.identity().recipient)
    told = f"{caught.value.detail} {caught.value.fix}"
    assert said in told
    assert CANARY not in told
    assert path.read_text() == content


def test_without_a_recipient_nothing_is_encrypted(tmp_path: Path) -> None:
    path = tmp_path / "tracing.yaml"
    path.write_text(sealed.plain())
    with pytest.raises(errors.InvalidInput, match="no recipient"):
        run("encrypt", str(path))


def test_an_edit_is_in_a_folder_of_ones_own_and_leaves_nothing(
    tmp_path: Path, key: Path, path: Path
) -> None:
    before = sealed.tree(path.read_text())
    script = f'sed -i s/-one/-two/ "$1"; dirname "$1" > {tmp_path}/where; stat -c %a "$(dirname $1)" > {tmp_path}/mode'  # noqa: E501
    done = run("edit", str(path), "--identity", str(key), EDITOR=editor(tmp_path, script))
    assert done.output == f"{path}: changed\n"
    assert values(path) == {"token": f"{CANARY}-two", "other": f"{CANARY}-always"}
    after = sealed.tree(path.read_text())
    assert before["spec"]["data"]["other"] == after["spec"]["data"]["other"]  # type: ignore[index,call-overload]
    assert (tmp_path / "mode").read_text().strip() == "700"
    assert not Path((tmp_path / "where").read_text().strip()).exists()


def test_an_edit_that_changes_nothing_or_fails_leaves_every_byte(
    tmp_path: Path, key: Path, path: Path
) -> None:
    before = path.read_bytes()
    environment = {"SOPS_AGE_KEY_FILE": str(key)}
    done = run("edit", str(path), EDITOR=editor(tmp_path, "true"), **environment)
    assert "nothing changed" in done.output
    for script, said in (("exit 3", "ended with 3"), ('echo "]" >> "$1"', "cannot be read as")):
        with pytest.raises(errors.PlimsollError, match=said):
            run("edit", str(path), EDITOR=editor(tmp_path, script), **environment)
    assert path.read_bytes() == before


def test_a_rotation_has_another_data_key_and_other_recipients(
    tmp_path: Path, key: Path, path: Path
) -> None:
    before, ann = path.read_text(), sealed.identity("ann")
    run("rotate", str(path), "--identity", str(key), "--add", ann.recipient)
    known = [
        file.opened(sealed.tree(content), [sealed.identity()], what="x")
        for content in (before, path.read_text())
    ]
    assert known[0].values == known[1].values
    assert known[0].key != known[1].key
    assert known[1].recipients == (sealed.identity().recipient, ann.recipient)
    done = run("rotate", str(path), "--identity", str(key), "--remove", ann.recipient)
    assert "change the values as well" in done.output
    assert file.recipients(sealed.tree(path.read_text())) == (sealed.identity().recipient,)
    with pytest.raises(errors.NotFound, match="is not encrypted to"):
        run("rotate", str(path), "--identity", str(key), "--remove", ann.recipient)


def test_the_mode_of_a_file_stays(tmp_path: Path, key: Path, path: Path) -> None:
    path.chmod(0o640)
    run("rotate", str(path), "--identity", str(key))
    assert path.stat().st_mode & 0o777 == 0o640
    assert sorted(one.name for one in tmp_path.iterdir()) == ["age.key", "tracing.yaml"]
