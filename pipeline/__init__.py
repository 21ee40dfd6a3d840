"""Make a transformer text classifier smaller and faster, and measure what it costs. README.md is the map of the rooms."""
