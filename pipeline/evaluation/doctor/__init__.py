"""Why is a classifier not faster? Facts of its artifact become findings, what costs most first, each with what to do.

It looks at one classifier in this process. That is a diagnosis, not a measurement: shares of time only, no milliseconds.
"""
