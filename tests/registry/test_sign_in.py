"""Signing in at an identity provider, and every answer of one that must come to nothing."""

import base64
import re
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from registry import errors
from registry.api.server import Server, bind
from registry.core import sign_in
from registry.core.sign_in import Attempt
from registry.settings import Settings
from registry.settings_access import Access, Issuer, SignIn
from registry.usecases import persons, sessions
from registry.usecases.access import Caller, Role
from registry.usecases.opening import Registry
from tests.registry import identity_provider
from tests.registry.identity_provider import AUDIENCE, IdentityProvider

GRANTS = """\
apiVersion: plimsoll.dev/v1
kind: Access
metadata: {name: access}
spec:
  grants:
    - role: ROLE
      models: ["*"]
      to: {issuer: ISSUER, claims: {groups: harbour-pilots}}
"""
CLIENT = "plimsoll-pages"
ROOT = Caller(Role.ADMIN, "root")
PAGE = {"Accept": "text/html"}


@dataclass
class World:
    """A registry that sends people to a provider."""

    server: Server
    provider: IdentityProvider
    file: Path

    @property
    def registry(self) -> Registry:
        opened: Registry = self.server.app.state.registry
        return opened

    def browser(self) -> httpx2.Client:
        return httpx2.Client(base_url=self.server.addresses[0], headers=PAGE, timeout=60)

    def asked(self, browser: httpx2.Client, back: str = "/") -> dict[str, str]:
        """Leave for the provider; what it is asked."""
        answer = browser.get("/login/with/0", params={"back": back})
        assert answer.status_code == 303, answer.text
        found = urlsplit(answer.headers["location"])
        assert f"{found.scheme}://{found.netloc}" == self.provider.url
        return {name: values[0] for name, values in parse_qs(found.query).items()}

    def answer(self, asked: dict[str, str], **claims: Any) -> dict[str, str]:
        """What the provider's redirect says; the token for its code is as it should be but for
        `claims`."""
        code = secrets.token_urlsafe(8)
        self.provider.codes[code] = asked["code_challenge"]
        as_should_be = {"aud": CLIENT, "nonce": asked["nonce"], "groups": ["harbour-pilots"]}
        self.provider.claims = as_should_be | claims
        return {"code": code, "state": asked["state"]}

    def grant(self, role: str) -> None:
        self.file.write_text(GRANTS.replace("ISSUER", self.provider.url).replace("ROLE", role))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("registry")
    with identity_provider.running() as provider:
        listening = bind("127.0.0.1:0")
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        issuer = Issuer(provider.url, AUDIENCE, sign_in=SignIn(CLIENT, label="Example"))
        access = Access(file=folder / "access.yaml", issuers=(issuer,), failures_per_minute=10_000)
        server = Server(Settings(data_dir=folder / "data", url=url, access=access), [listening])
        found = World(server, provider, folder / "access.yaml")
        found.grant("operator")
        server.start()
        yield found
        server.stop()


def sign_in_at(world: World, browser: httpx2.Client, back: str = "/", **claims: Any) -> Any:
    asked = world.asked(browser, back)
    return browser.get("/login/callback", params=world.answer(asked, **claims))


def require_refused(browser: httpx2.Client, answer: httpx2.Response, words: str) -> None:
    assert answer.status_code == 401, answer.text
    assert re.search(words, answer.text), answer.text
    assert sessions_of(answer) == []
    assert browser.get("/").status_code == 303


def sessions_of(answer: httpx2.Response) -> list[str]:
    """The session cookies that are set, and not those that are taken back."""
    return [
        one
        for one in answer.headers.get_list("set-cookie")
        if one.startswith("plimsoll_session=pls_")
    ]


def test_a_person_signs_in_acts_under_a_pseudonym_and_signs_out(world: World) -> None:
    with world.browser() as browser:
        assert "Sign in with Example" in browser.get("/login").text
        answer = sign_in_at(world, browser, "/deployments?q=a")
        assert (answer.status_code, answer.headers["location"]) == (303, "/deployments?q=a")
        me = browser.get("/v1/whoami").json()
        assert re.fullmatch("p-[0-9a-f]{16}", me["name"])
        assert (me["means"], me["grants"][0]["role"]) == ("oidc", "operator")
        assert browser.post("/logout").headers["location"] == "/login"
        assert browser.get("/").headers["location"] == "/login"


def test_what_is_asked_has_a_challenge_a_state_and_a_nonce_and_never_the_verifier(
    world: World,
) -> None:
    with world.browser() as browser:
        first, second = world.asked(browser), world.asked(browser)
    assert first["response_type"] == "code"
    assert first["code_challenge_method"] == "S256"
    assert first["redirect_uri"] == f"{world.registry.settings.url}/login/callback"
    assert "code_verifier" not in first
    for name in ("state", "nonce", "code_challenge"):
        assert len(first[name]) >= 43
        assert first[name] != second[name]


def test_the_cookies_are_out_of_reach_of_scripts_and_other_sites(world: World) -> None:
    with world.browser() as browser:
        begun = browser.get("/login/with/0").headers["set-cookie"]
        [kept] = sessions_of(sign_in_at(world, browser))
    for cookie in (begun, kept):
        assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))


def test_behind_tls_the_cookies_are_secure_and_for_this_host_alone(tmp_path: Path) -> None:
    with identity_provider.running() as provider:
        issuer = Issuer(provider.url, AUDIENCE, sign_in=SignIn(CLIENT))
        access = Access(issuers=(issuer,))
        settings = Settings(
            data_dir=tmp_path / "data",
            listen=("127.0.0.1:0",),
            url="https://models.example.org",
            access=access,
        )
        server = Server(settings)
        server.start()
        asked = f"{server.addresses[0]}/login/with/0"
        begun = httpx2.get(asked, timeout=60).headers["set-cookie"]
        server.stop()
    assert begun.startswith("__Host-plimsoll_sign_in=")
    assert {"Secure", "HttpOnly", "Path=/"} <= set(begun.split("; "))
    assert "Domain" not in begun


ATTACKS: dict[str, tuple[dict[str, Any], str]] = {
    "another audience": ({"aud": AUDIENCE}, "another audience"),
    "an audience of several without a party": ({"aud": [CLIENT, "x"]}, "for several"),
    "another party": ({"azp": "somebody-else"}, "somebody else asked"),
    "another issuer": ({"iss": "https://evil.example"}, "no key of its issuer"),
    "another nonce": ({"nonce": "A" * 43}, "another sign-in"),
    "no nonce": ({"nonce": None}, "another sign-in"),
    "a nonce that is no text": ({"nonce": ["x"]}, "another sign-in"),
    "no subject": ({"sub": None}, "names no subject"),
    "a token that is over": ({"iat": 1_000_000_000, "exp": 1_000_000_300}, "expired"),
    "a token of tomorrow": ({"iat": 4_000_000_000, "exp": 4_000_000_300}, "issued"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_id_token_that_is_not_for_this_sign_in_is_refused(world: World, attack: str) -> None:
    claims, words = ATTACKS[attack]
    with world.browser() as browser:
        require_refused(browser, sign_in_at(world, browser, **claims), words)


def test_an_id_token_under_another_key_is_refused(world: World) -> None:
    with identity_provider.running() as other, world.browser() as browser:
        asked = world.asked(browser)
        answer = world.answer(asked)
        own, world.provider.key = world.provider.key, other.key
        try:
            refused = browser.get("/login/callback", params=answer)
        finally:
            world.provider.key = own
        require_refused(browser, refused, "no key of its issuer")


def test_a_code_is_good_once(world: World) -> None:
    with world.browser() as browser:
        asked = world.asked(browser)
        begun, answer = dict(browser.cookies), world.answer(asked)
        assert sessions_of(browser.get("/login/callback", params=answer))
    # The same answer, by whoever got hold of the cookie too: even where a provider is careless.
    world.provider.codes[answer["code"]] = asked["code_challenge"]
    with world.browser() as thief:
        thief.cookies.update(begun)
        require_refused(thief, thief.get("/login/callback", params=answer), "answered before")


def test_a_code_without_its_verifier_is_good_for_nothing(world: World) -> None:
    """Somebody else's code, brought into one's own sign-in: what PKCE is for."""
    with world.browser() as victim, world.browser() as thief:
        stolen = world.answer(world.asked(victim))["code"]
        own = world.asked(thief)
        answer = {"code": stolen, "state": own["state"]}
        require_refused(
            thief, thief.get("/login/callback", params=answer), "does not take the code"
        )


def test_an_answer_in_another_browser_than_the_one_that_asked_is_refused(world: World) -> None:
    """Or else an attacker could sign a victim in as the attacker."""
    with world.browser() as attacker, world.browser() as victim:
        answer = world.answer(world.asked(attacker))
        refused = victim.get("/login/callback", params=answer)
        require_refused(victim, refused, "has not begun one")
        world.asked(victim)
        refused = victim.get("/login/callback", params=answer)
        require_refused(victim, refused, "another sign-in than the one")


def test_a_sign_in_that_took_too_long_is_refused(world: World) -> None:
    registry, state = world.registry, "s" * 43
    old = Attempt(world.provider.url, state, "n", "v", "/", time.time() - 1)
    sealed = registry.vault.seal(old.encode(), owner="sign-in")
    with world.browser() as browser:
        browser.cookies.set("plimsoll_sign_in", base64.urlsafe_b64encode(sealed).decode())
        answer = {"code": "x", "state": state}
        require_refused(browser, browser.get("/login/callback", params=answer), "took too long")


@pytest.mark.parametrize("cookie", ["", "x", "AAAA", "é".encode().hex(), "A" * 4000])
def test_a_cookie_that_we_did_not_seal_begins_nothing(world: World, cookie: str) -> None:
    with world.browser() as browser:
        browser.cookies.set("plimsoll_sign_in", cookie)
        answer = {"code": "x", "state": ""}
        require_refused(browser, browser.get("/login/callback", params=answer), "not begun one")


def test_an_answer_by_another_provider_than_was_asked_is_refused(world: World) -> None:
    with world.browser() as browser:
        asked = world.asked(browser)
        answer = world.answer(asked) | {"iss": "https://evil.example"}
        require_refused(browser, browser.get("/login/callback", params=answer), "another provider")


def test_a_provider_that_names_itself_must_do_so() -> None:
    attempt = Attempt("https://login.example.org", "s", "n", "v", "/", 0)
    said = {"state": "s", "code": "c"}
    with pytest.raises(errors.Unauthenticated, match="another provider"):
        sign_in.require_answer(attempt, said, names_itself=True)
    named = said | {"iss": attempt.issuer}
    assert sign_in.require_answer(attempt, named, names_itself=True) == "c"


def test_what_a_provider_refuses_is_shown_as_text(world: World) -> None:
    with world.browser() as browser:
        asked = world.asked(browser)
        said = {"error": "access_denied", "error_description": "<script>alert(1)</script>"}
        answer = browser.get("/login/callback", params=said | {"state": asked["state"]})
        require_refused(browser, answer, "your identity provider says: &lt;script&gt;")


@pytest.mark.parametrize(
    "back",
    [
        "https://evil.example", "//evil.example", "/\\evil.example", "\\\\evil.example",
        "/\t/evil.example", "/%0a//evil\n", "javascript:alert(1)", "evil.example", "",
        "/login/callback", "http:/evil.example", "/" + "a" * 2000, "///evil.example",
    ],
)  # fmt: skip
def test_nobody_is_sent_on_to_another_place(world: World, back: str) -> None:
    assert sign_in.local_path(back) == "/"
    with world.browser() as browser:
        assert sign_in_at(world, browser, back).headers["location"] == "/"


def test_a_page_that_was_asked_for_comes_after_signing_in(world: World) -> None:
    with world.browser() as browser:
        answer = browser.get("/models?filter=name = 'a'")
        place = answer.headers["location"]
        assert place.startswith("/login?back=%2Fmodels")
        assert "back=/models%3Ffilter%3D" in browser.get(place).text


def test_somebody_without_a_grant_is_told_so_and_not_signed_in(world: World) -> None:
    with world.browser() as browser:
        answer = sign_in_at(world, browser, groups=["others"])
        assert answer.status_code == 403
        assert "nothing is granted to you here" in answer.text
        assert sessions_of(answer) == []


def test_what_the_access_file_no_longer_grants_ends_the_session(world: World) -> None:
    with world.browser() as browser:
        sign_in_at(world, browser)
        assert browser.get("/v1/whoami").json()["grants"][0]["role"] == "operator"
        try:
            world.grant("viewer")
            _until(lambda: browser.get("/v1/whoami").json()["grants"][0]["role"] == "viewer")
            world.file.write_text(world.file.read_text().replace("harbour-pilots", "nobody"))
            _until(lambda: browser.get("/v1/whoami").status_code == 403)
        finally:
            world.grant("operator")
        _until(lambda: browser.get("/v1/whoami").status_code == 200)


def test_a_session_is_good_in_its_cookie_alone_and_over_after_signing_out(world: World) -> None:
    with world.browser() as browser:
        sign_in_at(world, browser)
        secret = browser.cookies["plimsoll_session"]
        header = {"Authorization": f"Bearer {secret}"}
        asked = f"{world.server.addresses[0]}/v1/whoami"
        assert httpx2.get(asked, headers=header, timeout=60).is_error
        browser.post("/logout")
        browser.cookies.set("plimsoll_session", secret)
        assert browser.get("/v1/models", headers={"Accept": "*/*"}).status_code == 401


def test_a_session_with_a_wrong_secret_is_nobodys_and_cannot_be_ended(world: World) -> None:
    with world.browser() as browser:
        sign_in_at(world, browser)
        secret = browser.cookies["plimsoll_session"]
        wrong = secret[:-1] + ("A" if secret[-1] != "A" else "B")
        with pytest.raises(errors.Unauthenticated, match="not signed in"):
            sessions.recognise(world.registry, wrong)
        sessions.end(world.registry, wrong)
        assert browser.get("/").status_code == 200


def test_to_forget_a_person_ends_their_sessions(world: World) -> None:
    with world.browser() as browser:
        sign_in_at(world, browser, sub="mallory")
        name = browser.get("/v1/whoami").json()["name"]
        persons.erase(world.registry, name, reason="asked for", by=ROOT)
        assert browser.get("/").status_code == 303


def test_what_is_kept_of_a_session_names_nobody(world: World) -> None:
    with world.browser() as browser:
        sign_in_at(world, browser, name="Grace Hopper", sub="s-17")
        secret = browser.cookies["plimsoll_session"]
    for file in world.registry.settings.data_dir.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert secret.encode() not in content
            assert b"harbour-pilots" not in content


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"}, {"Origin": "null"},
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("path", ["/login", "/logout"])
def test_a_form_that_another_site_sends_is_refused(
    world: World, path: str, headers: dict[str, str]
) -> None:
    with world.browser() as browser:
        sign_in_at(world, browser)
        assert browser.post(path, headers=headers, content="token=x").status_code == 403
        assert browser.get("/").status_code == 200


def test_a_provider_that_is_away_is_said_and_the_token_still_works(tmp_path: Path) -> None:
    with identity_provider.running() as provider:
        provider.is_away = True
        issuer = Issuer(provider.url, AUDIENCE, sign_in=SignIn(CLIENT, label="Example"))
        settings = Settings(
            data_dir=tmp_path / "data",
            listen=("127.0.0.1:0",),
            access=Access(issuers=(issuer,)),
        )
        server = Server(settings)
        server.start()
        answer = httpx2.get(f"{server.addresses[0]}/login/with/0", headers=PAGE, timeout=60)
        token = settings.admin_token_file.read_text().strip()
        form = f"{server.addresses[0]}/login"
        signed_in = httpx2.post(form, content=f"token={token}", timeout=60)
        server.stop()
    assert answer.status_code == 503
    assert "does not say where people sign in" in answer.text
    assert signed_in.status_code == 303


def _until(is_so: Any, seconds: float = 60.0) -> None:
    """What another thread reads again within seconds, on a machine that is at leisure."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.1)
