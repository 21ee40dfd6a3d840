"""What is known of a classifier, as plain metrics: the findings follow from these alone."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.system.cpu import Int8Support

INT8 = {
    "MatMulInteger", "DynamicQuantizeMatMul", "MatMulIntegerToFloat", "QAttention", "QGemm", "QLinearMatMul",
    "quantized::linear_dynamic", "FullyConnected int8", "FullyConnectedQuantizedLegacy int8", "MatMul int8",
}  # fmt: skip
MATRIX = INT8 | {
    "MatMul", "Gemm", "FusedMatMul", "FusedGemm", "Attention", "MultiHeadAttention",
    "aten::addmm", "aten::mm", "aten::bmm", "aten::baddbmm", "aten::_scaled_dot_product_flash_attention_for_cpu",
    "FullyConnected", "ScaledDotProductAttention", "ScaledDotProductAttentionWithKVCache",
}  # fmt: skip  # operators of ONNX Runtime, of torch and of OpenVINO


@dataclass(frozen=True)
class Product:
    """A product with a matrix of weights, as the runtime carries it out; those of activations with each other have none."""

    name: str
    elements: int  # of the matrix: multiplications a token
    zeros: int | None  # among them; None where a stored zero is not 0
    quantized: bool  # multiplied in int8


@dataclass(frozen=True)
class Network:
    """What a runtime carries out."""

    products: tuple[Product, ...]
    layers: int  # by the names of their parts; 0: they have no such names
    operators: dict[str, int] | None  # of the graph that runs, by type; None: the runtime has no graph

    @property
    def quantized_share(self) -> float:
        """Share of the multiplications with weights that are int8, 0 to 1."""
        everything = sum(product.elements for product in self.products)
        return sum(product.elements for product in self.products if product.quantized) / everything if everything else 0.0

    @property
    def zeros_share(self) -> float | None:
        """Share of the weights in matrices that are zero, 0 to 1, as far as it is known; None where it is not at all."""
        known = [(product.zeros, product.elements) for product in self.products if product.zeros is not None]
        return sum(zeros for zeros, _ in known) / sum(elements for _, elements in known) if known else None


@dataclass(frozen=True)
class Operators:
    """Where the runtime's own profiler saw time go."""

    shares: dict[str, float]  # operator type -> share of all operators' own time, the largest first
    calls_per_text: float  # operators carried out for one text

    @classmethod
    def of(cls, spent: dict[str, float], calls: int, texts: int) -> "Operators":
        """From the time (of any unit) and number of calls in all."""
        everything = sum(spent.values())
        ranked = sorted(spent.items(), key=lambda item: (-item[1], item[0]))
        return cls({name: time / everything for name, time in ranked}, calls / texts)

    @property
    def matrix(self) -> float:
        """Share of operators that multiply matrices."""
        return sum(share for name, share in self.shares.items() if name in MATRIX)

    @property
    def int8(self) -> float:
        """Share of those among them that multiply in int8."""
        return sum(share for name, share in self.shares.items() if name in INT8)


@dataclass(frozen=True)
class Facts:
    """Everything the findings follow from."""

    runtime: str
    network: Network | None  # None: it can't be seen, `no_profile_reason` says why
    operators: Operators | None  # the same
    tokenization: float  # share of a call, 0 to 1
    sizes: dict[str, int]  # part -> bytes on disk, see `pipeline.evaluation.doctor.parts`
    threads: int
    cores: int  # that this process may use
    quota_cores: float | None  # cores' worth of time; None: no quota, or none is told
    int8: Int8Support
    flags: frozenset[str]  # of the processor
    features: frozenset[str] = frozenset()  # what the classifier computes with, see `Runtime.processor_features`
    profiler: str | None = "onnx"  # see `Runtime.profiler`
    no_profile_reason: str = ""  # a sentence

    def of_a_call(self, share_of_operators: float) -> float:
        """A share of the operators' time as a share of a whole call, tokenization included."""
        return share_of_operators * (1 - self.tokenization)


def count_layers(names: Iterable[str]) -> int:
    """The number of layers of a network, by the names of its parts ("...layer.0...")."""
    return len({found[1] for name in names if (found := re.search(r"\blayers?[./](\d+)\b", name))})
