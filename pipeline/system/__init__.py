"""The system: the processor and its features, cores, memory, disks, locks between jobs, processes, progress bars.

Not here: anything about classifiers, data or MLflow.
"""
