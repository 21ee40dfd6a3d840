"""What is in a data set, before anything is trained: sizes, lengths, repeated texts, giveaway words, what is easy to reach.

Not here: how it is shown (`reporting/`), and reading files (`data/`).
"""
