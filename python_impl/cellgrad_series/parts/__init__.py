"""The kinds of parts that a workbook is made of: their shapes and quantities, no numbers.

Every kind has a shape that says what it computes (``quantities``) and can be written as
words and read back (``facts``, ``from_facts``): one module a kind.
"""
