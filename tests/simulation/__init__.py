"""A whole account against a naive reference, step by step."""
