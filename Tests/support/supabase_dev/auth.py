"""Keys: JSON Web Tokens (HS256) signed with the project's secret, as Supabase's `anon` and `service_role` keys are."""

import base64
import hashlib
import hmac
import json
import time

from .web import ApiError, Response

ROLES = ("anon", "authenticated", "service_role")


def _encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def sign(secret, claims):
    head = _encode(json.dumps({"alg": "HS256", "typ": "JWT"}, separators=(",", ":")).encode())
    body = _encode(json.dumps(claims, separators=(",", ":")).encode())
    mark = hmac.new(secret.encode(), f"{head}.{body}".encode(), hashlib.sha256).digest()
    return f"{head}.{body}.{_encode(mark)}"


def project_key(secret, role):
    return sign(secret, {"iss": "supabase", "ref": "dev", "role": role, "iat": 1700000000, "exp": 4102444800})


class BadToken(Exception):
    """A token that is not accepted; `rest` and `storage` are the words of the two services."""

    def __init__(self, rest, storage):
        super().__init__(rest)
        self.rest = rest
        self.storage = storage


def claims(secret, token):
    parts = token.split(".")
    if len(parts) != 3:
        raise BadToken(f"JWSError (CompactDecodeError Invalid number of parts: Expected 3 parts; got {len(parts)})",
                       "Invalid Compact JWS")
    mark = hmac.new(secret.encode(), f"{parts[0]}.{parts[1]}".encode(), hashlib.sha256).digest()
    try:
        good = hmac.compare_digest(mark, _decode(parts[2])) and json.loads(_decode(parts[0])).get("alg") == "HS256"
        found = json.loads(_decode(parts[1]))
    except ValueError:
        good = False
    if not good:
        raise BadToken("JWSError JWSInvalidSignature", "signature verification failed")
    if found.get("exp", time.time() + 60) < time.time() - 30:
        raise BadToken("JWT expired", '"exp" claim timestamp check failed')
    return found


def rest_error(message):
    """PostgREST's refusal of a token."""
    described = f'Bearer error="invalid_token", error_description="{message}"'
    return Response.json(401, {"code": "PGRST301", "details": None, "hint": None, "message": message},
                         {"WWW-Authenticate": described})


def gateway_error(message, hint):
    """The gateway's refusal of an API key, before any service is asked."""
    return Response.json(401, {"message": message, "hint": hint})


def bearer(request):
    kind, _, token = request.header("Authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else None


def rest_role(secret, request):
    """The role of a request to /rest/v1: a project key in `apikey` (or as Bearer), and a valid token as Bearer."""
    key = request.header("apikey") or dict(request.params).get("apikey") or bearer(request)
    if not key:
        raise ApiError(gateway_error("No API key found in request",
                                     "No `apikey` request header or url param was found."))
    token = bearer(request) or key
    if not any(hmac.compare_digest(key.encode(), project_key(secret, role).encode()) for role in ROLES) and key != token:
        raise ApiError(gateway_error("Invalid API key",
                                     "Double check your Supabase `anon` or `service_role` API key."))
    try:
        return claims(secret, token).get("role", "anon")
    except BadToken as bad:
        if key == token and bad.rest != "JWT expired":
            raise ApiError(gateway_error(
                "Invalid API key", "Double check your Supabase `anon` or `service_role` API key.")) from None
        raise ApiError(rest_error(bad.rest)) from None
