"""The accounts pipeline: admits, holds, charges and gives back tokens, one account at a time.

`processor.py` takes records apart; `decide.py` and what it imports are the rules (pure);
`evolve.py` is the only place that changes what an account remembers.
"""
