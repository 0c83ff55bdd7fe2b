"""Who you are: the auth server.

`users` is registration and log-in, `signing` the keys that sign tokens and the JWKS route,
`passwords` hashes and verifies, `tokens` says what a token claims, `database` is the connection
pool, `migrations` the SQL that made the tables and `migrate` what applies it. `application` puts
it together; `python -m auth` serves, migrates or makes the first administrator.
"""
