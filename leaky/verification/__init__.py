"""The proof: the command log replayed into an empty state, every published event compared.

`verify.py` runs it, `replay.py` decides again, `comparison.py` holds what was decided against
what was published, `chains.py` follows the accounts' hash chains, `report.py` says what came out.
"""
