"""The plots, one file each; `style.py` has what they share."""
