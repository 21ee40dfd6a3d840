"""Sweeps: Hydra chooses and launches the jobs; this room runs each in its own process and sums up the sweep at the end.

With Hydra's own sweeper, which knows all jobs from the start, a job only makes its artifact. When all are made, the sweep's
process has them measured one after the other. A sweeper that chooses jobs as it goes must be told the objective of each:
there a job is made and measured at once. `record.py` is how jobs and the whole speak to each other: files on
disk, so it does not matter which launcher runs the jobs, and a killed sweep goes on with the same command.
"""
