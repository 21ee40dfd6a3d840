"""Search: chooses optimizations to try; finds the Pareto front of small students over speed, size and quality.

Trials are evaluated on the validation split and made through the store. Not here: how a student is trained (`steps/`).
"""
