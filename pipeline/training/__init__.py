"""Training: the transformers Trainer made fast and safe, distillation, pruning and hyper-parameter tuning.

Not here: the settings that users see, and where results are kept (`steps/`).
"""
