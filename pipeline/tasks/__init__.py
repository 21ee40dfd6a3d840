"""Tasks: which columns are the input, how logits become an answer, and which texts each metric counts.

Not here: how a network computes its logits (`runtimes/`), and how metrics of quality get their intervals (`evaluation/`).
"""
