"""Reporting: rows become tables, plots, one HTML page; how a comparison, a decision and a noise floor read.

Not here: any number that is not in the rows already.
"""
