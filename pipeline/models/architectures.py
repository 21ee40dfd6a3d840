"""The table of architectures: where an encoder of each family has its layers, heads, neurons, positions and pooler.

Students, pruning, low rank, mean pooling and the fusion of ONNX graphs read it; `layers.py` finds the parts in a network.
A family that is not in it still gets everything that looks at inputs and outputs only (`ANY_NETWORK`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

ANY_NETWORK = "fine-tuning, int8, ONNX, OpenVINO, calibration, static vectors, tf-idf and cascades work with any"
BEHIND_PADDING = "absolute, from behind the padding token's number"


@dataclass(frozen=True)
class Rows:
    """Outputs of a matrix, or values of a vector, that belong to heads or neurons."""

    name: str  # a module or a parameter, relative to the layer; a network may lack it
    copies: int = 1  # 3: queries, keys and values in one matrix; 2: neurons and their gates
    together: bool = False  # the copies of a head lie beside each other; False: first one copy of all heads, then the next


@dataclass(frozen=True)
class Architecture:
    """A family of encoders. Names of parts are relative to a layer, all other names to the encoder."""

    layers: str  # the list of layers
    heads: tuple[Rows, ...]  # outputs are heads: queries, keys, values, one after the other or in one; then others
    mixed: str  # its inputs are the outputs of all heads
    neurons: tuple[Rows, ...]  # outputs are the neurons of the feed-forward part, and their gates
    outer: str  # its inputs are the neurons
    attention: str  # the attention module
    vocabulary: str  # kind of tokenizer that it is published with
    positions: str = "absolute"  # how a token's place is told; `positions.py` finds the table in a network
    head_size: str = "attention_head_size"  # attribute of the attention module: outputs of one head
    counts: tuple[str, str] | None = ("num_attention_heads", "all_head_size")  # its attributes: heads, and their total width
    head_bias: bool = False  # one bias for each pair of positions and head, made once for all layers
    mixing: str = ""  # setting of the configuration with which heads are mixed, so that none can be removed
    shared: bool = False  # all layers are one, run several times
    per_layer: tuple[str, ...] = ()  # settings of the configuration with one entry a layer
    first_norm: str = ""  # a norm that the first layer does not have, before its first matrix
    averaged: str | None = "encoder"  # what gives hidden states to the head; None: the pooler takes all of them
    left_out: tuple[str, ...] = ("pooler",)  # with mean pooling
    pooling_setting: str = ""  # setting of the configuration with which transformers itself averages tokens
    fusion: str | None = "bert"  # kind of graph for ONNX Runtime's optimizer; None: graphs are not fused


def _rows(*names: str) -> tuple[Rows, ...]:
    return tuple(map(Rows, names))


WORD_PIECE, BYTES, UNIGRAM = "WordPiece", "byte-level BPE", "Unigram"
BERT = Architecture(
    "encoder.layer",
    heads=_rows("attention.self.query", "attention.self.key", "attention.self.value"), mixed="attention.output.dense",
    neurons=_rows("intermediate.dense"), outer="output.dense", attention="attention.self", vocabulary=WORD_PIECE,
)  # fmt: skip
DISTILBERT = replace(
    BERT, layers="transformer.layer",
    heads=_rows("attention.q_lin", "attention.k_lin", "attention.v_lin"), mixed="attention.out_lin",
    neurons=_rows("ffn.lin1"), outer="ffn.lin2", attention="attention", counts=("n_heads", "dim"), averaged="transformer",
)  # fmt: skip
ROBERTA = replace(BERT, vocabulary=BYTES, positions=BEHIND_PADDING)
ALBERT = replace(
    BERT, layers="encoder.albert_layer_groups.0.albert_layers", shared=True,
    heads=_rows("attention.query", "attention.key", "attention.value"), mixed="attention.dense",
    neurons=_rows("ffn"), outer="ffn_output", attention="attention",
    left_out=("pooler", "pooler_activation"), vocabulary=UNIGRAM,
)  # fmt: skip
MPNET = replace(
    BERT, heads=_rows("attention.attn.q", "attention.attn.k", "attention.attn.v"), mixed="attention.attn.o",
    attention="attention.attn", positions=f"{BEHIND_PADDING}, and relative", head_bias=True,
)  # fmt: skip
DEBERTA = replace(
    BERT,
    heads=(
        Rows("attention.self.in_proj", copies=3, together=True),
        *_rows("attention.self.q_bias", "attention.self.v_bias", "attention.self.pos_proj", "attention.self.pos_q_proj"),
    ),
    mixing="talking_head", averaged="", vocabulary=BYTES, positions="relative",
)  # fmt: skip
DEBERTA_V2 = replace(
    BERT,
    heads=_rows(*(f"attention.self.{part}_proj" for part in ("query", "key", "value", "pos_key", "pos_query"))),
    averaged="", vocabulary=UNIGRAM, positions="relative",
)  # fmt: skip
MODERNBERT = Architecture(
    "layers", heads=(Rows("attn.Wqkv", copies=3),), mixed="attn.Wo", neurons=(Rows("mlp.Wi", copies=2),), outer="mlp.Wo",
    attention="attn", head_size="head_dim", counts=None, per_layer=("layer_types",), first_norm="attn_norm",
    pooling_setting="classifier_pooling", vocabulary=BYTES, positions="rotary",
)  # fmt: skip
NOMIC = Architecture(
    "layers", heads=_rows(*(f"self_attn.{part}_proj" for part in "qkv")), mixed="self_attn.o_proj",
    neurons=_rows("mlp.gate_proj", "mlp.up_proj"), outer="mlp.down_proj", attention="self_attn", head_size="head_dim",
    counts=None, averaged=None, vocabulary=WORD_PIECE, positions="rotary",
)  # fmt: skip

ARCHITECTURES: Mapping[str, Architecture] = {  # by `config.model_type`
    "bert": BERT,
    "distilbert": DISTILBERT,
    "electra": BERT,
    "ernie": BERT,
    "megatron-bert": BERT,
    "rembert": replace(BERT, vocabulary=UNIGRAM),
    "roberta": ROBERTA,
    "xlm-roberta": replace(ROBERTA, vocabulary=UNIGRAM),
    "camembert": replace(ROBERTA, vocabulary=UNIGRAM),
    "data2vec-text": ROBERTA,
    "albert": ALBERT,
    "mpnet": MPNET,
    "deberta": DEBERTA,
    "deberta-v2": DEBERTA_V2,  # v3 too
    "modernbert": MODERNBERT,
    "nomic_bert": NOMIC,
    "gte": replace(NOMIC, vocabulary=UNIGRAM),
}


def architecture_of(config: Any) -> Architecture | None:
    """The row of a network, by its transformers configuration; None where there is none."""
    return ARCHITECTURES.get(getattr(config, "model_type", ""))


def unknown(config: Any) -> str:
    """What a message says of a network that is not in the table."""
    kind = getattr(config, "model_type", "?")
    return f"where a network of type {kind!r} has its layers is not known, only of {', '.join(ARCHITECTURES)}; {ANY_NETWORK}"
