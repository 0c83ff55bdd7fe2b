"""Tests of the gateway without a broker."""
