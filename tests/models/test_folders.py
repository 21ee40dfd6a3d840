"""What a directory of a model is: seen from its configuration, refused in one line where it is nothing to begin with."""

import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from pipeline.config import Backbone, Weights
from pipeline.errors import BackboneError
from pipeline.models.checkpoints import check, weights_of
from pipeline.models.folders import look
from tests.models.test_build import problem

LABELS: dict[str, Any] = {"id2label": {"0": "a", "1": "b", "2": "c"}}
OWN = Backbone("own", teacher=Weights(pooling="auto"), student=Weights(from_teacher=True))


def folder(directory: Path, files: dict[str, Any]) -> Path:
    """A directory with such JSON files; those that are None are empty."""
    for name, content in files.items():
        file = directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"" if content is None else json.dumps(content).encode())
    return directory


def config(kind: str, model_type: str = "bert", **more: Any) -> dict[str, Any]:
    return {"config.json": {"architectures": [kind], "model_type": model_type, **more}}


def own(directory: Path, finetuned: bool | None = None, **teacher: Any) -> Weights:
    return weights_of(
        replace(OWN, model=str(directory), finetuned=finetuned, teacher=replace(OWN.teacher, **teacher)), "teacher"
    )


def sentences(pooling: dict[str, Any], *more: str) -> dict[str, Any]:
    """The files of sentence-transformers, with further modules."""
    types = ["models.Transformer", "models.Pooling", *more]
    places = {"models.Transformer": "", "models.Pooling": "1_Pooling"}
    modules = [{"path": places.get(each, each), "type": f"sentence_transformers.{each}"} for each in types]
    return {**config("BertModel"), "modules.json": modules, "1_Pooling/config.json": pooling}


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"adapter_config.json": {"base_model_name_or_path": "google/x"}}, "adapter of google/x merge it first"),
        (config("GPT2LMHeadModel", "gpt2"), "a generative model (GPT2LMHeadModel) backbone=bert_base"),
        (config("LlamaModel", "llama"), "a generative model (LlamaModel)"),
        (config("BartModel", "bart", is_encoder_decoder=True), "a generative model"),
        (config("BertLMHeadModel", "bert", is_decoder=True), "a generative model (BertLMHeadModel)"),
        (config("BertForTokenClassification"), "answers about tokens backbone.finetuned=false"),
        (config("RobertaForQuestionAnswering", "roberta"), "RobertaForQuestionAnswering answers about tokens"),
        ({"config.json": None}, "config.json: not JSON"),
        ({"config.json": [1]}, "not a configuration of a model"),
        ({"tokenizer.json": None}, "no config.json"),
        ({**config("BertModel"), "config_setfit.json": {}, "model_head.pkl": None}, "a pickle joblib.load save_file"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_is_nothing_to_begin_with_is_told_in_one_line(files: dict[str, Any], words: str, tmp_path: Path) -> None:
    line = problem(lambda: own(folder(tmp_path / "it", files)))
    assert str(tmp_path / "it") in line and all(word in line for word in words.split()), line


@pytest.mark.parametrize(
    ("kind", "model_type", "finetuned"),
    [
        ("BertForSequenceClassification", "bert", True), ("GPT2ForSequenceClassification", "gpt2", True),
        ("BertForMaskedLM", "bert", False), ("BertModel", "bert", False), ("ElectraForPreTraining", "electra", False),
        ("XLMWithLMHeadModel", "xlm", False), ("XLNetLMHeadModel", "xlnet", False),
        ("XLMRobertaForMaskedLM", "xlm-roberta", False), ("ModernBertForMaskedLM", "modernbert", False),
    ],
)  # fmt: skip
def test_whether_it_is_fine_tuned_is_seen_and_a_setting_decides(
    kind: str, model_type: str, finetuned: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    directory = folder(tmp_path, config(kind, model_type, **LABELS))
    with caplog.at_level("INFO"):
        assert own(directory).finetuned is finetuned
    assert f"backbone.model={directory} is a {'fine-tuned classifier' if finetuned else 'pretrained encoder'}" in caplog.text
    assert own(directory, True).finetuned and not own(directory, False).finetuned
    assert look(directory).outputs == (("a", "b", "c") if finetuned else ())


def test_a_model_for_tokens_is_an_encoder_if_that_is_wanted(tmp_path: Path) -> None:
    assert not own(folder(tmp_path, config("BertForTokenClassification")), False).finetuned


@pytest.mark.parametrize(
    ("modules", "pooling", "told"),
    [
        (sentences({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}, "models.Normalize"), "mean", ""),
        (sentences({"pooling_mode_cls_token": True}), "first", ""),
        (sentences({"pooling_mode": "cls", "embedding_dimension": 8}), "first", ""),
        (sentences({"pooling_mode": ["mean", "max"]}, "models.Dense"), "mean", "'mean+max' is not known Dense is left out"),
        (sentences({"pooling_mode_max_tokens": True}), "mean", "'max_tokens' is not known"),
        (config("BertModel"), "first", ""),
    ],
)
def test_the_pooling_of_sentence_transformers_is_taken_over(
    modules: dict[str, Any], pooling: str, told: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    directory = folder(tmp_path, modules)
    with caplog.at_level("INFO"):
        assert own(directory).pooling == pooling
    assert all(word in caplog.text for word in told.split()), caplog.text
    assert own(directory, pooling="first").pooling == "first", "a setting decides"
    assert ("of sentence-transformers" in caplog.text) == ("modules.json" in modules)


def test_the_encoder_of_sentence_transformers_may_lie_inside(tmp_path: Path) -> None:
    files = {f"0_Transformer/{name}": content for name, content in config("BertModel").items()}
    folder(
        tmp_path, {**files, "modules.json": [{"path": "0_Transformer", "type": "sentence_transformers.models.Transformer"}]}
    )
    assert own(tmp_path).path == str(tmp_path / "0_Transformer")


def test_a_pickle_is_not_read_and_the_head_as_tensors_is(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return (open, (str(tmp_path / "was_run"), "w"))

    directory = folder(tmp_path / "it", {**config("BertModel"), "config_setfit.json": {"labels": ["no", "yes"]}})
    (directory / "model_head.pkl").write_bytes(pickle.dumps(Evil()))
    assert "can run any code" in problem(lambda: own(directory)) and not own(directory, False).finetuned
    head = {"weight": np.zeros((1, 8), np.float32), "bias": np.zeros(1, np.float32)}
    save_file(head, directory / "model_head.safetensors", {"classes": json.dumps([1, 0])})
    assert own(directory).finetuned and look(directory).outputs == ("yes", "no")
    assert not (tmp_path / "was_run").exists()


@pytest.mark.parametrize(
    ("backbone", "words"),
    [
        (Backbone("x", finetuned=True, teacher=Weights(hub="a/b")), "backbone.finetuned=true backbone=own"),
        (replace(OWN, model="DIR", teacher=Weights(hub="a/b")), "backbone.teacher.hub=a/b give one of them"),
        (replace(OWN, model="DIR", teacher=Weights(finetuned=True)), "backbone.teacher.finetuned=True"),
        (replace(OWN, model="/nowhere"), "backbone.model=/nowhere: no such directory"),
        (replace(OWN, model="./a"), "no such directory"),
        (replace(OWN, model="nobody/nothing-here"), "nobody/nothing-here from the Hub set backbone.model=DIR"),
    ],
)
def test_settings_that_exclude_each_other_and_models_that_are_nowhere_are_told(backbone: Backbone, words: str) -> None:
    with pytest.raises(BackboneError) as caught:
        check(backbone)
    assert all(word in str(caught.value) for word in words.split()), caught.value


def test_a_pooling_that_would_have_no_effect_is_refused(tmp_path: Path) -> None:
    directory = folder(tmp_path, config("BertForSequenceClassification", **LABELS))
    pooled = replace(OWN, model=str(directory), teacher=Weights(pooling="mean"))
    assert "set backbone.finetuned=false" in problem(lambda: check(pooled))
    check(replace(pooled, finetuned=False))
    check(replace(OWN, model=str(directory)))
    assert "pooling=auto is for backbone=own" in problem(lambda: check(replace(OWN, teacher=Weights(pooling="auto"))))
