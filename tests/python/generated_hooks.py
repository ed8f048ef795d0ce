"""What a generator of requests must know that a schema cannot say."""

import schemathesis
from hypothesis import strategies

schemathesis.openapi.format(
    "username", strategies.from_regex(r"[a-z0-9][a-z0-9._-]{0,63}", fullmatch=True)
)
schemathesis.openapi.format(
    "origin",
    strategies.from_regex(r"https?://[a-z][a-z0-9-]{0,20}[a-z](\.[a-z]{2,10}){0,3}(:[1-9][0-9]{3})?", fullmatch=True),
)
schemathesis.openapi.format(
    "email",
    strategies.from_regex(r"[a-z0-9]{1,16}(\.[a-z0-9]{1,8}){0,2}@[a-z][a-z0-9]{0,10}(\.[a-z]{2,6}){1,2}", fullmatch=True),
)
schemathesis.openapi.format(
    "line-of-text", strategies.from_regex(r"[ -~\u00c0-\u00d6\u4e00-\u9fa5]{0,40}", fullmatch=True)
)

# Refusals of well-formed requests: what they name is not there, or does not go together.
STATE = {
    400: {"invalid_grant", "invalid_scope", "unauthorized_client"},
    422: {"default_scope", "unknown_role", "unknown_scope", "weak_password"},
}
# The same, where one code also stands for what is not well-formed.
SENTENCES = {
    "invalid_request": {
        "the client uses more than one authentication method; use one",
        "client_id in the body differs from the client in the Authorization header",
    },
    "invalid_client_settings": {
        "a public client cannot use client_credentials",
        "because anyone can make requests in its name",
        "is not one of its scopes",
        "must not look like the id of a user (a UUID)",
    },
}


@schemathesis.check
def well_formed_requests_are_refused_for_their_state_only(ctx, response, case):
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if response.status_code not in STATE:
        return
    body = response.json()
    code = body.get("code", body.get("error"))
    said = body.get("detail", body.get("error_description"))
    known = SENTENCES.get(code, set())
    reasons = said.split("; ") if code == "invalid_client_settings" else [said]
    if code not in STATE[response.status_code] and not all(
        any(reason.endswith(sentence) for sentence in known) for reason in reasons
    ):
        raise AssertionError(f"{response.status_code} {code}: {said}")
