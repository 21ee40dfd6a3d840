"""Renamed optimizations, steps and settings: an error for an old name gives the new one."""

from collections.abc import Iterable
from dataclasses import fields

from pipeline.config import Finetuning
from pipeline.errors import nearest

OPTIMIZATIONS = {
    "bert": "baseline",
    "bert_base_size": "bert_base_random",
    "bert_calibrated": "baseline_calibrated",
    "bert_compiled": "baseline_compiled",
    "bert_int8": "baseline_int8",
    "bert_openvino": "baseline_openvino",
    "bert_openvino_int8": "baseline_openvino_int8",
    "bert_ort": "baseline_onnx",
    "bert_ort_4bit": "baseline_onnx_4bit",
    "bert_ort_int8": "baseline_onnx_int8",
    "bert_ort_static": "baseline_onnx_static",
    "distillation_ort": "distillation_onnx",
    "distillation_ort_int8": "distillation_onnx_int8",
    "distillation_ort_int8_calibrated": "distillation_onnx_int8_calibrated",
    "static": "static_embeddings",
}
STEPS = {
    "load": "load_checkpoint",
    "quantize_dynamic": "quantize_torch_dynamic",
    "quantize_onnx": "quantize_onnx_dynamic",
    "quantize_static": "quantize_onnx_static",
    "quantize_weights": "quantize_onnx_weight_only",
    "recover": "recovery_distillation",
    "static": "static_embeddings",
    "untrained": "random_init",
}
SETTINGS = {  # last part of an old key -> possible new names
    "budget": ("constraints",),
    "budget_s": ("max_seconds",),
    "dry_run": ("decide.dry_run",),
    "figure": ("oos_score",),
    "head_rate": ("head_lr_multiplier",),
    "heads": ("num_heads",),
    "hidden": ("hidden_loss_weight",),
    "importance_texts": ("importance_samples",),
    "layers": ("num_layers",),
    "most_steps": ("max_steps",),
    "neurons": ("intermediate_size", "neurons_kept"),
    "only": ("decide.only",),
    "pieces": ("vocab_size",),
    "positions": ("max_positions",),
    "prefer": ("decide.prefer",),
    "relations": ("relation_loss_weight",),
    "rise_from": ("ramp_start",),
    "rise_to": ("ramp_end",),
    "rule": ("oos_score",),
    "strict": ("decide.strict",),
    "texts": ("calibration_samples",),
    "width": ("hidden_size",),
}


def renamed_choice(group: str, name: str) -> str | None:
    """The new name of an optimization or a step; None if it was not renamed."""
    return {"optim": OPTIMIZATIONS, "step": STEPS}.get(group, {}).get(name)


def renamed_setting(leaf: str, known: Iterable[str]) -> str | None:
    """The new name of the last part of a key, if that is among the `known` keys of its group; else None."""
    names = set(known)
    return next((new for new in SETTINGS.get(leaf, ()) if new.partition(".")[0] in names), None)


FINETUNE = {"kind", "model"}  # the keys of the step `finetune`


def moved_setting(leaf: str, known: Iterable[str], model: str | None) -> str | None:
    """Where a setting of the step `finetune` is now: in the backbone. None if the group or the setting is another one.

    model: "teacher" or "student"; None if it is not known.
    """
    places = {item.name for item in fields(Finetuning)}
    name = leaf if leaf in places else renamed_setting(leaf, places)
    if name is None or set(known) != FINETUNE:
        return None
    return " or ".join(f"backbone.{one}.finetune.{name}" for one in ([model] if model else ["teacher", "student"]))


def no_such_key(where: str, known: Iterable[str], model: str | None = None) -> str:
    """The message for an unknown key: its new name, or the nearest of the `known` keys of its group.

    model: what the group's key "model" says, if it has one.
    """
    known = list(known)
    path, _, leaf = where.rpartition(".")
    moved = moved_setting(leaf, known, model)
    if moved is not None:
        return f"{where} is called {moved} now"
    new = renamed_setting(leaf, known)
    if new is not None:
        return f"{where} is called {path}.{new} now" if path else f"{where} is called {new} now"
    return f"{where}: no such key{nearest(leaf, known)}"
