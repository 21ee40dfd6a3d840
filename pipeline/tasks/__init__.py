"""What goes in and what comes out: which columns are input, how logits become an answer, what counts as right.

Not here: how a network computes its logits (`runtimes/`), and how metrics of quality get their intervals (`evaluation/`).
"""
