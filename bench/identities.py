"""Users with tokens, and the key server that vouches for them, in the auth server's place."""

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

_KEY_ID = "bench"


@dataclass(frozen=True, slots=True)
class User:
    """A user's id and a token that is good for an hour."""

    id: str
    token: str


def make_users(count: int, key: rsa.RSAPrivateKey) -> Sequence[User]:
    """Users 1 to `count`, with tokens as the auth server makes them."""
    now_s = int(time.time())
    common = {
        "iss": "leaky-tokens-auth",
        "aud": "leaky-tokens",
        "roles": ["USER"],
        "orgs": [],
        "iat": now_s,
        "exp": now_s + 3600,
    }
    users = []
    for number in range(1, count + 1):
        user_id = str(UUID(int=number))
        claims = {**common, "sub": user_id, "username": f"user{number}", "jti": str(number)}
        token = jwt.encode(claims, key, algorithm="RS256", headers={"kid": _KEY_ID})
        users.append(User(user_id, token))
    return users


def make_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@contextmanager
def serving_keys(key: rsa.RSAPrivateKey) -> Iterator[str]:
    """Serve the key's public half as a JWKS; the base address."""
    public = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    body = json.dumps({"keys": [{**public, "kid": _KEY_ID, "use": "sig", "alg": "RS256"}]}).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, name="jwks", daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
