"""The doctor's findings follow from facts alone: their level, their share of a call, their order."""

from dataclasses import replace
from typing import Any

import pytest

from pipeline.evaluation.doctor.facts import MATRIX, Facts, Network, Operators, Product
from pipeline.evaluation.doctor.finding import Level
from pipeline.evaluation.doctor.findings import findings
from pipeline.system.cpu import Int8Support

FAST, SLOW = Int8Support(True, False, "the processor has VNNI"), Int8Support(False, True, "the processor lacks VNNI")
NETWORK = Network((Product("a", 90, 0, True), Product("b", 10, 0, True)), 1, {"QAttention": 1, "SkipLayerNormalization": 2})
FACTS = Facts(
    "onnx", NETWORK, Operators({"QAttention": 0.8, "Cast": 0.2}, 9), 0.1, {"embeddings": 1, "attention": 9}, threads=1,
    cores=1, quota_cores=None, int8=FAST, flags=frozenset(),
)  # fmt: skip
AVX2: dict[str, Any] = {"int8": SLOW, "int8_for": "none for int8", "int8_here": "none for int8", "int8_bits": 7}
FP32 = replace(NETWORK, products=(Product("a", 100, 0, False),))


@pytest.mark.parametrize(
    ("changes", "title", "level", "share"),
    [
        ({}, "Every matrix product is int8", Level.OK, 0),
        ({}, "The processor has instructions for int8", Level.OK, 0),
        ({"int8": SLOW}, "The processor has no fast instructions for int8", Level.PROBLEM, 0.9 * 0.8),
        (AVX2, "It was quantized for this kind of processor", Level.OK, 0),
        (AVX2 | {"int8_bits": 8}, "Its int8 weights need another processor", Level.PROBLEM, 1),
        (AVX2 | {"int8_here": "VNNI"}, "It was quantized on another kind of processor", Level.HINT, 0),
        (AVX2 | {"int8": FAST}, "Its int8 weights have a reduced range", Level.HINT, 0),
        ({"network": FP32, "flags": frozenset({"amx_bf16"})}, "Faster instructions are not used", Level.HINT, 0),
        (
            {"network": FP32, "flags": frozenset({"bf16"}), "features": frozenset({"bfloat16"})},
            "The processor has instructions for bfloat16",
            Level.OK,
            0,
        ),
        (
            {"network": FP32, "features": frozenset({"bfloat16"})},
            "The processor has no instructions for bfloat16",
            Level.PROBLEM,
            0,
        ),
        ({}, "There are as many threads as usable cores", Level.OK, 0),
        ({"cores": 4}, "Not all cores are used", Level.HINT, 0),
        ({"cores": 4, "threads": 8}, "There are more threads than cores", Level.PROBLEM, 1),
        ({"cores": 4, "threads": 4, "quota_cores": 1.5}, "There are more threads than cores", Level.PROBLEM, 1),
        ({"cores": 4, "quota_cores": 0.25}, "The quota is below one core", Level.PROBLEM, 0.75),
        ({"tokenization": 0.5}, "Tokenization is a large part of a call", Level.HINT, 0.5),
        ({"sizes": {"embeddings": 6, "attention": 4}}, "Embeddings are most of the size", Level.HINT, 0),
        ({"sizes": {"embeddings": 45, "attention": 55}}, "Embeddings are a large part of the size", Level.HINT, 0),
        (
            {"sizes": {"embeddings": 3, "attention": 3, "tokenizer": 4}},
            "The embeddings are a small part of the size",
            Level.OK,
            0,
        ),
    ],
)
def test_a_finding_follows_from_the_facts(changes: dict[str, Any], title: str, level: Level, share: float) -> None:
    found = {finding.title: finding for finding in findings(replace(FACTS, **changes))}
    assert found[title].level is level and found[title].share == pytest.approx(share)
    assert bool(found[title].advice) is (level is not Level.OK)


def test_of_zeros_that_are_not_known_nothing_is_said() -> None:
    unknown = replace(NETWORK, products=(Product("a", 100, None, True),))
    assert not [item for item in findings(replace(FACTS, network=unknown)) if "zeros" in item.title]
    assert [item for item in findings(FACTS) if "zeros" in item.title]


def test_of_what_can_not_be_seen_the_reason_is_told_and_nothing_else() -> None:
    hidden = replace(
        FACTS, network=None, operators=None, profiler=None, no_profile_reason="It is hidden.", flags=frozenset({"bf16"})
    )
    found = {item.title: item for item in findings(hidden)}
    assert found["Its matrix products are unknown"].evidence == "It is hidden."
    assert set(found) == {
        "Its matrix products are unknown", "There are as many threads as usable cores", "Tokenization is not a bottleneck",
        "The layers are most of the size",
    }  # fmt: skip


def test_bfloat16_is_advised_where_it_can_be_served() -> None:
    found = findings(
        replace(FACTS, network=None, profiler="torch", no_profile_reason="It is compiled.", flags=frozenset({"amx_bf16"}))
    )
    (advice,) = [item.advice for item in found if item.title == "Faster instructions are not used"]
    assert "compile with precision=bfloat16" in advice and "export_openvino with precision=bf16" in advice


def test_what_costs_most_comes_first() -> None:
    found = findings(replace(FACTS, int8=SLOW, threads=8, tokenization=0.3))
    assert [(item.level, -item.share) for item in found] == sorted((item.level, -item.share) for item in found)
    assert found[0].title == "There are more threads than cores"


def test_operators_that_multiply_matrices_are_told_apart_from_the_rest() -> None:
    found = Operators.of({"MatMul": 3.0, "Cast": 1.0, "QAttention": 4.0}, calls=20, texts=10)
    assert list(found.shares) == ["QAttention", "MatMul", "Cast"] and "Cast" not in MATRIX
    assert (found.matrix, found.int8, found.calls_per_text) == (7 / 8, 1 / 2, 2)
