"""Networks to start from: pretrained weights, the parts of an architecture, smaller networks made from larger ones.

Not here: training them (`training/`), storing and running a finished classifier (`runtimes/`).
"""
