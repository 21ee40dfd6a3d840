"""One self-contained HTML page of an experiment or a sweep: decision, trade-off, table, latencies, flips, measurement."""
