"""What a step can't do with a network, a tokenizer or the data is told before anything is trained."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, models
from transformers import AutoConfig, PreTrainedTokenizerFast
from transformers import AutoModelForSequenceClassification as Classifier

from pipeline.config import Backbone, Config, Optim, Step, Weights
from pipeline.data.augmentation import Augment
from pipeline.deployment.publish import check_form
from pipeline.errors import ConfigError, OptimizationError, PublishError, UserError
from pipeline.models.outline import Outline
from pipeline.run import run
from pipeline.runtimes import torch_int8
from pipeline.steps.base import Context
from pipeline.steps.calibrate import Calibrate
from pipeline.steps.distill import Distill
from pipeline.steps.execute import check_steps
from pipeline.steps.export_onnx import ExportOnnx
from pipeline.steps.finetune import Finetune, differences
from pipeline.steps.load_checkpoint import LoadCheckpoint
from pipeline.steps.low_rank import LowRank
from pipeline.steps.prune import Prune
from pipeline.steps.prune_structured import PruneStructured
from pipeline.steps.quantize_onnx_dynamic import QuantizeOnnxDynamic
from pipeline.steps.quantize_onnx_static import QuantizeOnnxStatic
from pipeline.steps.quantize_onnx_weight_only import QuantizeOnnxWeightOnly
from pipeline.steps.quantize_torch_dynamic import QuantizeTorchDynamic
from pipeline.steps.random_init import RandomInit
from pipeline.steps.recovery_distillation import RecoveryDistillation
from pipeline.steps.static_embeddings import StaticEmbeddings
from pipeline.steps.trim_vocabulary import TrimVocabulary
from tests.models.test_build import NETWORKS, at, bert, saved

FINETUNE, STUDENT, EXPORT, INT8 = (
    Finetune("finetune"), Finetune("finetune", "student"), ExportOnnx("export_onnx"),
    QuantizeTorchDynamic("quantize_torch_dynamic"),
)  # fmt: skip
BASELINE = Optim("baseline", {"finetune": FINETUNE})
QUANTIZED = Optim("baseline_int8", {"finetune": FINETUNE, "quantize": INT8})
TINY = Backbone("tiny", teacher=Weights(random=True), student=Weights(from_teacher=True), max_length=16)
HUGE = RandomInit("random_init", hidden_size=4096, intermediate_size=16384, num_heads=16)
WIDE = LowRank("low_rank", embeddings=None, feed_forward=8)


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Backbone]:
    """Backbones: the tiny one, families that lack something, another kind of tokenizer, a narrower student."""
    folder = tmp_path_factory.mktemp("networks")
    spelled = saved(folder / "words", bert(2))
    words = Tokenizer(models.WordLevel({"[PAD]": 0, "[UNK]": 1, "a": 2}, unk_token="[UNK]"))
    PreTrainedTokenizerFast(tokenizer_object=words, pad_token="[PAD]", unk_token="[UNK]").save_pretrained(spelled)
    gpt2 = at(saved(folder / "gpt2", NETWORKS["gpt2"]()))
    sizes = {"vocab_size": 141, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    given: dict[str, tuple[str, dict[str, Any]]] = {
        "other": ("roformer", {}), "moved": ("fnet", {}), "mixed": ("deberta", {"talking_head": True}),
        "groups": ("albert", {"num_hidden_groups": 2, "embedding_size": 16}),
    }  # fmt: skip
    lacking = {
        name: at(saved(folder / name, Classifier.from_config(AutoConfig.for_model(family, **sizes | more))))
        for name, (family, more) in given.items()
    }
    narrow = Weights(path=str(saved(folder / "narrow", bert(2))))
    made = {
        "gpt2": gpt2,
        **lacking,
        "whole words": at(spelled),
        "narrow": replace(TINY, student=narrow),
    }
    return {"tiny": TINY} | {name: replace(backbone, max_length=16) for name, backbone in made.items()}


@pytest.fixture
def context(compose: Callable[..., Config], tiny: list[str]) -> Context:
    return Context(compose(*tiny).data.load(0), TINY, 0)


def optim(*steps: Step) -> Optim:
    return Optim("any", {f"{number} {step.kind}": step for number, step in enumerate(steps)})


def distill(**settings: Any) -> Distill:
    given: dict[str, Any] = {"teacher": BASELINE, "start": "teacher"} | settings
    return Distill("distill", **given)


def quantize(kind: type, **settings: Any) -> Optim:
    return optim(FINETUNE, EXPORT, kind("quantize", **settings))


RECOVER = RecoveryDistillation("recovery_distillation", teacher=BASELINE)
UNKNOWN = "where a network of type 'roformer' has its layers is not known, only of bert, .*; fine-tuning, .* work with any"
CASES: list[tuple[str, Optim, str]] = [
    ("other", optim(STUDENT), UNKNOWN),
    ("other", optim(distill(depth=1)), UNKNOWN),
    ("other", optim(distill(start="teacher", pooling="mean")), UNKNOWN),
    ("other", optim(FINETUNE, Prune("prune")), UNKNOWN),
    ("other", optim(FINETUNE, PruneStructured("prune_structured")), UNKNOWN),
    ("other", optim(FINETUNE, WIDE), UNKNOWN),
    ("other", optim(FINETUNE, replace(RECOVER, relation_loss_weight=1.0)), f"{UNKNOWN}.*; set relation_loss_weight=0"),
    ("moved", BASELINE, "of type 'fnet' answers a text otherwise when it shares a batch with a longer one"),
    ("mixed", optim(FINETUNE, PruneStructured("prune_structured")), "talking_head=true, which mixes them; set heads_kept=1"),
    ("groups", optim(distill(depth=1)), "ALBERT with several groups of layers"),
    ("whole words", optim(FINETUNE, TrimVocabulary("trim_vocabulary")), "WordLevel tokenizer can't be trimmed"),
    ("tiny", optim(distill(layers=[0, 7])), "choose different ones of 0 to 1"),
    ("tiny", optim(distill(teacher=QUANTIZED)), "quantized or exported teacher .*; set start=student"),
    ("tiny", optim(distill(teacher=QUANTIZED, start="student", hidden_loss_weight=1.0)), "set hidden_loss_weight=0"),
    ("narrow", optim(distill(start="student", hidden_loss_weight=1.0)), "different hidden sizes"),
    ("tiny", optim(StaticEmbeddings("static_embeddings", teacher=QUANTIZED)), "give it a teacher that is stored as torch"),
    ("tiny", optim(distill(augment=Augment(unlabelled=__file__.replace(".py", ".txt")))), "no such file"),
    ("tiny", optim(distill(augment=Augment(unlabelled="EMPTY"))), "the file has no text"),
    ("tiny", optim(FINETUNE, LowRank("low_rank", embeddings=31)), "rank 31 does not make a matrix of 141 x 32 smaller"),
    ("tiny", optim(FINETUNE, LowRank("l", embeddings=4), LowRank("l", embeddings=2)), "factorized already"),
    ("tiny", optim(FINETUNE, WIDE, PruneStructured("prune_structured")), "put low_rank after this step"),
    ("tiny", quantize(QuantizeOnnxDynamic, embedding_bits=4), "optim.steps.export.fuse=layers"),
    ("tiny", quantize(QuantizeOnnxStatic), "optim.steps.export.fuse=parts"),
    ("tiny", quantize(QuantizeOnnxWeightOnly), "optim.steps.export.fuse=parts"),
    ("tiny", optim(RandomInit("random_init", max_positions=8)), "backbone.max_length=16: must be at most max_positions=8"),
    ("tiny", optim(HUGE, EXPORT), "an ONNX file holds at most 2 GB"),
    ("tiny", optim(LoadCheckpoint("load_checkpoint", "GPT2")), "the checkpoint has no label 'food'"),
    ("tiny", optim(FINETUNE, Calibrate("calibrate")), "has 0 out-of-scope texts"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "planned", "words"), CASES, ids=[f"{name}: {words}" for name, _, words in CASES])
def test_what_can_not_work_is_told_before_anything_is_made(
    name: str, planned: Optim, words: str, networks: dict[str, Backbone], context: Context, tmp_path: Path
) -> None:
    (tmp_path / "empty").write_text("\n")
    steps = {key: _placed(step, tmp_path / "empty", networks) for key, step in planned.steps.items()}
    if "out-of-scope" in words:
        validation = context.splits.validation.filter(lambda row: row["label"] != 0)
        context = replace(context, splits=replace(context.splits, oos=0, validation=validation))
    with pytest.raises(UserError, match=words) as told:
        check_steps(replace(planned, steps=steps), replace(context, backbone=networks[name]))
    assert "\n" not in str(told.value)


def _placed(step: Step, empty: Path, networks: dict[str, Backbone]) -> Step:
    """The step with the paths of this test."""
    if isinstance(step, Distill) and step.augment.unlabelled == "EMPTY":
        return replace(step, augment=Augment(unlabelled=str(empty)))
    if isinstance(step, LoadCheckpoint):
        return replace(step, checkpoint=str(networks["gpt2"].teacher.path))
    return step


def test_a_torch_that_can_not_multiply_in_int8_is_told(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_int8, "ENGINES", ())
    with pytest.raises(OptimizationError, match=r"can't multiply in int8.*use export_onnx"):
        check_steps(QUANTIZED, context)


def test_texts_longer_than_the_random_network_are_told(context: Context) -> None:
    with pytest.raises(UserError, match="max_length=129: this network has positions for at most 128"):
        check_steps(BASELINE, replace(context, backbone=replace(TINY, max_length=129)))


def test_the_outline_follows_the_steps_without_weights(context: Context) -> None:
    planned = optim(distill(depth=1, pooling="mean"), LowRank("low_rank", embeddings=4), RECOVER, EXPORT)
    found = check_steps(planned, context)
    assert (found.form, found.fuse, found.network.config.num_hidden_layers) == ("onnx", "all", 1)
    assert found.network.config.pooling == "mean"
    assert {parameter.device.type for parameter in found.network.parameters()} == {"meta"}
    assert check_steps(optim(FINETUNE, Calibrate("calibrate")), context).form == "torch"


def test_a_run_whose_candidate_can_not_work_trains_no_baseline_and_leaves_nothing(
    compose: Callable[..., Config], tiny: list[str], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.steps.store.Store.get_or_make", None)  # calling it raises
    config = compose("optim=student_3l", "optim.steps.distill.depth=null", "optim.steps.distill.layers=[5]", *tiny)
    with pytest.raises(OptimizationError, match="choose different ones"):
        run(config)
    assert not (root / "stages").exists()


@pytest.mark.parametrize(
    ("planned", "reason"),
    [
        (BASELINE, ""), (optim(STUDENT), ""), (optim(FINETUNE, Prune("prune")), ""),
        (optim(distill(pooling="mean")), "mean pooling"),
        (optim(FINETUNE, LowRank("l", embeddings=4)), "layers of low rank"),
        (QUANTIZED, "torch_int8"),
    ],
)  # fmt: skip
def test_what_transformers_can_not_load_is_said_before_training_where_publishing_is_asked_for(
    planned: Optim, reason: str, context: Context, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", "pipeline.deployment.publish"):
        check_form("ada/tiny", check_steps(planned, context))
    assert [f"can't load what this makes ({reason})" in line for line in caplog.messages] == [True] * bool(reason)


def test_what_no_other_program_loads_is_refused_before_training_where_publishing_is_asked_for() -> None:
    with pytest.raises(PublishError, match=r"no other program loads .*words.*load what export_onnx makes"):
        check_form("ada/tiny", Outline(form="words"))


def test_random_weights_are_refused_before_publishing(context: Context) -> None:
    with pytest.raises(PublishError, match="its weights are random"):
        check_form("ada/tiny", check_steps(optim(RandomInit("random_init")), context))


def test_a_source_that_was_made_otherwise_than_the_baseline_is_told_in_a_line() -> None:
    same = list(differences(BASELINE, optim(STUDENT), TINY))
    longer = replace(TINY, student=replace(TINY.student, finetune=replace(TINY.student.finetune, epochs=3)))
    (line,) = differences(BASELINE, optim(STUDENT, EXPORT), longer)
    assert same == [] and "the baseline's teacher was fine-tuned with epochs=8, the student of any with epochs=3" in line
    assert list(differences(BASELINE, optim(distill(start="teacher")), longer)) == []
    (line,) = differences(BASELINE, optim(LoadCheckpoint("load_checkpoint", "DIR")), TINY)
    assert line == "any starts from checkpoint=DIR, the baseline baseline does not"


def test_steps_that_make_a_classifier_go_first(compose: Callable[..., Config]) -> None:
    load = ["+step@optim.steps.load=load_checkpoint", "optim.steps.load.checkpoint=DIR"]
    config = compose("optim=baseline_onnx_int8", *load, "~optim.steps.finetune")
    assert list(config.optim.steps) == ["load", "export", "quantize"]
    with pytest.raises(ConfigError, match=r"as finetune before it does.*remove that one with '~optim\.steps\.finetune'"):
        run(compose("optim=baseline_onnx_int8", *load))
