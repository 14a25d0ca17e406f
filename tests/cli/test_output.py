"""One result in the forms that people and programs want."""

import json

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.cli import output, yaml_text
from registry.cli.output import Listing
from tests.cli.conftest import Run, run

ROWS = [("edge-1", "up", "long key"), ("edge-2", "", "\x1b[31m")]
LISTS = (
    "model list", "model search", "alias list m", "evidence list m@1", "token list", "host list",
    "host agents", "webhook list", "webhook dead-letters x", "context list", "status",
    "history a/b", "audit log", "admin hold list",
)  # fmt: skip
TITLES = ("host", "state", "recipient")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(JSON)
def test_yaml_says_what_json_says(value: object):
    read = yaml.safe_load(yaml_text.render(value))
    assert read == json.loads(json.dumps(value))


def test_a_list_is_narrow_wide_or_names(capsys: pytest.CaptureFixture[str]):
    def shown(form: Listing) -> list[str]:
        output.print_listing(form, TITLES, ROWS, wide=("recipient",))
        return capsys.readouterr().out.splitlines()

    assert shown(Listing.TABLE) == ["HOST    STATE", "edge-1  up", "edge-2  -"]
    assert shown(Listing.WIDE)[0].split() == ["HOST", "STATE", "RECIPIENT"]
    assert shown(Listing.NAME) == ["edge-1", "edge-2"]
    assert "\x1b" not in "".join(shown(Listing.WIDE))


def test_every_list_knows_all_forms():
    forms = ", ".join(repr(form.value) for form in Listing)
    for words in LISTS:
        assert forms in run(*words.split(), "-o", "nothing").err.replace("\n", " "), words


def test_lists_of_a_registry_in_every_form(plimsoll: Run):
    assert plimsoll("token", "list", "-o", "name").out.strip()
    assert json.loads(plimsoll("token", "list", "-o", "json").out)
    told = yaml.safe_load(plimsoll("token", "list", "-o", "yaml").out)
    assert told == plimsoll("token", "list", "-o", "json").document
    assert run("token", "list", "-o", "xml").code == 64
