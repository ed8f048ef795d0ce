"""python3 with_authlib.py CAST: what happens to a client that is built on Authlib, as one line of JSON."""

import json
import sys

import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc8414 import get_well_known_url
from joserfc import jwt
from joserfc.jwk import KeySet

cast = json.loads(sys.argv[1])
metadata = requests.get(get_well_known_url(cast["issuer"], external=True), timeout=30).json()
assert metadata["issuer"] == cast["issuer"], metadata


def client(client_id, client_secret, method):
    return OAuth2Session(
        client_id,
        client_secret,
        token_endpoint=metadata["token_endpoint"],
        token_endpoint_auth_method=method,
        revocation_endpoint_auth_method=method,
    )


def service(method, secret=cast["service"]["client_secret"]):
    return client(cast["service"]["client_id"], secret, method)


def client_credentials(session):
    return session.fetch_token(grant_type="client_credentials", scope="orders:write")


def introspect(token):
    answer = service("client_secret_basic").introspect_token(metadata["introspection_endpoint"], token=token)
    answer.raise_for_status()
    return answer.json()


def verify(token):
    keys = KeySet.import_key_set(requests.get(metadata["jwks_uri"], timeout=30).json())
    decoded = jwt.decode(token, keys, algorithms=["EdDSA"])
    jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": cast["issuer"]},
        aud={"essential": True, "value": cast["audience"]},
    ).validate(decoded.claims)


def refusal(attempt):
    try:
        attempt()
    except OAuthError as error:
        return error.error
    raise AssertionError("was accepted")


person = client(cast["app"], None, "none")
login = person.fetch_token(grant_type="password", **cast["user"])
refreshed = person.refresh_token(refresh_token=login["refresh_token"])
tokens = [client_credentials(service(method)) for method in ("client_secret_basic", "client_secret_post")]
verify(refreshed["access_token"])
before = introspect(refreshed["access_token"])
person.revoke_token(metadata["revocation_endpoint"], token=refreshed["refresh_token"]).raise_for_status()
after = introspect(refreshed["access_token"])

print(
    json.dumps(
        {
            "login": login["scope"],
            "refreshed": all(login[kind] != refreshed[kind] for kind in ("access_token", "refresh_token")),
            "service": [token["scope"] for token in tokens],
            "introspected": [before["active"], before["username"], after["active"]],
            "refused": [
                refusal(lambda: person.refresh_token(refresh_token=refreshed["refresh_token"])),
                refusal(lambda: client_credentials(service("client_secret_basic", "wrong"))),
                refusal(lambda: client_credentials(service("client_secret_post", "wrong"))),
            ],
        }
    )
)
