"""The noise floor: a classifier is measured against itself (A/A) many times, and every difference is noise.

A 95 % interval may call the two different in 5 of 100 measurements. What a session does to both cancels there, so it is also
measured against the baseline: that shows how much a speed-up varies from session to session. `reporting/` puts the result
into words.
"""
