"""GET /oauth2/jwks."""

from litestar import get
from litestar.datastructures import CacheControlHeader

from auth.signing.schemas import JsonWebKey, JsonWebKeySet
from auth.signing.service import KeyRing

# A verifier that meets an unknown kid fetches again, so this only bounds idle fetching.
MAX_AGE_SECONDS = 300


@get(
    "/oauth2/jwks",
    summary="Public keys that verify our tokens",
    cache_control=CacheControlHeader(public=True, max_age=MAX_AGE_SECONDS),
    tags=["keys"],
)
async def list_public_keys(key_ring: KeyRing) -> JsonWebKeySet:
    """The JSON Web Key Set. Fetch it again when a token names a `kid` that is not in it."""
    keys = await key_ring.public_keys()
    return JsonWebKeySet(keys=[JsonWebKey.model_validate(key) for key in keys])
