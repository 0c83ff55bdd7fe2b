"""Bytes that must never change: what older code has written, this code reads and writes alike.

Files here may be added to, never rewritten: state values and logs of earlier releases exist.
"""
