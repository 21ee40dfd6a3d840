"""The plots, one file each; `style.py` has the shared parts.

A new plot is one file here:

1. It has `draw(...) -> Figure`, which makes the figure with `style.new_figure`, and `save(..., folder)`, which writes it
   with `style.save_figure`. The code that has the numbers calls `save`.
2. A plot of a step's note declares the name of the note, as in `NOTED = "cascade"`. Then `save(note, folder)` is called for
   each run whose steps wrote such a note (see `noted.py`).
"""
