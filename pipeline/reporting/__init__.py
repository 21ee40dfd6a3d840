"""Reporting: tables, plots and one HTML page from rows; comparisons, decisions and noise floors in words.

It computes no new numbers: all of them are in the rows.
"""
