"""The doctor: why is a classifier not faster? Facts about its artifact become findings with advice, the costliest first.

It examines one classifier in this process. This is a diagnosis, not a measurement: it gives shares of time, not
milliseconds.
"""
