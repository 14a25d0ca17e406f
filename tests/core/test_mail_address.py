"""A mail subscription's address: one mailbox, and nothing that could become a header."""

import pytest

from registry.core import mail_address
from registry.errors import InvalidInput


@pytest.mark.parametrize(
    "url", ["mailto:ops@example.org", "MAILTO:a.b+c@mail.example.org", "mailto:root@localhost"]
)
def test_a_plain_mailbox_is_taken_as_it_is(url: str) -> None:
    assert mail_address.parse(url) == url.partition(":")[2]


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/",
        "mailto:",
        "mailto:ops",
        "mailto:@example.org",
        "mailto:ops@",
        "mailto:ops@example.org?bcc=all@example.org",
        "mailto:ops@example.org,dev@example.org",
        "mailto:ops@example.org\r\nBcc: all@example.org",
        "mailto:ops@example.org%0ABcc:all@example.org",
        "mailto:ops@example.org\n",
        "mailto:Ops <ops@example.org>",
        'mailto:"o ps"@example.org',
        "mailto:.ops@example.org",
        "mailto:ops@-example.org",
        "mailto:öps@example.org",
        f"mailto:{'o' * 65}@example.org",
        f"mailto:ops@{'example.' * 40}org",
    ],
)
def test_whatever_is_more_than_that_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput):
        mail_address.parse(url)


def test_the_log_may_know_the_domain_alone() -> None:
    assert mail_address.domain("ops@Example.org") == "example.org"
