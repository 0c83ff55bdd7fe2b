"""The keys that sign tokens: made once, kept encrypted, published as a JWKS."""
