"""Networks to start from: where pretrained weights come from, an architecture's parts, smaller networks of larger ones.

Not here: training them (`training/`), and what a finished classifier is stored and run as (`runtimes/`).
"""
