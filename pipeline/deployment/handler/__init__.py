"""Pieces of `handler.py`, the small program that answers with an exported folder and needs its runtime alone.

`compose.py` joins the pieces that a folder needs into one file, without this package. Each piece is a module here, so that
it is linted and typed. `endpoint.py` (or `cascade.py`) is what is called; its class is what Hugging Face's Inference
Endpoints look for. `tokens.py` or `windows.py` makes logits of texts with the network, which is in the file of its runtime,
and `one_label.py`, `one_label_or_abstain.py` or `several_labels.py` makes answers of logits.
"""
