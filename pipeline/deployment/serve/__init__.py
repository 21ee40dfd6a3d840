"""What answers when a classifier is served: nothing is imported that its runtime does not need.

answers.py   `Answerer`: an artifact directory -> answers to texts, in batches of like length
model.py     the model that MLflow loads, from code
back.py      in a fresh process: a registered model, loaded back, answers the test split
"""
