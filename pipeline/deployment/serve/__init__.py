"""Serving a classifier. Only packages that its runtime needs are imported.

answers.py    `Answerer`: an artifact directory -> answers to texts, in batches of similar length
pyfunc.py     what the models that MLflow loads, from code, have in common; `texts_to_label.py` and three others are these
load_back.py  loads a registered model in a new process, to check its predictions
"""
