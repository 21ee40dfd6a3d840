"""The plots, one file each; `style.py` has what they share.

A plot is added as one file here:

1. It has `draw(...) -> Figure`, which makes the figure with `style.new_figure`, and `save(..., folder)`, which writes it
   with `style.save_figure`. Whoever has the numbers calls `save`.
2. A plot of what a step noted says which note it is of, as in `NOTED = "cascade"`; then `save(note, folder)` is called for
   each run whose steps left such a note (see `noted.py`).
"""
