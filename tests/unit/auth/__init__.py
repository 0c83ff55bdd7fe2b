"""Tests of the auth server's parts that need no database."""
