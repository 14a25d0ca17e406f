"""People and pipelines by their identity provider's tokens: what is let in, and every attack."""

import base64
import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography.hazmat.primitives import hashes, hmac
from joserfc import jws
from joserfc.jwk import OctKey, RSAKey

from registry import errors
from registry.api.server import Server
from registry.core import jwt
from registry.db import log as log_rows
from registry.settings import Settings
from registry.settings_access import Access, Issuer
from registry.trust.provider import Provider
from registry.usecases.opening import Registry
from tests.registry import identity_provider
from tests.registry.identity_provider import AUDIENCE, IdentityProvider

GRANTS = """\
apiVersion: plimsoll.dev/v1
kind: Access
metadata: {name: access}
spec:
  grants:
    - role: publisher
      models: ["risk-*"]
      to:
        issuer: ISSUER
        claims: {email: "*@example.org"}
    - role: publisher
      models: ["risk-*"]
      as: risk-ci
      to:
        issuer: ISSUER
        claims: {repository: acme/risk-models, ref: refs/heads/main, environment: production}
"""
PIPELINE: dict[str, Any] = {
    "sub": "repo:acme/risk-models:environment:production",
    "repository": "acme/risk-models",
    "ref": "refs/heads/main",
    "environment": "production",
    "email": None,
    "email_verified": None,
}


@dataclass
class World:
    """A registry that takes tokens of a provider, and the file that grants."""

    server: Server
    provider: IdentityProvider
    file: Path

    @property
    def registry(self) -> Registry:
        opened: Registry = self.server.app.state.registry
        return opened

    def get(self, token: str, path: str = "/v1/whoami") -> httpx2.Response:
        headers = {"Authorization": f"Bearer {token}"}
        return httpx2.get(self.server.addresses[0] + path, headers=headers, timeout=60)

    def post(self, token: str, path: str, body: object) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {token}"}
        url = self.server.addresses[0] + path
        return httpx2.post(url, headers=headers, json=body, timeout=60)

    def leaves(self) -> bytes:
        with self.registry.database.reading() as session:
            return b"\n".join(leaf for _, leaf in log_rows.leaves(session, start=0, stop=1000))


Start = Callable[..., World]


def opened(provider: IdentityProvider, folder: Path, **more: Any) -> World:
    """A running registry that takes the provider's tokens."""
    file = folder / "access.yaml"
    file.write_text(GRANTS.replace("ISSUER", provider.url))
    issuer = Issuer(provider.url, AUDIENCE, **more)
    access = Access(file=file, issuers=(issuer,), failures_per_minute=10_000)
    running = Server(Settings(data_dir=folder / "data", listen=("127.0.0.1:0",), access=access))
    running.start()
    return World(running, provider, file)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with ExitStack() as stack:

        def begin(provider: IdentityProvider, **more: Any) -> World:
            world = opened(provider, tmp_path, **more)
            stack.callback(world.server.stop)
            return world

        yield begin


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One for all tests that change nothing."""
    with identity_provider.running() as provider:
        found = opened(provider, tmp_path_factory.mktemp("registry"))
        yield found
        found.server.stop()


@pytest.fixture
def provider(world: World) -> IdentityProvider:
    return world.provider


@pytest.fixture
def own(start: Start) -> Iterator[World]:
    """One for a test that changes its provider or its file."""
    with identity_provider.running() as found:
        yield start(found)


def require_refused(world: World, token: str, words: str) -> None:
    answer = world.get(token)
    assert answer.status_code == 401, answer.text
    assert re.search(words, answer.json()["detail"]), answer.json()["detail"]


@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "Ed25519"])
def test_a_person_acts_under_a_pseudonym_in_the_role_the_file_grants(
    start: Start, algorithm: str
) -> None:
    with identity_provider.running(algorithm) as provider:
        world = start(provider)
        me = world.get(provider.token()).json()
        assert re.fullmatch("p-[0-9a-f]{16}", me["name"])
        assert me["means"] == "oidc"
        assert me["grants"] == [{"role": "publisher", "models": ["risk-*"], "projects": []}]
        assert world.get(provider.token()).json()["name"] == me["name"]
        made = world.post(provider.token(), "/v1/models", {"name": "risk-eu"})
        assert made.status_code == 201
        assert world.post(provider.token(), "/v1/models", {"name": "fraud"}).status_code == 403
        assert f'"publisher:{me["name"]}"'.encode() in world.leaves()
        assert b"alice" not in world.leaves()


def test_a_pipeline_gets_its_token_and_is_called_as_the_file_says(own: World) -> None:
    own.provider.claims = PIPELINE
    form = {"grant_type": "client_credentials"}
    token = httpx2.post(f"{own.provider.url}/token", data=form).json()["access_token"]
    assert own.get(token).json()["name"] == "risk-ci"
    assert own.post(token, "/v1/models", {"name": "risk-eu"}).status_code == 201
    assert b'"publisher:risk-ci"' in own.leaves()


@pytest.mark.parametrize(
    "changed",
    [
        {"repository": "evil/risk-models"},
        {"ref": "refs/heads/feature"},
        {"environment": None},
        {"repository": "acme/risk-models-fork"},
        {"repository": ["evil/risk-models"]},
        {"ref": 7},
    ],
    ids=str,
)
def test_a_pipeline_with_another_claim_is_granted_nothing(
    world: World, provider: IdentityProvider, changed: dict[str, Any]
) -> None:
    answer = world.get(provider.token(**(PIPELINE | changed)))
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert "nothing is granted" in answer.json()["detail"]


@pytest.mark.parametrize("verified", [None, False, "true", 1])
def test_an_address_that_nobody_verified_is_nobodys(
    world: World, provider: IdentityProvider, verified: object
) -> None:
    assert world.get(provider.token(email_verified=verified)).status_code == 403


ATTACKS: dict[str, tuple[dict[str, Any], str]] = {
    "another audience": ({"aud": "somebody-else"}, "another audience"),
    "no audience": ({"aud": None}, "another audience"),
    "an audience that only begins so": ({"aud": AUDIENCE + "x"}, "another audience"),
    "another issuer": ({"iss": "https://evil.example"}, "no identity provider"),
    "no issuer": ({"iss": None}, "cannot be read"),
    "an issuer with a slash more": ({"iss": "http://127.0.0.1/"}, "no identity provider"),
    "no subject": ({"sub": None}, "names no subject"),
    "an empty subject": ({"sub": ""}, "names no subject"),
    "a subject that is no text": ({"sub": 7}, "names no subject"),
    "no end": ({"exp": None}, "'exp' is no time"),
    "no beginning": ({"iat": None}, "'iat' is no time"),
    "an end that is text": ({"exp": "2099-01-01"}, "'exp' is no time"),
    "an end that is true": ({"exp": True}, "'exp' is no time"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_token_with_a_wrong_claim_is_refused(
    world: World, provider: IdentityProvider, attack: str
) -> None:
    changed, words = ATTACKS[attack]
    require_refused(world, provider.token(**changed), words)


def test_a_token_out_of_its_time_is_refused_and_clocks_are_forgiven_a_little(
    world: World, provider: IdentityProvider
) -> None:
    now = int(time.time())
    require_refused(world, provider.token(iat=now - 400, exp=now - 100), "expired")
    require_refused(world, provider.token(iat=now + 300, exp=now + 500), "issued")
    require_refused(world, provider.token(nbf=now + 300), "not valid yet")
    require_refused(world, provider.token(iat=now, exp=now + 3600), "lasts 3600 s")
    require_refused(world, provider.token(iat=now, exp=now - 10), "lasts -10 s")
    assert world.get(provider.token(iat=now - 300, exp=now - 10)).status_code == 200
    assert world.get(provider.token(iat=now + 10, exp=now + 300)).status_code == 200


def test_a_token_without_a_signature_is_refused(world: World, provider: IdentityProvider) -> None:
    body = _part(provider.standard())
    for algorithm in ("none", "None", "NONE", ""):
        head = _part({"alg": algorithm, "kid": provider.kid})
        require_refused(world, f"{head}.{body}.", "algorithm is|cannot be read")


def test_a_public_key_is_not_taken_for_a_secret(start: Start) -> None:
    with identity_provider.running("RS256") as provider:
        world = start(provider)
        assert isinstance(provider.key, RSAKey)
        pem = provider.key.as_pem(private=False)
        for secret in (pem, pem.strip(), json.dumps(provider.public()).encode()):
            said = _part({"alg": "HS256", "kid": provider.kid})
            signing = f"{said}.{_part(provider.standard())}"
            mac = hmac.HMAC(secret, hashes.SHA256())
            mac.update(signing.encode())
            require_refused(world, f"{signing}.{_base64(mac.finalize())}", "algorithm is 'HS256'")
        # Nor where the header lies about it.
        key = OctKey.import_key(pem.decode().replace("-----", "").strip())
        forged = jws.serialize_compact(
            {"alg": "HS256", "kid": provider.kid}, b"{}", key, algorithms=["HS256"]
        )
        head = _part({"alg": "RS256", "kid": provider.kid})
        lying = f"{head}.{_part(provider.standard())}.{forged.rpartition('.')[2]}"
        require_refused(world, lying, "signature")


def test_a_key_of_another_kind_than_the_header_says_verifies_nothing(
    world: World, provider: IdentityProvider
) -> None:
    body = _part(provider.standard())
    for algorithm in ("RS256", "Ed25519"):
        head = _part({"alg": algorithm, "kid": provider.kid})
        signature = provider.token().rpartition(".")[2]
        require_refused(world, f"{head}.{body}.{signature}", "signature")


def test_one_flipped_character_of_any_part_is_refused(
    world: World, provider: IdentityProvider
) -> None:
    token = provider.token()
    for at in range(0, len(token), 23):
        if token[at] != ".":
            other = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
            assert world.get(other).status_code == 401, at


def test_a_key_of_one_issuer_signs_nothing_for_another(
    world: World, provider: IdentityProvider
) -> None:
    with identity_provider.running() as other:
        require_refused(world, other.token(iss=provider.url), "signature")
        forged = other.signed(json.dumps(provider.standard()).encode(), jku=f"{other.url}/keys")
        require_refused(world, forged, "signature")
        forged = other.signed(json.dumps(provider.standard()).encode(), jwk=other.public())
        require_refused(world, forged, "signature")


def test_odd_headers_are_refused(world: World, provider: IdentityProvider) -> None:
    payload = json.dumps(provider.standard()).encode()
    require_refused(world, provider.signed(payload, kid=None), "which key")
    require_refused(world, provider.signed(payload, kid="second"), "signature")
    require_refused(world, provider.signed(payload, typ="dpop+jwt"), "of type")
    head, body, signature = provider.token().split(".")
    critical = _part({"alg": "ES256", "kid": provider.kid, "crit": ["exp"], "exp": 1})
    require_refused(world, f"{critical}.{body}.{signature}", "demands extensions")
    assert head
    assert world.get(provider.signed(payload, typ="at+jwt")).status_code == 200


def test_a_claim_that_stands_twice_is_refused(world: World, provider: IdentityProvider) -> None:
    whole = json.dumps(provider.standard())
    twice = whole[:-1] + ', "aud": "somebody-else"}'
    require_refused(world, provider.signed(twice.encode()), "twice")
    first = '{"aud": "somebody-else", ' + whole[1:]
    require_refused(world, provider.signed(first.encode()), "twice")


@pytest.mark.parametrize("payload", [b"[]", b"null", b"{", b"\xff", b'{"iss": 1}', b""], ids=str)
def test_claims_that_are_none_are_refused(
    world: World, provider: IdentityProvider, payload: bytes
) -> None:
    require_refused(world, provider.signed(payload), "cannot be read")


def test_a_huge_token_is_refused_before_it_is_read(
    world: World, provider: IdentityProvider
) -> None:
    require_refused(world, provider.token(padding="x" * jwt.TOKEN_LIMIT), "at most")


@pytest.mark.parametrize("token", ["..", "a.b.c", "a.b.", ".b.c", "=.=.=", "{}.{}.{}", "é.b.c"])
def test_three_parts_of_anything_are_no_token(token: str) -> None:
    with pytest.raises(errors.Unauthenticated):
        jwt.parse(token)


def test_keys_rotate_and_an_old_one_is_good_no_more(start: Start) -> None:
    with identity_provider.running() as provider:
        world = start(provider)
        world.registry.providers[provider.url]._between = 0.0
        before = provider.token()
        assert world.get(before).status_code == 200
        provider.rotate("second")
        assert world.get(provider.token()).status_code == 200
        # What was recognised a moment ago is remembered for a moment.
        assert "signature" in _until_refused(world, before).json()["detail"]


def test_invented_keys_make_no_traffic_to_the_provider(own: World) -> None:
    own.registry.providers[own.provider.url]._between = 3600.0
    assert own.get(own.provider.token()).status_code == 200
    payload = json.dumps(own.provider.standard()).encode()
    for number in range(20):
        assert own.get(own.provider.signed(payload, kid=f"k{number}")).status_code == 401
    assert own.provider.asked == 1


def test_while_the_provider_is_away_its_keys_stay_good_for_a_time(own: World) -> None:
    patient = Provider(Issuer(own.provider.url, AUDIENCE, keys_hours=1), between=0.0)
    hasty = Provider(Issuer(own.provider.url, AUDIENCE, keys_hours=0), between=0.0)
    assert patient.key("first") is not None
    own.provider.is_away = True
    assert patient.key("first") is not None
    assert patient.key("second") is None
    with pytest.raises(errors.Unavailable, match="not answered for too long"):
        hasty.key("first")


def test_a_provider_that_was_never_reached_is_unavailable_not_a_pass(start: Start) -> None:
    with identity_provider.running() as provider:
        provider.is_away = True
        world = start(provider)
        assert world.get(provider.token()).status_code == 503


def test_a_discovery_document_about_another_issuer_is_not_believed(start: Start) -> None:
    with identity_provider.running() as provider:
        provider.issuer_said = "https://evil.example"
        assert start(provider).get(provider.token()).status_code == 503


@pytest.mark.parametrize(
    "keys",
    [
        [{"kty": "oct", "k": "c2VjcmV0", "kid": "first"}],
        [{"kid": "first"}],
        [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "first"}],
        [],
    ],
    ids=["a secret", "no kind", "off the curve", "none"],
)
def test_keys_that_may_not_sign_are_left_out(own: World, keys: list[dict[str, Any]]) -> None:
    own.provider.keys = {"keys": keys}
    require_refused(own, own.provider.token(), "signature")


@pytest.mark.parametrize("more", [{"use": "enc"}, {"alg": "ES384"}, {"key_ops": ["sign"]}], ids=str)
def test_a_key_for_something_else_verifies_nothing(own: World, more: dict[str, Any]) -> None:
    own.provider.keys = {"keys": [own.provider.public(**more)]}
    require_refused(own, own.provider.token(), "signature")


def test_a_grant_that_is_taken_away_ends_the_tokens_it_was_for(own: World) -> None:
    token = own.provider.token()
    assert own.get(token).status_code == 200
    own.file.write_text(
        "apiVersion: plimsoll.dev/v1\nkind: Access\nmetadata: {name: access}\nspec: {grants: []}\n"
    )
    answer = _until_refused(own, token)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def test_a_broken_file_grants_nothing_and_says_where_it_is_broken(own: World) -> None:
    token = own.provider.token()
    assert own.get(token).status_code == 200
    own.file.write_text(own.file.read_text().replace("role: publisher", "role: king", 1))
    answer = _until_refused(own, token)
    assert answer.status_code == 403
    assert "access.yaml:6:13" in answer.json()["fix"]


def _until_refused(world: World, token: str) -> httpx2.Response:
    end = time.monotonic() + 60
    while (answer := world.get(token)).status_code == 200 and time.monotonic() < end:
        time.sleep(0.1)
    return answer


def _part(document: dict[str, Any]) -> str:
    return _base64(json.dumps(document).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
