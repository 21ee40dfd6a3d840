"""Runtimes: an artifact directory becomes a `Classifier` that turns texts into logits; exporters are beside them.

One file a runtime: `classifier.json` names it, so that a worker process imports only what its runtime needs. Its `RUNTIME`
declares all that others ask of it: packages, weight files, published form, batch behaviour, profiler, processor features.
`base.py` has the base classes, `decision_rule.py` how logits become an answer; README.md shows how to add a runtime. Not
here: which steps lead to an artifact (`steps/`).
"""
