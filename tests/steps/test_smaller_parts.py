"""Fewer word pieces and matrices of low rank: the parts, and the steps on a real network."""

from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models
from torch import nn

from pipeline.errors import ConfigError, OptimizationError
from pipeline.models.low_rank import factorize
from pipeline.models.vocabulary import select_pieces, trim_tokenizer
from pipeline.runtimes.base import load
from pipeline.runtimes.torch import read, read_tokenizer
from pipeline.steps.low_rank import LowRank
from tests.conftest import Carried

pytestmark = pytest.mark.slow

TEXTS = ["rain tomorrow", "how cold is it", "zebra?"]


@pytest.fixture
def tokenizer(carried: Carried) -> Any:
    made, _ = carried()
    return Tokenizer.from_file(str(made.artifact / "tokenizer.json"))


@pytest.mark.parametrize("module", [nn.Embedding(40, 24, padding_idx=0), nn.Linear(24, 40), nn.Linear(40, 24, bias=False)])
def test_a_factored_layer_is_the_best_of_its_rank_and_exact_where_the_matrix_has_that_rank(module: Any) -> None:
    torch.manual_seed(0)
    rows, columns = module.weight.shape
    with torch.no_grad():
        module.weight.copy_(torch.randn(rows, 5) @ torch.randn(5, columns))
    inputs = torch.randint(rows, (7,)) if isinstance(module, nn.Embedding) else torch.randn(7, columns)
    exact = factorize(module, 5)
    assert torch.allclose(exact(inputs), module(inputs), atol=1e-4)
    assert sum(p.numel() for p in exact.parameters()) < sum(p.numel() for p in module.parameters())
    rough = factorize(module, 3)
    first, second = (rough[i].get_parameter("weight") for i in (0, 1))
    product = first @ second.T if isinstance(module, nn.Embedding) else second @ first
    expected = torch.linalg.svdvals(module.weight)[3:].square().sum().sqrt()  # Eckart and Young
    assert torch.linalg.norm(product - module.weight).item() == pytest.approx(expected.item(), rel=1e-3)


def test_a_rank_that_saves_nothing_is_one_line() -> None:
    with pytest.raises(OptimizationError, match="rank 15 does not make a matrix of 40 x 24 smaller; use at most 14"):
        factorize(nn.Linear(24, 40), 15)


def test_a_low_rank_network_is_stored_and_read_back_runs_in_every_runtime_and_is_trained_on(carried: Carried) -> None:
    steps = ["+step@optim.steps.low=low_rank", "optim.steps.low.embeddings=8", "optim.steps.low.feed_forward=8"]
    made, _ = carried(*steps)
    model = read(made.artifact)
    assert model.base_model.get_input_embeddings()[0].weight.shape == (model.config.vocab_size, 8)
    assert 0 < made.metrics["low_rank/parameters_kept"] < 1
    torch_logits = load(made.artifact, 1).logits(TEXTS)
    exported, _ = carried(*steps, "+step@optim.steps.export=export_onnx", "+step@optim.steps.int8=quantize_onnx_dynamic")
    assert np.allclose(load(exported.stages[-2].artifact, 1).logits(TEXTS), torch_logits, atol=1e-4)
    assert load(exported.artifact, 1).logits(TEXTS).shape == torch_logits.shape
    with pytest.raises(OptimizationError, match="feed-forward matrices are factorized already"):
        LowRank("low_rank", embeddings=None, feed_forward=4)._factorize(model, factorize)
    again, _ = carried(
        *steps,
        "+step@optim.steps.again=recovery_distillation",
        "optim.steps.again.epochs=1",
        "backbone.teacher.finetune.epochs=1",
    )
    assert read(again.artifact).base_model.get_input_embeddings()[0].weight.shape == (model.config.vocab_size, 8)
    assert not np.allclose(load(again.artifact, 1).logits(TEXTS), torch_logits) and len(list(again.curves.values())[-1]) == 1


def test_low_rank_with_nothing_to_do_is_refused() -> None:
    with pytest.raises(ConfigError, match="changes nothing"):
        LowRank("low_rank", embeddings=None)


def test_a_trimmed_tokenizer_knows_the_training_texts_as_before_and_spells_out_what_it_lost(tokenizer: Any) -> None:
    bert = Tokenizer(
        models.WordPiece(
            {
                piece: i
                for i, piece in enumerate(["[UNK]", "[PAD]", "cod", "rain", "cold", "##od", "c", "##o", "##l", "##d"])
            },
            unk_token="[UNK]",
        )
    )
    bert.add_special_tokens(["[UNK]", "[PAD]"])
    from tokenizers.pre_tokenizers import Whitespace

    bert.pre_tokenizer = Whitespace()
    kept = select_pieces(bert, ["rain"], 1).ids
    after = trim_tokenizer(bert, kept)
    assert after.get_vocab() == {"[UNK]": 0, "[PAD]": 1, "rain": 2, "c": 3, "##o": 4, "##l": 5, "##d": 6}
    assert after.encode("rain cold").tokens == ["rain", "c", "##o", "##l", "##d"]
    assert bert.encode("rain cold").tokens == ["rain", "cold"]
    more = [bert.id_to_token(id) for id in select_pieces(bert, ["rain"], 8).ids]
    assert more == ["[UNK]", "[PAD]", "cod", "rain", "c", "##o", "##l", "##d"]  # and the most frequent one
    same = trim_tokenizer(tokenizer, range(tokenizer.get_vocab_size()))
    assert same.encode("rain tomorrow").ids == tokenizer.encode("rain tomorrow").ids


def test_pieces_that_are_reserved_and_in_no_text_take_no_room() -> None:
    pieces = ["[UNK]", "[unused0]", "[unused1]", "aa", "a", "##a", "##aa"]
    bert = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="[UNK]"))
    bert.add_special_tokens(["[UNK]"])
    assert [bert.id_to_token(id) for id in select_pieces(bert, [], 4).ids] == ["[UNK]", "aa", "a", "##a"]


@pytest.mark.parametrize("pooling", ["first", "mean"])
def test_a_trimmed_network_says_the_same_of_texts_whose_pieces_are_all_there(carried: Carried, pooling: str) -> None:
    pooled = f"backbone.teacher.pooling={pooling}"
    before, context = carried(pooled)
    model = read(before.artifact)
    tokenizer = Tokenizer.from_file(str(before.artifact / "tokenizer.json"))
    made, _ = carried(pooled, "+step@optim.steps.trim=trim_vocabulary", "optim.steps.trim.vocab_size=1")
    smaller = read(made.artifact)
    words = smaller.base_model.get_input_embeddings().weight
    assert len(words) == made.metrics["trim/pieces"] <= tokenizer.get_vocab_size()
    assert smaller.config.max_position_embeddings == context.backbone.max_length < model.config.max_position_embeddings
    texts = list(context.splits.test["text"])
    assert made.metrics["trim/tokenized_as_before"] == 1.0
    assert np.allclose(load(made.artifact, 1).logits(texts), load(before.artifact, 1).logits(texts), atol=1e-5)
    encoded = read_tokenizer(made.artifact)(texts[:3], padding=True, return_tensors="pt")  # as training takes them
    with torch.no_grad():
        assert np.allclose(
            smaller(input_ids=encoded["input_ids"], attention_mask=encoded["attention_mask"]).logits.numpy(),
            load(made.artifact, 1).logits(texts[:3]),
            atol=1e-5,
        )
