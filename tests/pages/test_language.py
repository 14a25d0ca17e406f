"""Pages in the language of their reader; their twins, headers and links as they have to be."""

import json
import re
from collections.abc import Iterator

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.pages import catalogs, language
from tests.pages.addresses import PAGES
from tests.pages.bare import seen
from tests.pages.conftest import Site

ZH = {"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"}
# Reasons and names that came from elsewhere stay as they were written, also where we know the word.
WRITTEN = frozenset({"allowed", "control", "treatment"})
CHINESE = re.compile("[\u4e00-\u9fff]")


@pytest.fixture
def reader(site: Site) -> Iterator[httpx2.Client]:
    """Signed in, as a browser asks for pages; no language is chosen yet."""
    headers = {"Accept": "text/html,*/*;q=0.8"}
    with httpx2.Client(base_url=site.url, headers=headers, timeout=60) as client:
        client.cookies.set("plimsoll_token", site.token)
        yield client


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("", "en"),
        ("zh", "zh"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("zh-Hant-TW", "zh"),
        ("ZH-hans", "zh"),
        ("fr, de;q=0.9", "en"),
        ("fr, zh;q=0.3, en;q=0.2", "zh"),
        ("en;q=0.2, zh;q=0.3", "zh"),
        ("en, zh", "en"),
        ("zh;q=0", "en"),
        ("zh;q=0, *", "en"),
        ("*", "en"),
        ("zh;q=2, en;q=0.1", "en"),
        ("zh;q=nan", "en"),
        ("zh;quality=1", "en"),
        (" ; , ;q=1,,zh ; q = 0.5", "zh"),
        ("x" * 100_000, "en"),
        ("zhx", "en"),
    ],
)
def test_a_browsers_wish_is_met_as_it_is_weighed(header: str, code: str) -> None:
    assert language.asked(header).code == code


@given(st.text() | st.text("zhen-;,q=.01* "))
def test_whatever_a_browser_asks_a_language_that_there_is_is_found(header: str) -> None:
    assert language.asked(header) in language.LANGUAGES.values()


def test_a_page_says_in_which_language_it_is_and_what_that_hangs_on(reader: httpx2.Client) -> None:
    for headers, tag in (({}, "en"), (ZH, "zh-Hans")):
        answer = reader.get("/models", headers=headers)
        assert answer.headers["content-language"] == tag
        assert {"Accept", "Accept-Language", "Cookie"} <= set(answer.headers["vary"].split(", "))
        assert f'<html lang="{tag}">' in answer.text
        assert f'<div id="page" lang="{tag}"' in answer.text


def test_what_a_reader_chooses_stands_above_what_their_browser_asks(reader: httpx2.Client) -> None:
    chosen = reader.post("/language", content="language=zh&back=/models%3Ffilter%3D")
    assert (chosen.status_code, chosen.headers["location"]) == (303, "/models?filter=")
    cookie = chosen.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "<h1>模型</h1>" in reader.get("/models", headers={"Accept-Language": "en"}).text
    reader.post("/language", content="language=en&back=/")
    assert "<h1>Models</h1>" in reader.get("/models", headers=ZH).text
    reader.cookies.set("plimsoll_language", "tlh")
    assert "<h1>Models</h1>" in reader.get("/models").text


def test_no_other_site_chooses_and_nobody_is_led_away(reader: httpx2.Client) -> None:
    elsewhere = {"Sec-Fetch-Site": "cross-site"}
    refused = reader.post("/language", content="language=zh", headers=elsewhere)
    assert (refused.status_code, "set-cookie" in refused.headers) == (403, False)
    led = reader.post("/language", content="language=zh&back=//evil.example")
    assert led.headers["location"] == "/"


def test_the_choice_is_there_before_somebody_signs_in(site: Site) -> None:
    headers = {"Accept": "text/html"}
    with httpx2.Client(base_url=site.url, headers=headers, timeout=60) as nobody:
        form = nobody.get("/login?back=/models").text
        assert '<input name="back" value="/models" type="hidden">' in form
        assert '<button name="language" value="zh" lang="zh-Hans">中文</button>' in form
        nobody.post("/language", content="language=zh&back=/models")
        assert "<h1>登录</h1>" in nobody.get("/login").text


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_in_chinese_and_its_twin_never(reader: httpx2.Client, path: str) -> None:
    page = reader.get(path, headers=ZH)
    assert page.status_code == 200
    # What is exactly an English message of ours should have been its translation.
    catalog = catalogs.of("zh_Hans")
    assert isinstance(catalog, catalogs.Catalog)
    english = {one for one in catalog.messages if re.search("[a-z]", one)}
    said = seen(page.text)
    assert [one for one in said if CHINESE.search(one)]
    assert [one for one in said if one in english - WRITTEN] == []
    if path != "/login":
        twin = reader.get(path, headers=ZH | {"Accept": "application/json"})
        assert not CHINESE.search(json.dumps(twin.json(), ensure_ascii=False))


def test_an_error_keeps_its_english_and_says_so_to_a_screen_reader(reader: httpx2.Client) -> None:
    text = reader.get("/deployments/a/none", headers=ZH).text
    assert '<span lang="en">Not found</span>' in text
    assert "解决办法" in text
