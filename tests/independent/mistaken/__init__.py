"""A training program in plain Python that makes the catalogue's mistakes on purpose.

Written from the catalogue's words, reference/equations.md and the schemas alone; it shares no
code with the package. It is run as a process of its own:

    python -I -S tests/mistaken/run.py updated-output-weights < case.json
"""
