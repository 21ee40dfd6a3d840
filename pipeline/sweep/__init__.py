"""Sweeps: Hydra chooses the jobs and launches them; what is here makes each of them safe, and tells the whole at the end.

    record.py   <track.root>/sweeps/<id>/: what is known of a sweep and of each of its jobs, on disk
    job.py      one job in a process of its own, so that one that fails, exits or is killed takes no other along
    warm.py     what jobs know from the start
    whole.py    before the first job and after the last: MLflow's parent run, comparison, summary, exit code

The record is how jobs and the whole speak to each other, so it does not matter which launcher runs the jobs, and where.
A killed sweep has a record that has not ended: the same command goes on with it.
"""
