"""What a deployment may name in its environment, and what a plan knows of a secret."""

import json
from typing import Any

import pytest

from reconciler.core import desired, environments
from reconciler.core.desired import DesiredState
from reconciler.core.review import changing
from tests.reconciler import sealed
from tests.reconciler.core.wishes import deployment_file, host_file
from tests.reconciler.sealed import CANARY, PATH

FILE = sealed.encrypted(sealed.plain())
OTHER_PROJECT = "{environment: production, projects: [risk]}"
OTHER_ENVIRONMENT = "{environment: staging, projects: [default]}"
TOKEN = "{name: TOKEN, secret: {name: tracing, key: token}}"


def files(env: str, secret: str = FILE, host: str = "") -> dict[str, bytes]:
    text = deployment_file("digits", 1, ["h1"], tested=False)
    text = text.replace("runtime: {", f"runtime: {{env: [{env}], ")
    return {
        "models.d/hosts/h1.yaml": (host or host_file("h1")).encode(),
        "models.d/production/digits.yaml": text.encode(),
        PATH: secret.encode(),
    }


def load(env: str, secret: str = FILE, host: str = "") -> DesiredState:
    return desired.load(files(env, secret, host), commit="c")


def said(state: DesiredState) -> str:
    return "\n".join(f"{one.detail}; {one.fix}" for one in state.problems)


def test_a_secret_is_known_by_its_ciphertext_and_its_value_by_nobody() -> None:
    state = load(f"{TOKEN}, {{name: LEVEL, value: high}}")
    assert said(state) == ""
    spec = state.deployments["production/digits"].spec_on("h1", "c")
    assert environments.plain(spec) == {"LEVEL": "high"}
    (wanted,) = environments.wanted(spec)
    assert (wanted.variable, wanted.secret, wanted.key) == ("TOKEN", "tracing", "token")
    tree: Any = sealed.tree(FILE)
    assert wanted.sealed == environments.fingerprint(tree["spec"]["data"]["token"])
    assert "env" not in spec.pinned


def test_another_value_is_another_revision_and_another_instance() -> None:
    later = sealed.encrypted(sealed.plain("two"), before=FILE)
    one, other = (load(TOKEN, secret).deployments["production/digits"] for secret in (FILE, later))
    assert one.revision != other.revision
    assert one.spec_on("h1", "c").spec_hash != other.spec_on("h1", "c").spec_hash
    (change,) = changing.changes(load(TOKEN, FILE), load(TOKEN, later))
    assert change.effect is changing.Effect.UPDATED
    assert [field.path for field in changing.fields(change)] == ["secret tracing/token"]


def test_a_deployment_without_secrets_is_what_it_was() -> None:
    """Nothing that serves starts anew for a release that knows of environments."""
    spec = desired.load(
        {**files(TOKEN), "models.d/production/digits.yaml": _without().encode()}, commit="c"
    ).deployments["production/digits"]
    assert spec.spec_on("h1", "c").settings == ""
    assert spec.sealed == {}


def _without() -> str:
    return deployment_file("digits", 1, ["h1"], tested=False)


def test_a_reader_sees_that_the_secret_is_another_where_the_deployment_is_not() -> None:
    reader = desired.Reader()
    first = reader.load(files(TOKEN), commit="a").deployments["production/digits"]
    same = reader.load(files(TOKEN), commit="b").deployments["production/digits"]
    assert same is first
    later = sealed.encrypted(sealed.plain("two"), before=FILE)
    assert reader.load(files(TOKEN, later), commit="c").deployments["production/digits"] != first
    closed = sealed.encrypted(sealed.plain(used_by="[{environment: staging, projects: [default]}]"))
    assert "production/digits" in reader.load(files(TOKEN, closed), commit="d").held


@pytest.mark.parametrize(
    ("used_by", "allowed"),
    [
        ("[{environment: production, projects: [default]}]", True),
        (f"[{OTHER_ENVIRONMENT}]", False),
        (f"[{OTHER_PROJECT}]", False),
        (f"[{OTHER_PROJECT}, {OTHER_ENVIRONMENT}]", False),
    ],
)
def test_a_secret_is_for_the_environments_and_projects_that_it_names(
    used_by: str, allowed: bool
) -> None:
    state = load(TOKEN, sealed.encrypted(sealed.plain(used_by=used_by)))
    assert ("production/digits" in state.deployments) is allowed
    message = "the secret tracing is not for the project default in production"
    assert (message in said(state)) is not allowed


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ("{name: T, secret: {name: traces, key: token}}", "did you mean 'tracing'?"),
        ("{name: T, secret: {name: tracing, key: tokens}}", "did you mean 'token'?"),
        ("{name: T}", "needs either value or secret"),
        ("{name: T, value: a, secret: {name: tracing, key: token}}", "needs either value"),
        ("{name: LD_PRELOAD, value: /x.so}", "the variable LD_PRELOAD would decide"),
        ("{name: T, value: a}, {name: T, value: b}", "the variable T is there twice"),
    ],
)
def test_a_variable_that_cannot_be_says_why(env: str, message: str) -> None:
    state = load(env)
    assert list(state.held) == ["production/digits"]
    assert message in said(state)


def test_a_process_for_all_models_of_a_host_has_no_environment_of_one() -> None:
    host = host_file("h1").replace("unix:///var/run/docker.sock", "process://")
    assert "h1 runs all its models in one process" in said(load(TOKEN, host=host))


PLAIN = sealed.plain()


@pytest.mark.parametrize(
    "content",
    [
        PLAIN,
        PLAIN + "sops: {}\n",
        FILE.replace("data:\n", f"data:\n    more: {CANARY}\n"),
        FILE.replace("data:\n", f"data:\n    more: [{CANARY}]\n"),
        FILE.replace("data:\n", f"data:\n    more: 2026-01-01{CANARY}\n"),
        f"kind: Secret\nspec: &{CANARY} {{}}\n",
        f"apiVersion: plimsoll.dev/v1\nkind: Secret\nspec: {{data: {CANARY}}}\nsops: {{}}\n",
        f"{CANARY}\n",
    ],
)
def test_what_is_in_the_clear_is_refused_by_its_place_and_repeated_nowhere(content: str) -> None:
    state = load(TOKEN, content)
    told = [one for one in state.problems if one.path == PATH]
    assert told
    assert all(one.fix for one in told)
    assert CANARY not in said(state)
    assert "production/digits" in state.held


def test_a_review_shows_no_line_of_a_file_of_secrets() -> None:
    (shown,) = changing.files({PATH: FILE.encode()}, {PATH: PLAIN.encode()})
    assert shown.how == "changed"
    assert CANARY not in json.dumps(shown.diff)
