"""Serving a classifier. Only packages that its runtime needs are imported.

answers.py    `Answerer`: an artifact directory -> answers to texts, in batches of similar length
model.py      the model that MLflow loads, from code; pair_model.py for pairs of texts; pyfunc.py what both share
load_back.py  loads a registered model in a new process, to check its predictions
"""
