"""Backbones: where the teacher's and the student's pretrained weights come from.

fetch.py    settings -> a local directory of files, checked by SHA-256; torch is not needed
models.py   directory -> a sequence-classification network and its tokenizer; the DistilBERT-style student
"""
