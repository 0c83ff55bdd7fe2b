"""Bytes that must never change: what older code has written, this code reads and writes alike.

Files here may be added to, never rewritten: state values and logs of earlier releases exist.
`state-v1.json` keeps state values, `accounts-log-v1.jsonl.gz` commands with what they caused.
"""
