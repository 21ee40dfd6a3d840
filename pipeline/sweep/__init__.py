"""Sweeps: Hydra chooses the jobs and launches them; what is here makes each of them safe, and tells the whole at the end.

    record.py   <track.root>/sweeps/<id>/: what is known of a sweep and of each of its jobs, on disk
    process.py  a process of its own, so that a job that fails, exits or is killed takes no other along
    job.py      one job: made, then measured
    warm.py     what jobs know from the start
    whole.py    before the first job and after the last: MLflow's parent run, comparison, summary, exit code

With Hydra's own sweeper, which knows all jobs from the start, a job only makes its artifact, side by side with others where
the launcher does so. When all are made, the sweep's process has them measured one after the other, when nothing else runs. A
sweeper that chooses jobs as it goes must be told the objective of each: there a job is made and measured at once.

The record is how jobs and the whole speak to each other, so it does not matter which launcher runs the jobs, and where.
A killed sweep has a record that has not ended: the same command goes on with it.
"""
