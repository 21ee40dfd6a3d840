"""Units that metrics are given in."""

BYTES_PER_MB = 2**20  # as in the book
