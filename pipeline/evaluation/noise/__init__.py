"""The noise floor: a classifier is measured against itself (A/A) many times, and every difference is noise.

A 95 % interval may call the two different in 5 of 100 measurements. `reporting/` puts the result into words.
"""
