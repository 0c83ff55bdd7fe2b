"""Tests of the provider stubs' behaviour, without a server."""
