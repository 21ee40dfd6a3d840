"""Tiny networks with random weights, and tokenizers, of several families; made from their configuration, offline."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

LABELS = ["a", "b", "c"]
TEXTS = ["rain tomorrow", "Play a song, please!", "order a pizza", "is it cold?", "naïve café", "stop the music now"]
POSITIONS = 20  # tokens
SHAPE = {
    "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 64, "vocab_size": 140,
    "id2label": dict(enumerate(LABELS)), "label2id": {label: i for i, label in enumerate(LABELS)},
}  # fmt: skip
OFFSET = {"max_position_embeddings": POSITIONS + 2, "pad_token_id": 1}
DISENTANGLED = {"relative_attention": True, "pos_att_type": ["c2p", "p2c"], "position_biased_input": False}
BERT_SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
ROBERTA_SPECIALS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
MPNET_SPECIALS = ["<s>", "<pad>", "</s>", "[UNK]", "<mask>"]


ALIKE = ("electra", "ernie", "megatron-bert", "rembert", "camembert", "data2vec-text", "gte")  # built like another family


def word_pieces(specials: list[str]) -> dict[str, int]:
    """A vocabulary for WordPiece; all characters of the texts are in it."""
    made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.train_from_iterator(TEXTS, trainers.WordPieceTrainer(vocab_size=130, special_tokens=specials))
    return dict(made.get_vocab())


def bytes_pairs() -> dict[str, Any]:
    """Vocabulary and merges for byte-level BPE."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(
        TEXTS, trainers.BpeTrainer(vocab_size=300, special_tokens=ROBERTA_SPECIALS, initial_alphabet=alphabet)
    )
    model = json.loads(made.to_str())["model"]
    return {"vocab": model["vocab"], "merges": [tuple(pair) for pair in model["merges"]]}


def unigrams(specials: list[str]) -> list[tuple[str, float]]:
    """A vocabulary for Unigram."""
    made = Tokenizer(models.Unigram())
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.train_from_iterator(TEXTS, trainers.UnigramTrainer(vocab_size=100, special_tokens=specials, unk_token="<unk>"))
    return [(piece, score) for piece, score in json.loads(made.to_str())["model"]["vocab"]]


def modern_tokenizer(**more: Any) -> Any:
    """ModernBERT's kind: byte-level BPE with the special tokens of BERT."""
    pairs = bytes_pairs()
    made = Tokenizer(models.BPE(pairs["vocab"], pairs["merges"]))
    made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    ends = [(token, pairs["vocab"][token]) for token in ("<s>", "</s>")]
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=ends
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", unk_token="<unk>", cls_token="<s>", sep_token="</s>", mask_token="<mask>",
        model_input_names=["input_ids", "attention_mask"], **more,
    )  # fmt: skip


TOKENIZERS: dict[str, Callable[..., Any]] = {
    "bert": lambda **more: transformers.BertTokenizer(vocab=word_pieces(BERT_SPECIALS), **more),
    "mpnet": lambda **more: transformers.MPNetTokenizer(vocab=word_pieces(MPNET_SPECIALS), **more),
    "roberta": lambda **more: transformers.RobertaTokenizer(**bytes_pairs(), **more),
    "xlm-roberta": lambda **more: transformers.XLMRobertaTokenizer(vocab=unigrams(ROBERTA_SPECIALS), **more),
    "albert": lambda **more: transformers.AlbertTokenizer(
        vocab=unigrams(["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"]), **more
    ),
    "deberta-v2": lambda **more: transformers.DebertaV2Tokenizer(
        vocab=unigrams(["[PAD]", "[CLS]", "[SEP]", "<unk>", "[MASK]"]), unk_token="<unk>", **more
    ),
    "distilbert": lambda **more: TOKENIZERS["bert"](**more),
    "electra": lambda **more: TOKENIZERS["bert"](**more),
    "ernie": lambda **more: TOKENIZERS["bert"](**more),
    "megatron-bert": lambda **more: TOKENIZERS["bert"](**more),
    "rembert": lambda **more: TOKENIZERS["bert"](**more),
    "data2vec-text": lambda **more: TOKENIZERS["roberta"](**more),
    "roformer": lambda **more: TOKENIZERS["bert"](**more),
    "nomic_bert": lambda **more: TOKENIZERS["bert"](**more),
    "camembert": lambda **more: transformers.CamembertTokenizer(vocab=unigrams(ROBERTA_SPECIALS), **more),
    "gte": lambda **more: TOKENIZERS["xlm-roberta"](**more),
    "deberta": lambda **more: transformers.DebertaTokenizer(
        **bytes_pairs(),
        pad_token="<pad>",
        unk_token="<unk>",
        cls_token="<s>",
        sep_token="</s>",
        mask_token="<mask>",
        bos_token="<s>",
        eos_token="</s>",
        **more,
    ),
    "modernbert": lambda **more: modern_tokenizer(**more),
    "gpt2": lambda **more: transformers.GPT2Tokenizer(
        **bytes_pairs(), pad_token="<pad>", unk_token="<unk>", bos_token="<s>", eos_token="</s>", **more
    ),
}
SETTINGS: dict[str, dict[str, Any]] = {
    "bert": {"max_position_embeddings": POSITIONS},
    "mpnet": OFFSET,
    "roberta": OFFSET | {"vocab_size": 300},
    "xlm-roberta": OFFSET,
    "albert": {"max_position_embeddings": POSITIONS, "embedding_size": 16, "hidden_act": "gelu"},
    "deberta-v2": DISENTANGLED
    | {  # as v3 has it
        "max_position_embeddings": POSITIONS,
        "position_buckets": 8,
        "share_att_key": True,
        "norm_rel_ebd": "layer_norm",
        "type_vocab_size": 0,
    },
    "distilbert": {"max_position_embeddings": POSITIONS, "hidden_dim": 64},
    "electra": {"max_position_embeddings": POSITIONS, "embedding_size": 16},
    "camembert": OFFSET,
    "ernie": {"max_position_embeddings": POSITIONS},
    "megatron-bert": {"max_position_embeddings": POSITIONS},
    "rembert": {"max_position_embeddings": POSITIONS, "input_embedding_size": 16},
    "data2vec-text": OFFSET | {"vocab_size": 300},
    "roformer": {"max_position_embeddings": POSITIONS, "embedding_size": 16},
    "deberta": DISENTANGLED
    | {"max_position_embeddings": POSITIONS, "vocab_size": 300, "pad_token_id": 1, "type_vocab_size": 0},
    "modernbert": {
        "max_position_embeddings": POSITIONS,
        "vocab_size": 300,
        "pad_token_id": 1,
        "bos_token_id": 0,
        "eos_token_id": 2,
        "cls_token_id": 0,
        "sep_token_id": 2,
        "local_attention": 8,
    },
    "nomic_bert": {"max_position_embeddings": POSITIONS},
    "gte": {"max_position_embeddings": POSITIONS, "pad_token_id": 1},
    "gpt2": {"max_position_embeddings": POSITIONS, "vocab_size": 300, "pad_token_id": 1},
}


def network(family: str, seed: int = 0, **changes: Any) -> Any:
    """A classifier with random weights, in eval mode; no two parameters are equal, as after training."""
    config = transformers.AutoConfig.for_model(family, **SHAPE | SETTINGS[family] | changes)
    torch.manual_seed(seed)
    model = transformers.AutoModelForSequenceClassification.from_config(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return model


def checkpoint_of(family: str, directory: Path, tokenizer: dict[str, Any] | None = None, **changes: Any) -> Path:
    """The directory of a checkpoint, as a user may have one."""
    network(family, **changes).save_pretrained(directory)
    TOKENIZERS[family](**tokenizer or {}).save_pretrained(directory)
    return directory
