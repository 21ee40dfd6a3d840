"""Serving a classifier. Only packages that its runtime needs are imported.

answers.py    `Answerer`: an artifact directory -> answers to texts, in batches of similar length
model.py      the model that MLflow loads, from code
load_back.py  loads a registered model in a new process, to check its predictions
"""
