"""Search: which optimization to try next; the Pareto front of small students over speed, size and quality.

Trials are judged on the validation split and made through the store. Not here: how a student is trained (`steps/`).
"""
