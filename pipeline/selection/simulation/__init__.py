"""Simulations: how often the program's own functions are wrong where the truth is known, because it was drawn.

One module for each subject, with a function `simulate`; `subjects.py` lists them. `python -m pipeline simulate` prints the
results, which also stand in evaluation/README.md.
"""
