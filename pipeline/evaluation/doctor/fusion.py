"""Which operators were fused, compared with the number of layers."""

from collections.abc import Mapping

from pipeline.evaluation.doctor.facts import Facts
from pipeline.evaluation.doctor.finding import Finding, Level

FUSED = {  # part -> its fused operators, and how many each layer should have
    "attention": (("Attention", "QAttention", "MultiHeadAttention"), 1),
    "layer norm": (("LayerNormalization", "SkipLayerNormalization", "QSkipLayerNormalization"), 2),
    "GELU": (("BiasGelu", "FastGelu", "Gelu", "QuickGelu"), 1),
}
EMBEDDINGS = ("EmbedLayerNormalization", "QEmbedLayerNormalization")
INT8_JOINED = ("DynamicQuantizeMatMul", "MatMulIntegerToFloat", "QAttention")


def fusion(facts: Facts) -> Finding | None:
    """The finding about fused operators; None where they are unknown."""
    if facts.operators is None or facts.network is None:
        return None
    share = facts.share_of_call(1 - facts.operators.matrix)
    evidence = (
        f"{facts.operators.calls_per_text:.0f} operators run for each text; those that multiply no matrices take "
        f"{1 - facts.operators.matrix:.0%} of the operators' time."
    )
    if facts.network.operators is None and facts.profiler != "torch":
        return Finding(Level.OK, "The runtime fuses operators when it loads the network", evidence)
    if facts.network.operators is None:
        advice = "ONNX Runtime fuses them: add step export_onnx, as in optim=distillation_onnx."
        return Finding(Level.PROBLEM, "torch runs operators one by one: hardly any are fused", evidence, advice, share)
    counts = counted(facts.network.operators, facts.network.layers)
    found = "; ".join(f"{part}: {have} of {want}" for part, (have, want) in counts.items())
    embeddings = "are" if _sum(facts.network.operators, EMBEDDINGS) else "are not"
    evidence = f"Fused: {found}; the embeddings {embeddings}. {evidence}"
    if facts.network.layers == 0:
        return Finding(Level.HINT, "It is unknown what should be fused: the names show no layers", evidence)
    if all(have >= want for have, want in counts.values()):
        return Finding(Level.OK, "The graph is fused", evidence)
    advice = (
        "export again with the versions in constraints.txt: the optimizer recognizes the patterns of one exporter version. "
        "It fuses architectures similar to BERT, and leaves unknown architectures unchanged."
    )
    return Finding(Level.PROBLEM, "Parts of the graph are not fused", evidence, advice, share)


def counted(operators: Mapping[str, int], layers: int) -> dict[str, tuple[int, int]]:
    """Part -> number of fused operators, and the number expected."""
    counts = {part: (_sum(operators, names), each * layers) for part, (names, each) in FUSED.items()}
    if "Relu" in operators:  # another activation: there is no GELU to fuse
        del counts["GELU"]
    joined = _sum(operators, INT8_JOINED)
    if joined or "MatMulInteger" in operators:
        counts["int8 products with their scales"] = (joined, joined + operators.get("MatMulInteger", 0))
    return counts


def _sum(operators: Mapping[str, int], names: tuple[str, ...]) -> int:
    return sum(operators.get(name, 0) for name in names)
