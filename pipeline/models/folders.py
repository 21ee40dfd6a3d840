"""What a directory of a model is: a classifier or a pretrained encoder, plain or of sentence-transformers or SetFit.

Only configuration files are read. What this program can't begin with is told in one line that says what to do: adapters,
generative models, models that answer about tokens.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import BackboneError

CLASSIFIER = "ForSequenceClassification"
TOKEN_LEVEL = ("ForTokenClassification", "ForQuestionAnswering")
ENCODERS = ("ForMaskedLM", "ForPreTraining")  # what pretrained encoders are saved as, besides the bare network
HEADS = ("classifier", "score")  # names of the last layer, where a configuration does not say what the model is
ADAPTER, MODULES, SETFIT, PICKLE = "adapter_config.json", "modules.json", "config_setfit.json", "model_head.pkl"
SETFIT_HEAD = "model_head.safetensors"
BESIDE = (ADAPTER, MODULES, SETFIT, SETFIT_HEAD, "*_Pooling/config.json")  # what a download needs besides a model's files


@dataclass(frozen=True)
class Folder:
    """A directory of a model, as far as its configuration files tell."""

    encoder: Path  # the directory with config.json, which may be inside
    kind: str  # the class that it was saved as, such as "BertForMaskedLM"; "SetFit"; "" where nothing says it
    classifier: bool  # whether it has a trained head
    outputs: tuple[str, ...] = ()  # the labels of a classifier, in the order of its outputs
    pooling: str = "first"  # "first" or "mean", of sentence-transformers
    normalized: bool = False  # whether sentence-transformers divides the vector of a text by its length
    sentences: bool = False  # whether it is a folder of sentence-transformers
    notes: tuple[str, ...] = ()  # what of it can't be taken over

    @property
    def token_level(self) -> bool:
        """Whether it answers about each token."""
        return self.kind.endswith(TOKEN_LEVEL)

    @property
    def setfit(self) -> bool:
        """Whether its head is that of SetFit."""
        return self.kind == "SetFit"


def look(directory: Path) -> Folder:
    """What a directory is. Raises BackboneError for adapters, generative models and broken configuration files."""
    require_no_adapter(directory)
    modules = _json(directory / MODULES, []) if (directory / MODULES).is_file() else []
    encoder = directory / next((each.get("path", "") for each in modules if _is(each, "Transformer")), "")
    config = _json(encoder / "config.json", {})
    kind = next(iter(config.get("architectures") or ()), "")
    if (directory / SETFIT).is_file() or (directory / PICKLE).is_file():
        kind = "SetFit"
    classifier = kind == "SetFit" or kind.endswith(CLASSIFIER) or (not kind and _has_head(encoder))
    if not classifier:
        _require_encoder(directory, kind, config)
    outputs = setfit_labels(directory) if kind == "SetFit" else _labels(config) if classifier else ()
    pooling, normalized, notes = _of_modules(directory, modules)
    return Folder(encoder, kind, classifier, outputs, pooling, normalized, bool(modules), notes)


def require_no_adapter(directory: Path) -> None:
    """Raises BackboneError for what PEFT saves: the changes of a model, without the model."""
    if (directory / ADAPTER).is_file():
        base = _json(directory / ADAPTER, {}).get("base_model_name_or_path") or "its base model"
        raise BackboneError(
            f"{directory}: a LoRA or other adapter of {base}, not a whole model; merge it first: "
            "AutoPeftModelForSequenceClassification.from_pretrained(DIR).merge_and_unload().save_pretrained(NEW), and save "
            "the tokenizer there too"
        )


def require_readable_head(directory: Path) -> None:
    """Raises BackboneError where the head of a SetFit folder is a pickle alone: reading one can run any code."""
    if (directory / PICKLE).is_file() or (directory / SETFIT).is_file():
        if (directory / SETFIT_HEAD).is_file():
            return
        convert = (
            f"import joblib, json; from safetensors.numpy import save_file; h = joblib.load('{PICKLE}'); "
            "save_file({'weight': h.coef_.astype('f4'), 'bias': h.intercept_.astype('f4')}, "
            f"'{SETFIT_HEAD}', {{'classes': json.dumps(h.classes_.tolist())}})"
        )
        raise BackboneError(
            f"{directory}: the head of this SetFit model is a pickle ({PICKLE}), which can run any code and is not read; if "
            f'you trust it, write it as tensors, in that directory: python -c "{convert}"; or train a new head: '
            "backbone.finetuned=false"
        )


def _require_encoder(directory: Path, kind: str, config: dict[str, Any]) -> None:
    both_ways = not config.get("is_encoder_decoder") and not config.get("is_decoder")
    if not both_ways or (not kind.endswith(ENCODERS) and _only_generates(config.get("model_type"))):
        raise BackboneError(
            f"{directory}: a generative model ({kind or config.get('model_type')}); this program is for encoders that sort "
            f"texts: take one such as backbone=bert_base, or a classifier that was saved as ...{CLASSIFIER}"
        )


def _only_generates(model_type: str | None) -> bool:
    """Whether a family is pretrained by predicting the next token alone; XLNet reads in all orders."""
    from transformers.models.auto import modeling_auto as known

    encoders = {*known.MODEL_FOR_MASKED_LM_MAPPING_NAMES, "xlnet"}
    return model_type in known.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES and model_type not in encoders


def _has_head(encoder: Path) -> bool:
    from safetensors import safe_open

    if not (encoder / "model.safetensors").is_file():
        return False
    with safe_open(encoder / "model.safetensors", "numpy") as file:
        return any(name.partition(".")[0] in HEADS for name in file.keys())  # noqa: SIM118  not a dict


def _labels(config: dict[str, Any]) -> tuple[str, ...]:
    """The names in id2label, in the order of their numbers; those of transformers where there are none."""
    named = config.get("id2label") or {number: f"LABEL_{number}" for number in range(config.get("num_labels", 2))}
    return tuple(str(named[number]) for number in sorted(named, key=int))


def setfit_labels(directory: Path) -> tuple[str, ...]:
    """The labels of a SetFit folder, in the order of its head's outputs; empty where its head is a pickle."""
    if not (directory / SETFIT_HEAD).is_file():
        return ()
    from safetensors import safe_open

    names = _json(directory / SETFIT, {}).get("labels") if (directory / SETFIT).is_file() else None
    with safe_open(directory / SETFIT_HEAD, "numpy") as file:
        classes = json.loads((file.metadata() or {}).get("classes", "null"))
        outputs = max(2, file.get_slice("weight").get_shape()[0])
    classes = list(range(outputs)) if classes is None else classes
    return tuple(str(names[each]) if names and isinstance(each, int) else str(each) for each in classes)


def _of_modules(directory: Path, modules: list[Any]) -> tuple[str, bool, tuple[str, ...]]:
    """Pooling, whether vectors are divided by their length, and which modules are left out."""
    pooling, notes = "first", []
    for each in modules:
        if _is(each, "Pooling"):
            mode = _pooling(_json(directory / each.get("path", "") / "config.json", {}))
            pooling = "first" if mode == "cls" else "mean"
            if mode not in ("cls", "mean"):
                notes.append(f"its pooling {mode!r} is not known here, the mean of the tokens is taken")
        elif not (_is(each, "Transformer") or _is(each, "Normalize")):
            notes.append(f"its module {str(each.get('type', '')).rpartition('.')[2]} is left out")
    return pooling, any(_is(each, "Normalize") for each in modules), tuple(notes)


def _pooling(config: dict[str, Any]) -> str:
    """The mode, as old and new versions of sentence-transformers write it; several are joined with +."""
    mode = config.get("pooling_mode")
    if mode is None:
        before = "pooling_mode_"
        chosen = [key.removeprefix(before) for key, value in config.items() if key.startswith(before) and value]
        mode = [{"cls_token": "cls", "mean_tokens": "mean"}.get(key, key) for key in chosen] or ["mean"]
    return mode if isinstance(mode, str) else "+".join(mode)


def _is(module: Any, name: str) -> bool:
    return str(module.get("type", "")).rpartition(".")[2] == name


def _json(file: Path, empty: Any) -> Any:
    """The content of a file, of the type of `empty`. Raises BackboneError where it is missing or something else."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BackboneError(f"{file.parent}: no {file.name} ({error.strerror})") from error
    except ValueError as error:
        raise BackboneError(f"{file}: not JSON: {error}") from error
    if not isinstance(found, type(empty)):
        raise BackboneError(f"{file}: not a configuration of a model")
    return found
