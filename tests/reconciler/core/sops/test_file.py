"""Files of secrets: SOPS itself reads ours and writes what we read, and no change goes unseen."""

import json
import secrets
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.core.kubernetes import text
from reconciler.core.sops import armor, file
from registry.core import documents
from registry.errors import DecryptionFailed, InvalidInput
from tests.reconciler import sealed, sops_tool
from tests.reconciler.sealed import CANARY, PATH

FILE = sealed.encrypted(sealed.plain())
OURS = [sealed.identity()]


def opened(content: str) -> file.Opened:
    return file.opened(sealed.tree(content), OURS, what=PATH)


def test_what_sops_encrypts_is_read_with_every_type_of_value(tmp_path: Path) -> None:
    key, path = sealed.key_file(tmp_path), tmp_path / "tracing.yaml"
    more = "    number: 42\n    yes: true\n    rate: 0.25\n    lines: |\n      a\n      b\n"
    path.write_text("# why it is here\n" + sealed.plain() + more)
    recipient = sealed.identity().recipient
    made = sops_tool.run(
        "encrypt", "--age", recipient, "--encrypted-regex", "^data$", str(path), key=key
    )
    assert CANARY not in made
    values = opened(made).values
    assert values["token"] == f"{CANARY}-one"
    assert [values[name] for name in ("number", "rate", "lines")] == ["42", "0.25", "a\nb\n"]


def test_sops_opens_what_is_encrypted_here_and_accepts_its_mac(tmp_path: Path) -> None:
    key, path = sealed.key_file(tmp_path), tmp_path / "tracing.yaml"
    path.write_text(FILE)
    shown = json.loads(sops_tool.run("decrypt", "--output-type", "json", str(path), key=key))
    assert shown["spec"]["data"] == {"token": f"{CANARY}-one", "other": f"{CANARY}-always"}
    assert shown["spec"]["usedBy"] == [{"environment": "production", "projects": ["default"]}]


def test_what_sops_rotates_and_sets_is_read_again(tmp_path: Path) -> None:
    key, path = sealed.key_file(tmp_path), tmp_path / "tracing.yaml"
    path.write_text(FILE)
    sops_tool.run("rotate", "--in-place", str(path), key=key)
    sops_tool.run("set", str(path), '["spec"]["data"]["token"]', '"another"', key=key)
    assert opened(path.read_text()).values == {"token": "another", "other": f"{CANARY}-always"}


def test_the_data_key_is_an_age_file_that_age_opens(tmp_path: Path) -> None:
    program = shutil.which("age")
    assert program, "Debian's age is part of the setup"
    key = sealed.key_file(tmp_path)
    made = armor.seal(b"0123456789abcdef", OURS[0].recipient, entropy=secrets.token_bytes)
    command = [program, "--decrypt", "--identity", str(key)]
    done = subprocess.run(command, input=made.encode(), check=True, capture_output=True)
    assert done.stdout == b"0123456789abcdef"
    assert armor.open_file(made, OURS) == b"0123456789abcdef"


def test_an_edit_changes_the_ciphertext_of_what_it_changes_alone() -> None:
    later = sealed.encrypted(sealed.plain("two"), before=FILE)
    one, other = (sealed.tree(content)["spec"]["data"] for content in (FILE, later))  # type: ignore[index,call-overload]
    assert one["token"] != other["token"]
    assert one["other"] == other["other"]
    assert opened(later).values["token"] == f"{CANARY}-two"
    anew = sealed.tree(sealed.encrypted(sealed.plain()))
    assert anew["spec"]["data"]["other"] != one["other"]  # type: ignore[index,call-overload]


Change = Callable[[Any], object]


def swap(data: Any) -> None:
    data["token"], data["other"] = data["other"], data["token"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda tree: tree["spec"]["usedBy"][0].update(environment="staging"), "MAC does not fit"),
        (lambda tree: tree["metadata"].update(name="tracings"), "MAC does not fit"),
        (lambda tree: tree["spec"]["data"].pop("other"), "MAC does not fit"),
        (lambda tree: swap(tree["spec"]["data"]), "spec.data.token was changed, or moved"),
        (lambda tree: tree["sops"].pop("mac"), "has no MAC"),
        (lambda tree: tree["sops"].update(mac=""), "has no MAC"),
        (lambda tree: tree["sops"].update(lastmodified="2020-01-01T00:00:00Z"), "MAC was changed"),
        (lambda tree: tree["sops"].update(mac_only_encrypted=True), "leaves out"),
        (lambda tree: tree["sops"].update(age=[]), "no age recipient"),
        (lambda tree: tree["sops"]["age"][0].update(enc="-----"), "not in an armored age file"),
    ],
)
def test_a_file_that_was_changed_says_what_is_wrong_and_no_value(change: Change, said: str) -> None:
    tree = sealed.tree(FILE)
    change(tree)
    with pytest.raises(DecryptionFailed) as caught:
        file.opened(tree, OURS, what=PATH)
    assert caught.value.detail.startswith(f"{PATH}: ")
    assert said in caught.value.detail
    assert CANARY not in f"{caught.value.detail} {caught.value.fix}"


def test_without_its_key_a_file_says_to_whom_it_is() -> None:
    with pytest.raises(DecryptionFailed, match=OURS[0].recipient) as caught:
        file.opened(sealed.tree(FILE), [sealed.identity("stranger")], what=PATH)
    assert "secrets keys" in caught.value.fix


def test_any_recipient_opens_it_and_a_stranger_does_not() -> None:
    both = sealed.encrypted(sealed.plain(), sealed.identity("ann"), sealed.identity("bob"))
    for word in ("ann", "bob"):
        found = file.opened(sealed.tree(both), [sealed.identity(word)], what=PATH)
        assert found.values["token"] == f"{CANARY}-one"
    with pytest.raises(DecryptionFailed):
        file.opened(sealed.tree(both), OURS, what=PATH)


def test_what_was_opened_does_not_show_itself() -> None:
    assert CANARY not in repr(opened(FILE))


def test_what_is_empty_or_no_text_is_not_encrypted() -> None:
    tree = sealed.tree(sealed.plain())
    for value, said in (("", "token is empty"), (42, "token is not text")):
        tree["spec"]["data"]["token"] = value  # type: ignore[index,call-overload]
        with pytest.raises(InvalidInput, match=said):
            file.closed(
                tree, [OURS[0].recipient], now="2026-01-01T00:00:00Z", entropy=secrets.token_bytes
            )


@settings(max_examples=150, deadline=None)
@given(place=st.integers(0, len(FILE) - 1), letter=st.sampled_from("Aaz09=+,]: \n\"'"))
def test_whatever_letter_is_another_the_values_are_the_same_or_refused(
    place: int, letter: str
) -> None:
    content = FILE[:place] + letter + FILE[place + 1 :]
    document = documents.read(PATH, content.encode())
    if isinstance(document, documents.Problem):
        assert CANARY not in document.detail
        return
    try:
        found = file.opened(document.value, OURS, what=PATH)
    except (DecryptionFailed, InvalidInput) as error:
        said = error.detail
    else:
        said = ""
        assert set(found.values.values()) <= {f"{CANARY}-one", f"{CANARY}-always"}
    assert CANARY not in said


@settings(max_examples=50, deadline=None)
@given(
    st.dictionaries(
        st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True),
        st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1),
        min_size=1,
    )
)
def test_every_text_comes_back_as_it_was(values: dict[str, str]) -> None:
    tree: Any = sealed.tree(sealed.plain())
    tree["spec"]["data"] = values
    closed = file.closed(
        tree, [OURS[0].recipient], now="2026-01-01T00:00:00Z", entropy=secrets.token_bytes
    )
    assert opened(text.documents([closed])).values == values
