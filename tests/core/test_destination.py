"""Addresses of webhooks: their form, and which machines they may reach."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.core import destination
from registry.core.destination import Destination
from registry.errors import InvalidInput

PRIVATE = [
    "127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.3.4", "192.168.1.1", "169.254.169.254",
    "100.64.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.1", "240.0.0.1", "192.0.2.1",  # noqa: S104  to be refused
    "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::7", "ff02::1", "2001:db8::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1",
    "2002:7f00:1::", "2001:0:7f00:1::",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_what_is_not_of_the_public_internet_is_not_reached(address: str) -> None:
    assert not destination.may_reach("hooks.example.org", address, [])


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "64:ff9b::5db8:d822"])
def test_the_public_internet_is_reached(address: str) -> None:
    assert destination.may_reach("hooks.example.org", address, [])


@pytest.mark.parametrize(
    ("host", "globs"),
    [
        ("hooks.corp.example", ["*.corp.example"]),
        ("HOOKS.corp.example.", ["hooks.corp.example"]),
        ("hooks.corp.example", ["10.0.*"]),
    ],
)
def test_a_host_may_be_allowed_by_its_name_or_its_address(host: str, globs: list[str]) -> None:
    assert destination.may_reach(host, "10.0.0.7", globs)
    assert not destination.may_reach("other.example", "10.1.0.7", globs)


@given(st.ip_addresses())
def test_no_private_address_hides_in_another_form(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    if isinstance(address, ipaddress.IPv4Address):
        mapped, translated = f"::ffff:{address}", f"64:ff9b::{address}"
        assert destination.is_public(mapped) == destination.is_public(str(address))
        assert destination.is_public(translated) == destination.is_public(str(address))
    if not address.is_global:
        assert not destination.is_public(str(address)) or address in destination.NAT64


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("https://a.example/x?y=1", Destination("a.example", 443, "/x?y=1", True)),
        ("http://a.example", Destination("a.example", 80, "/", False)),
        ("http://[::1]:8080/x", Destination("::1", 8080, "/x", False)),
    ],
)
def test_an_address_is_taken_apart(url: str, parts: Destination) -> None:
    assert destination.parse(url) == parts


@pytest.mark.parametrize(
    "url",
    [
        "", "ftp://a.example/", "file:///etc/passwd", "https://", "https:///x", "//a.example/x",
        "http://user@a.example/", "http://user:pass@a.example/", "http://a.example/#x",
        "http://a.example:0/", "http://a.example:65536/", "http://a.example:x/",
        "http://a.example/ x", "http://a.example/\r\nHost: b", "http://ä.example/", "http://[::1",
        "https://a.example/" + "x" * 2048,
    ],
)  # fmt: skip
def test_an_address_of_another_form_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput):
        destination.parse(url)
