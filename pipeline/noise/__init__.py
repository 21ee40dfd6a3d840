"""The machine's noise floor: a classifier measured against itself (A/A), again and again.

Two copies of one classifier are equally fast. So whatever a measurement says of them is noise: how far it is off, how wide
its interval is, how often it calls them different. That must be rare: a 95 % interval may do it in 5 of 100 measurements.

    python -m pipeline.noise optim=distillation_ort_int8 measure.budget_s=20

    repeat.py    the measuring: sessions of pairs of fresh processes
    figures.py   what follows from the pairs: figures and table
    words.py     the conclusion
    plot.py      the figure
    record.py    files and the MLflow run
    floor.py     the newest noise floor of this machine, for others to tell

This file imports nothing, so that `floor` can be had without the rest.
"""
