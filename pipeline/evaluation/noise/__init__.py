"""The noise floor: a classifier measured against itself (A/A), again and again; whatever is found is noise.

A 95 % interval may call the two different in 5 of 100 measurements. Not here: how that reads (`reporting/`).
"""
