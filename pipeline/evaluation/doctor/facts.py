"""What is known about a classifier, as plain values. The findings depend on nothing else."""

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
    """A matrix product with weights, as the runtime computes it; products of activations only do not count."""

    name: str
    elements: int  # of the matrix: multiplications per token
    zeros: int | None  # elements that are zero; None where the format's zero point is not 0
    quantized: bool  # multiplied in int8


@dataclass(frozen=True)
class Network:
    """The network that a runtime runs."""

    products: tuple[Product, ...]
    layers: int  # counted by names; 0: the names show none
    operators: dict[str, int] | None  # number of operators of the graph that runs, by type; None: the runtime has no graph

    @property
    def quantized_share(self) -> float:
        """Share of the multiplications with weights that are int8, 0 to 1."""
        everything = sum(product.elements for product in self.products)
        return sum(product.elements for product in self.products if product.quantized) / everything if everything else 0.0

    @property
    def zeros_share(self) -> float | None:
        """Share of the weights in matrices that are zero, 0 to 1, where known; None if it is unknown for all."""
        known = [(product.zeros, product.elements) for product in self.products if product.zeros is not None]
        return sum(zeros for zeros, _ in known) / sum(elements for _, elements in known) if known else None


@dataclass(frozen=True)
class Operators:
    """The time by operator, from the runtime's profiler."""

    shares: dict[str, float]  # operator type -> share of all operators' own time, the largest first
    calls_per_text: float  # operators that run for one text

    @classmethod
    def of(cls, spent: dict[str, float], calls: int, texts: int) -> "Operators":
        """From the time of each operator (in any unit) and the total number of calls."""
        everything = sum(spent.values())
        ranked = sorted(spent.items(), key=lambda item: (-item[1], item[0]))
        return cls({name: time / everything for name, time in ranked}, calls / texts)

    @property
    def matrix(self) -> float:
        """Share of the operators that multiply matrices."""
        return sum(share for name, share in self.shares.items() if name in MATRIX)

    @property
    def int8(self) -> float:
        """Share of the operators that multiply matrices in int8."""
        return sum(share for name, share in self.shares.items() if name in INT8)


@dataclass(frozen=True)
class Facts:
    """Everything that the findings depend on."""

    runtime: str
    network: Network | None  # None: unknown, see `no_profile_reason`
    operators: Operators | None  # None: unknown, see `no_profile_reason`
    tokenization: float  # share of a call, 0 to 1
    sizes: dict[str, int]  # part -> bytes on disk, see `pipeline.evaluation.doctor.parts`
    threads: int
    cores: int  # that this process may use
    quota_cores: float | None  # CPU quota in cores; None: no quota, or unknown
    int8: Int8Support
    flags: frozenset[str]  # of the processor
    features: frozenset[str] = frozenset()  # what the classifier computes with, see `Runtime.processor_features`
    profiler: str | None = "onnx"  # see `Runtime.profiler`
    no_profile_reason: str = ""  # see `Runtime.no_profile_reason`
    int8_for: str | None = None  # see `Description.int8_for`
    int8_bits: int | None = None  # see `Description.int8_bits`
    int8_here: str = ""  # what `Description.int8_for` would say if it were made here

    def share_of_call(self, share_of_operators: float) -> float:
        """A share of the operators' time as a share of a whole call, tokenization included."""
        return share_of_operators * (1 - self.tokenization)


def count_layers(names: Iterable[str]) -> int:
    """The number of layers of a network, by the names of its parts ("...layer.0...")."""
    return len({found[1] for name in names if (found := re.search(r"\blayers?[./](\d+)\b", name))})
