"""Serves Canaille from memory with the people it is told of, and says on which address.

Run with the folder of Canaille on the path: see the package.
"""

import datetime as dt
import json
import secrets
import socket
import sys

from canaille import create_app  # type: ignore[import-not-found]
from joserfc.jwk import RSAKey
from werkzeug.serving import make_server


def main(asked: dict[str, object]) -> None:
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(64)
    name = f"127.0.0.1:{listening.getsockname()[1]}"
    key = RSAKey.generate_key(2048, auto_kid=True)
    app = create_app(
        {
            "SECRET_KEY": secrets.token_urlsafe(24),
            "SERVER_NAME": name,
            "PREFERRED_URL_SCHEME": "http",
            "TRUSTED_HOSTS": ["127.0.0.1"],
            "CANAILLE": {
                "DATABASE": "memory",
                "JAVASCRIPT": False,
                "TIMEZONE": "UTC",
                "ACL": {"DEFAULT": {"PERMISSIONS": ["use_oidc"], "READ": ["user_name"]}},
            },
            "CANAILLE_OIDC": {"ACTIVE_JWKS": [key.as_dict(private=True)]},
        }
    )
    with app.app_context():
        _fill(asked)
    server = make_server("127.0.0.1", 0, app, threaded=True, fd=listening.fileno())
    print(f"http://{name}", flush=True)
    server.serve_forever()


def _fill(asked: dict[str, object]) -> None:
    from canaille.app import models
    from canaille.backends import Backend

    backend, people = Backend.instance, asked["people"]
    assert isinstance(people, dict)
    for name, group in people.items():
        person = models.User(
            user_name=name,
            formatted_name=name.title(),
            family_name=name.title(),
            emails=[f"{name}@example.org"],
            password=asked["password"],
        )
        backend.save(person)
        backend.save(models.Group(display_name=group, members=[person]))
    client = models.Client(
        client_id=asked["client"],
        client_name="Plimsoll",
        client_uri="http://127.0.0.1",
        redirect_uris=[asked["callback"]],
        client_id_issued_at=dt.datetime.now(dt.UTC),
        client_secret=asked["secret"],
        grant_types=["authorization_code"],
        response_types=["code"],
        scope=["openid", "email", "profile", "groups"],
        token_endpoint_auth_method="client_secret_basic",
        id_token_signed_response_alg="RS256",
    )
    backend.save(client)
    client.audience = [client]
    backend.save(client)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
