"""Classifiers: anything that turns texts into logits, tokenization included, loaded from an artifact directory alone.

    base.py    the `Classifier` protocol, `classifier.json` (`Description`), `load`, tokenization with `tokenizers`
    torch.py   runtime "torch": a transformers checkpoint

One file a runtime: `classifier.json` names it, `load` imports `pipeline.classifiers.<runtime>` and calls its `open`, so that
a worker process imports only what its runtime needs.
"""
