"""What there is to read about the system, and `generate`, which writes the pages made from code.

It is beside the pages and in no package of the product: it may read everyone's declarations.
"""
