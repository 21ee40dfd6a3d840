"""Classifiers: anything that turns texts into logits, tokenization included, loaded from an artifact directory alone.

    base.py         the `Classifier` protocol, `classifier.json` (`Description`), `load`, tokenization with `tokenizers`
    torch.py        runtime "torch": a transformers network in fp32, stored as a checkpoint or compactly
    torch_int8.py   runtime "torch_int8": the same with linear layers in int8
    onnx.py         runtime "onnx": a graph in ONNX Runtime, fp32 or int8
    tfidf.py        runtime "tfidf": words and parts of words, weighed, times a matrix, in NumPy
    static.py       runtime "static": the mean of word-piece vectors and a small network, in NumPy
    cascade.py      runtime "cascade": a cheap classifier where it is sure, else a better one
    rule.py         how logits become an answer: temperature, refusal of texts that are out of scope
    compact.py      a file format for weights in which zeros take one bit

One file a runtime: `classifier.json` names it, `load` imports `pipeline.classifiers.<runtime>` and calls its `open`, so that
a worker process imports only what its runtime needs; its `packages` says what that is.
"""
