"""Tests of topics/ without a broker."""
