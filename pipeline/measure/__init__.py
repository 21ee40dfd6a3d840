"""Measuring: artifact directory -> `Report`. It sees neither Hydra's configuration nor how the artifact was made.

    session.py   one classifier, in pairs with the baseline -> Report
    pairs.py     pairs of fresh processes, until the speed-up is known well enough
    solo.py      what one process alone does: predictions, batches, memory, the profile
    energy.py    counters of the processor, where it has them
    process.py   the parent's side of a worker process
    worker.py    the worker process: loads one artifact, answers requests; imports only what its runtime needs
    serving.py   concurrent clients, in the worker process
    quality.py   predictions -> accuracy, macro F1, out-of-scope figures
    size.py      bytes on disk

This file imports nothing, so that a worker starts fast.
"""
