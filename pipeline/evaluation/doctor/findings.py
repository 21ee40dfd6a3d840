"""Facts -> findings, what costs most first."""

import math
from collections.abc import Callable

from pipeline.evaluation.doctor.facts import Facts
from pipeline.evaluation.doctor.finding import Finding, Level
from pipeline.evaluation.doctor.fusion import fusion
from pipeline.system.cpu import bfloat16_of

EMBEDDINGS_LARGE = 0.4  # of the bytes
LAYERS = ("attention", "feed-forward")
KNOWN_PARTS = ("embeddings", *LAYERS, "pooler and classifier")  # by the names of weights
TOKENIZATION_SLOW = 0.2  # of a call
ZEROS_MANY = 0.1  # quantizing alone rounds one or two in a hundred to zero
QUANTIZING = {"onnx": "quantize_onnx_dynamic", "torch": "quantize_torch_dynamic", "openvino": "quantize_openvino"}


def findings(facts: Facts) -> list[Finding]:
    """All findings, what costs most first."""
    found = [finding for check in CHECKS if (finding := check(facts)) is not None]
    return sorted(found, key=lambda finding: (finding.level, -finding.share))  # a stable order


def quantization(facts: Facts) -> Finding:
    """Which products are int8."""
    if facts.network is None or facts.operators is None:
        return Finding(Level.HINT, "What it multiplies can't be seen", facts.no_profile_reason)
    products, share = facts.network.products, facts.network.quantized_share
    count = sum(product.quantized for product in products)
    evidence = (
        f"{count} of {len(products)} products with a matrix of weights are int8, {share:.0%} of the multiplications. "
        f"All matrix products take {facts.operators.matrix:.0%} of the operators' time: no format makes the rest faster."
    )
    if share == 1:
        return Finding(Level.FINE, "Every matrix product is int8", evidence)
    floating = facts.of_a_call(facts.operators.matrix - facts.operators.int8)
    if share == 0:
        step = QUANTIZING[facts.profiler or "torch"]
        less = "" if facts.int8.fast else f" The gain is smaller than elsewhere: {facts.int8.why}."
        advice = f"add a step: +step@optim.steps.quantize={step}, or take an optim whose name ends in _int8.{less}"
        return Finding(Level.COSTS, "No matrix product is quantized", evidence, advice, floating)
    largest = sorted((p for p in products if not p.quantized), key=lambda p: (-p.elements, p.name))[:3]
    evidence += " The largest that are not: " + ", ".join(f"{p.name} ({p.elements:,} weights)" for p in largest) + "."
    advice = "quantize after export and fusion (steps export_onnx, quantize_onnx_dynamic), so that these are found too."
    return Finding(Level.COSTS, "Some matrix products are not quantized", evidence, advice, floating)


def instructions(facts: Facts) -> Finding | None:
    """What the processor can do with the format."""
    why = facts.int8.why[0].upper() + facts.int8.why[1:] + "."
    if facts.network is not None and facts.operators is not None and facts.network.quantized_share > 0:
        evidence = f"{why} int8 products take {facts.operators.int8:.0%} of the operators' time."
        if facts.int8.fast:
            return Finding(Level.FINE, "The processor has instructions for int8", evidence)
        advice = (
            "compare with the same optimization without its quantizing step on this machine: int8 is smaller for certain, "
            "and gains less speed than it could. With VNNI or AMX (x86) or dot products (ARM) these products are faster; "
            "without them fewer layers and neurons pay more (optim=distillation, optim=structured_pruning)."
        )
        share = facts.of_a_call(facts.operators.int8)
        return Finding(Level.COSTS, "The processor has no fast instructions for int8", evidence, advice, share)
    return bfloat16(facts)


def bfloat16(facts: Facts) -> Finding | None:
    """Whether bfloat16 is used where the processor multiplies it, and only there; nothing where neither is the case."""
    has = bfloat16_of(facts.flags)
    if "bfloat16" in facts.features:
        if has:
            evidence = f"The processor multiplies bfloat16 ({', '.join(has)}), and this classifier computes in it."
            return Finding(Level.FINE, "The processor has instructions for bfloat16", evidence)
        evidence = "This classifier was made to compute in bfloat16; the processor has no instructions for it."
        advice = "make it again on this machine in fp32: export_openvino with precision=f32, compile with precision=float32."
        return Finding(Level.COSTS, "The processor has no instructions for bfloat16", evidence, advice)
    if not has or facts.operators is None:
        return None
    evidence = f"The processor multiplies bfloat16 ({', '.join(has)}); this classifier computes in fp32."
    int8 = "" if facts.network is None else f"int8 with step {QUANTIZING[facts.profiler or 'torch']}, or "
    advice = f"{int8}bfloat16: step compile with precision=bfloat16, or step export_openvino with precision=bf16."
    return Finding(Level.HINT, "Faster instructions are not used", evidence, advice)


def threads(facts: Facts) -> Finding:
    """Threads against cores."""
    usable = min(facts.cores, facts.quota_cores or math.inf)
    quota = f", with a quota of {facts.quota_cores:.3g} cores' worth of time" if facts.quota_cores else ""
    evidence = f"{facts.threads} thread(s), {facts.cores} core(s) allowed{quota}."
    best = max(1, math.floor(usable))
    if facts.threads > usable and facts.threads > 1:
        advice = f"measure.threads={best}: threads without a core of their own wait for each other."
        return Finding(Level.COSTS, "There are more threads than cores", evidence, advice, 1.0)
    if usable < 1:
        advice = "raise the container's CPU quota to one core at least: the process is stopped for part of each period."
        return Finding(Level.COSTS, "The quota is below one core", evidence, advice, 1 - usable)
    if facts.threads < best:
        advice = (
            f"measure.threads={best} makes single calls shorter if matrices are large; a server with several clients "
            "gets more out of one thread each."
        )
        return Finding(Level.HINT, "Not all cores are used", evidence, advice)
    return Finding(Level.FINE, "As many threads as cores can serve", evidence)


def zeros(facts: Facts) -> Finding | None:
    """Zeros in dense matrices; nothing where it is not known."""
    share = None if facts.network is None else facts.network.zeros_share
    if share is None or facts.operators is None:
        return None
    evidence = f"{share:.0%} of the weights in matrices are zero."
    if share < ZEROS_MANY:
        return Finding(Level.FINE, "Matrices have no zeros to speak of", evidence)
    stored = "multiplied" if facts.profiler == "torch" else "stored and multiplied"
    evidence += f" They are {stored} like all others."
    advice = "remove whole heads and neurons instead (step prune_structured): that makes the matrices smaller."
    title = "Zeros in matrices make nothing faster"
    return Finding(Level.COSTS, title, evidence, advice, facts.of_a_call(share * facts.operators.matrix))


def tokenizing(facts: Facts) -> Finding:
    """Time outside of the network."""
    share = facts.tokenization
    evidence = f"Tokenization takes {share:.0%} of a call"
    if share < TOKENIZATION_SLOW:
        return Finding(Level.FINE, "Tokenization is no bottleneck", f"{evidence}.")
    evidence += f": with a network that takes no time at all, calls were {1 / share:.1f} times as fast as now, no more."
    advice = "no step changes that; texts in batches share the overhead. A smaller network gains little from here on."
    return Finding(Level.HINT, "Tokenization is a good part of a call", evidence, advice, share)


def size(facts: Facts) -> Finding:
    """What the bytes are."""
    total = sum(facts.sizes.values())
    if not any(facts.sizes.get(part) for part in KNOWN_PARTS):
        return Finding(Level.FINE, "Its bytes are not known by part", f"{total / 2**20:.1f} MB in all.")
    share = facts.sizes["embeddings"] / total
    evidence = f"{facts.sizes['embeddings'] / 2**20:.1f} of {total / 2**20:.1f} MB ({share:.0%}) are embeddings."
    if share < EMBEDDINGS_LARGE:
        layers = sum(facts.sizes.get(part, 0) for part in LAYERS)
        title = "The layers are most of the size" if 2 * layers > total else "The embeddings are no large part of the size"
        return Finding(Level.FINE, title, evidence)
    evidence += " They are looked up, not multiplied, and cost next to no time; fewer layers do not make them smaller."
    advice = "step quantize_onnx_dynamic stores them in int8, a quarter of fp32; after that only trim_vocabulary helps."
    title = "Embeddings are most of the size" if share > 0.5 else "Embeddings are a large part of the size"
    return Finding(Level.HINT, title, evidence, advice)


CHECKS: tuple[Callable[[Facts], Finding | None], ...] = (
    quantization, instructions, fusion, threads, zeros, tokenizing, size,
)  # fmt: skip
