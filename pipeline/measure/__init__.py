"""Measuring: artifact directory -> `Report`. It sees neither Hydra's configuration nor how the artifact was made.

    session.py   one classifier, or candidate and baseline in turns -> Report
    process.py   the parent's side of a worker process
    worker.py    the worker process: loads one artifact, answers requests; imports only what its runtime needs
    quality.py   predictions -> accuracy, macro F1, out-of-scope figures
    size.py      bytes on disk

This file imports nothing, so that a worker starts fast.
"""
