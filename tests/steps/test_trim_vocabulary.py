"""A smaller vocabulary for each family: the network answers as before where no piece was removed, also in transformers."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from datasets import ClassLabel, Dataset, Features, Value

from pipeline.config import Backbone
from pipeline.data.splits import Splits
from pipeline.errors import OptimizationError
from pipeline.models.embeddings import require_shrinkable, word_tables
from pipeline.models.low_rank import factorize
from pipeline.models.outline import Outline
from pipeline.models.positions import max_tokens
from pipeline.models.static_embeddings import word_piece_vectors
from pipeline.runtimes.base import Description, load
from pipeline.runtimes.torch import read, read_tokenizer, save
from pipeline.steps.base import Context
from pipeline.steps.trim_vocabulary import TrimVocabulary
from tests.support.families import LABELS, SHAPE
from tests.support.vocabularies import MADE, OTHERS, PLACES, TRAINING, finished

pytestmark = pytest.mark.slow

LONG = 40  # positions
OFFSET = {"max_position_embeddings": LONG + 2, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
WORDS = {"max_position_embeddings": LONG, "pad_token_id": 0}
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("WordPiece", WORDS),
    "electra": ("WordPiece", WORDS | {"embedding_size": 16}),
    "roberta": ("BPE", OFFSET),
    "deberta": ("BPE", OFFSET | {"max_position_embeddings": LONG}),
    "modernbert": ("BPE", OFFSET | {"max_position_embeddings": LONG, "cls_token_id": 0, "sep_token_id": 2}),
    "xlm-roberta": ("Unigram", OFFSET),
    "albert": ("Unigram", WORDS | {"embedding_size": 16, "pad_token_id": 1}),
    "deberta-v2": ("Unigram", {
        "max_position_embeddings": LONG, "pad_token_id": 1, "relative_attention": True, "position_biased_input": False,
        "pos_att_type": ["p2c", "c2p"], "type_vocab_size": 0,
    }),
    "multilingual": ("Unigram", WORDS | {"pad_token_id": 1}),  # a BERT with XLM-R's pieces
}  # fmt: skip


@pytest.fixture(scope="module")
def context() -> Context:
    features = Features({"text": Value("large_string"), "label": ClassLabel(names=LABELS)})
    split = Dataset.from_dict({"text": TRAINING, "label": [i % 3 for i in range(len(TRAINING))]}, features)
    return Context(Splits(split, split, split, tuple(LABELS), None, "hash"), Backbone("x", max_length=PLACES), 0)


def artifact_of(family: str, folder: Path) -> Path:
    """An artifact of a fine-tuned network with random weights; its tokenizer is of the kind that the family has."""
    kind, settings = FAMILIES[family]
    made = finished(MADE[kind](), PLACES)
    config = transformers.AutoConfig.for_model(
        "bert" if family == "multilingual" else family, **SHAPE | {"vocab_size": made.get_vocab_size() + 3} | settings
    )
    torch.manual_seed(0)
    model = transformers.AutoModelForSequenceClassification.from_config(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    names = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    if kind != "WordPiece":
        names = {"unk_token": "<unk>", "pad_token": "<pad>", "cls_token": "<s>", "sep_token": "</s>"}
    folder.mkdir()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, model_input_names=["input_ids", "attention_mask"], **names
    )
    model.config.pad_token_id = tokenizer.pad_token_id
    save(model, tokenizer, Description("torch", LABELS, PLACES), folder)
    return folder


@pytest.mark.parametrize("family", FAMILIES)
def test_a_trimmed_network_of_each_family_answers_as_before(family: str, tmp_path: Path, context: Context) -> None:
    source, trimmed = artifact_of(family, tmp_path / "source"), tmp_path / "trimmed"
    trimmed.mkdir()
    step = TrimVocabulary("trim_vocabulary", vocab_size=1)
    before, tokenizer = read(source), read_tokenizer(source)
    outline = Outline("torch", before.to("meta"), tokenizer)
    assert step.check(context, outline, {}) is outline
    metrics = step.make(replace(context, source=source), trimmed, tmp_path)["metrics"]
    after = read(trimmed)
    assert metrics["trim/tokenized_as_before"] == metrics["trim/train_tokenized_as_before"] == 1
    assert after.get_input_embeddings().num_embeddings == metrics["trim/pieces"] == after.config.vocab_size < len(tokenizer)
    assert after.config.pad_token_id == Description.read(trimmed).pad_id
    assert max_tokens(after) == (LONG if family in ("modernbert", "deberta-v2") else PLACES)
    expected = load(source, 1).logits(TRAINING)
    np.testing.assert_allclose(load(trimmed, 1).logits(TRAINING), expected, atol=2e-5)
    assert not np.allclose(load(trimmed, 1).logits(OTHERS), load(source, 1).logits(OTHERS), atol=1e-3)
    pipe: Any = transformers.pipeline("text-classification", model=str(trimmed), top_k=None)
    assert [each[0]["label"] for each in pipe(TRAINING[:9], truncation=True)] == [LABELS[i] for i in expected[:9].argmax(1)]
    vectors = word_piece_vectors(after, read_tokenizer(trimmed), 8)
    assert vectors.shape == (metrics["trim/pieces"], 8) and np.isfinite(vectors).all()


def test_what_the_texts_need_beyond_the_size_is_told(
    tmp_path: Path, context: Context, caplog: pytest.LogCaptureFixture
) -> None:
    source, trimmed = artifact_of("xlm-roberta", tmp_path / "source"), tmp_path / "trimmed"
    trimmed.mkdir()
    with caplog.at_level("INFO"):
        TrimVocabulary("trim_vocabulary", vocab_size=9).make(replace(context, source=source), trimmed, tmp_path)
    assert "vocab_size=9: the training texts, and what spells any other word, need " in caplog.text
    assert "warning" not in caplog.text


def test_a_table_under_several_names_and_one_in_two_factors_are_found(tmp_path: Path) -> None:
    model = read(artifact_of("bert", tmp_path / "source"))
    [name] = word_tables(model)
    tied = torch.nn.Linear(32, 9, bias=False)
    tied.weight = model.get_parameter(name)
    model.bert.encoder.tied = tied
    assert word_tables(model) == [name, "bert.encoder.tied.weight"]
    del model.bert.encoder.tied
    model.bert.embeddings.word_embeddings = factorize(model.get_input_embeddings(), 4)
    assert word_tables(model) == ["bert.embeddings.word_embeddings.0.weight"]
    model.bert.embeddings.word_embeddings = torch.nn.Identity()
    with pytest.raises(OptimizationError, match="'bert' has no table of word embeddings"):
        require_shrinkable(model, 8)
