"""Lines of runtimes: what is new, and nothing that lets somebody in."""

import pytest

from reconciler.core import tailing
from reconciler.core.tailing import News


@pytest.mark.parametrize(
    ("seen", "now", "new"),
    [
        ([], ["a", "b"], News(("a", "b"))),
        (["a", "b"], ["a", "b"], News(())),
        (["a", "b"], ["a", "b", "c"], News(("c",))),
        (["a", "b", "c"], ["b", "c", "d"], News(("d",))),
        (["a", "b", "c"], ["c", "d", "e"], News(("d", "e"))),
        (["a", "b"], ["x", "y"], News(("x", "y"), is_gap=True)),
        (["a", "b"], [], News((), is_gap=True)),
        (["a", "b", "c"], ["c"], News(())),
    ],
)
def test_what_is_new_stands_behind_what_was_seen(
    seen: list[str], now: list[str], new: News
) -> None:
    assert tailing.news(seen, now) == new


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("loaded digits@7 in 0.4 s", "loaded digits@7 in 0.4 s"),
        ("using plm_0123456789abcdef_" + "A" * 43, "using (hidden)"),
        ("Authorization: Bearer abcdefgh.ijkl", "Authorization: Bearer (hidden)"),
        ("GET https://ann:hunter2@proxy:3128/", "GET https://(hidden)@proxy:3128/"),
        ('{"password": "hunter2"}', '{"password": "(hidden)'),
        ("api_key=abc123 done", "api_key=(hidden) done"),
        ("AGE-SECRET-KEY-1QQQQ", "(hidden)"),
        ("tokens: 12 of 512 used", "tokens: 12 of 512 used"),
        ("\x1b]0;owned\x07", ""),
        ("\x1b]0;owned", "0;owned"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x9b2Jgone \x1bc \x07", "gone  \ufffd"),
        ("plm_0123456789abcdef_\x1b[0m" + "A" * 43, "(hidden)"),
        ("a\u202eb", "a\ufffdb"),
        ("x" * 5000, "x" * 4000 + "…"),
    ],
)
def test_a_line_lets_nobody_in_and_steers_no_terminal(line: str, shown: str) -> None:
    assert tailing.shown(line) == shown


def test_of_a_private_key_not_one_line_is_shown() -> None:
    written = [
        "reads",
        "-----BEGIN EC PRIVATE KEY-----",
        "MHcCAQEE",
        "-----END EC PRIVATE KEY-----",
    ]
    assert tailing.hidden([*written, "goes on"]) == [
        "reads",
        "(hidden)",
        "(hidden)",
        "(hidden)",
        "goes on",
    ]


def test_nor_of_one_whose_beginning_is_not_among_the_last_lines() -> None:
    written = ["it says", "MHcCAQEE", "oAoGCCqG==", "-----END PRIVATE KEY-----", "goes on"]
    assert tailing.hidden(written) == ["it says", *["(hidden)"] * 3, "goes on"]
