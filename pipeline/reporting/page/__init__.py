"""One self-contained HTML page of an experiment or a sweep: decision, table, trade-off, latencies, flips, how measured."""
