"""What the program runs on: the processor and its features, cores, memory, locks between jobs, processes, progress bars.

Not here: anything that knows of a classifier, of data or of MLflow.
"""
