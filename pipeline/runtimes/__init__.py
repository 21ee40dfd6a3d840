"""Runtimes: an artifact directory becomes a `Classifier` that turns texts into logits; exporters are beside them.

One file a runtime: `classifier.json` names it, so that a worker process imports only what its runtime needs. `base.py` has
what all share, `decision_rule.py` how logits become an answer. Not here: which steps lead to an artifact (`steps/`).
"""
