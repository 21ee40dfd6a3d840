"""Runtimes: an artifact directory becomes a `Classifier` that turns texts into logits; exporters are beside them.

Each runtime is one file. `classifier.json` names it, so a worker process imports only what its runtime needs. The file's
`RUNTIME` declares what the other rooms need to know: packages, weight files, published form, batch behaviour, profiler and
processor features. `base.py` has the base classes, and `decision_rule.py` turns logits into an answer. README.md shows how
to add a runtime. The steps that make an artifact are in `steps/`.
"""
