"""Facts -> findings, the costliest first."""

import math
from collections.abc import Callable

from pipeline.evaluation.doctor.facts import Facts
from pipeline.evaluation.doctor.finding import Finding, Level
from pipeline.evaluation.doctor.fusion import fusion
from pipeline.system.cpu import bfloat16_instructions

EMBEDDINGS_LARGE = 0.4  # of the bytes
LAYERS = ("attention", "feed-forward")
KNOWN_PARTS = ("embeddings", *LAYERS, "pooler and classifier")  # recognized by the names of weights
TOKENIZATION_SLOW = 0.2  # of a call
ZEROS_MANY = 0.1  # quantization alone rounds one or two in a hundred to zero
QUANTIZING = {"onnx": "quantize_onnx_dynamic", "torch": "quantize_torch_dynamic", "openvino": "quantize_openvino"}


def findings(facts: Facts) -> list[Finding]:
    """All findings, the costliest first."""
    found = [finding for check in CHECKS if (finding := check(facts)) is not None]
    return sorted(found, key=lambda finding: (finding.level, -finding.share))  # a stable order


def quantization(facts: Facts) -> Finding:
    """Whether matrix products are int8."""
    if facts.network is None or facts.operators is None:
        return Finding(Level.HINT, "Its matrix products are unknown", facts.no_profile_reason)
    products, share = facts.network.products, facts.network.quantized_share
    count = sum(product.quantized for product in products)
    evidence = (
        f"{count} of {len(products)} matrix products with weights are int8, {share:.0%} of the multiplications. "
        f"All matrix products take {facts.operators.matrix:.0%} of the operators' time; no format makes the rest faster."
    )
    if share == 1:
        return Finding(Level.OK, "Every matrix product is int8", evidence)
    floating = facts.share_of_call(facts.operators.matrix - facts.operators.int8)
    if share == 0:
        step = QUANTIZING[facts.profiler or "torch"]
        less = "" if facts.int8.fast else f" The gain is small on this machine: {facts.int8.why}."
        advice = f"add a step: +step@optim.steps.quantize={step}, or take an optim whose name ends in _int8.{less}"
        return Finding(Level.PROBLEM, "No matrix product is quantized", evidence, advice, floating)
    largest = sorted((p for p in products if not p.quantized), key=lambda p: (-p.elements, p.name))[:3]
    evidence += " The largest that are not int8: " + ", ".join(f"{p.name} ({p.elements:,} weights)" for p in largest) + "."
    advice = (
        "quantize after export and fusion (steps export_onnx, quantize_onnx_dynamic): then the quantizer finds these too."
    )
    return Finding(Level.PROBLEM, "Some matrix products are not quantized", evidence, advice, floating)


def instructions(facts: Facts) -> Finding | None:
    """Whether the processor has fast instructions for the number format."""
    why = facts.int8.why[0].upper() + facts.int8.why[1:] + "."
    if facts.network is not None and facts.operators is not None and facts.network.quantized_share > 0:
        evidence = f"{why} int8 products take {facts.operators.int8:.0%} of the operators' time."
        if facts.int8.fast:
            return Finding(Level.OK, "The processor has instructions for int8", evidence)
        advice = (
            "compare with the same optimization without its quantizing step on this machine: int8 is certainly smaller, but "
            "gains less speed than it could. With VNNI or AMX (x86) or dot products (ARM) these products are faster. "
            "Without them, fewer layers and neurons gain more (optim=distillation, optim=structured_pruning)."
        )
        share = facts.share_of_call(facts.operators.int8)
        return Finding(Level.PROBLEM, "The processor has no fast instructions for int8", evidence, advice, share)
    return bfloat16(facts)


def made_for(facts: Facts) -> Finding | None:
    """Whether an int8 classifier was made for this kind of processor; None where it says nothing of that."""
    if facts.int8_for is None:
        return None
    bits = f" Its weights have {facts.int8_bits} bits." if facts.int8_bits else ""
    evidence = f"It was quantized on a processor with these instructions for int8: {facts.int8_for}.{bits}"
    here = f" This processor's: {facts.int8_here}."
    if facts.int8_bits == 8 and facts.int8.reduce_range:
        advice = "quantize it here, or with reduce_range=always: with 8 bits, sums saturate here, so answers change."
        return Finding(Level.PROBLEM, "Its int8 weights need another processor", evidence + here, advice, 1.0)
    if facts.int8_for != facts.int8_here:
        advice = "quantize and measure it on this kind of processor: speed, and some answers, may be others than measured."
        return Finding(Level.HINT, "It was quantized on another kind of processor", evidence + here, advice)
    if facts.int8_bits == 7 and not facts.int8.reduce_range:
        advice = "set reduce_range=auto: this processor needs no reduced range, and 8 bits are more exact."
        return Finding(Level.HINT, "Its int8 weights have a reduced range", evidence, advice)
    return Finding(Level.OK, "It was quantized for this kind of processor", evidence)


def bfloat16(facts: Facts) -> Finding | None:
    """Whether bfloat16 is used exactly where the processor supports it; None where neither is the case."""
    has = bfloat16_instructions(facts.flags)
    if "bfloat16" in facts.features:
        if has:
            evidence = f"The processor multiplies bfloat16 ({', '.join(has)}), and this classifier computes in it."
            return Finding(Level.OK, "The processor has instructions for bfloat16", evidence)
        evidence = "This classifier computes in bfloat16, and the processor has no instructions for it."
        advice = (
            "build it again in fp32 on this machine: export_openvino with precision=f32, compile with precision=float32."
        )
        return Finding(Level.PROBLEM, "The processor has no instructions for bfloat16", evidence, advice)
    if not has or facts.operators is None:
        return None
    evidence = f"The processor multiplies bfloat16 ({', '.join(has)}); this classifier computes in fp32."
    int8 = "" if facts.network is None else f"int8 with step {QUANTIZING[facts.profiler or 'torch']}, or "
    advice = f"{int8}bfloat16: step compile with precision=bfloat16, or step export_openvino with precision=bf16."
    return Finding(Level.HINT, "Faster instructions are not used", evidence, advice)


def threads(facts: Facts) -> Finding:
    """The number of threads compared with the number of cores."""
    usable = min(facts.cores, facts.quota_cores or math.inf)
    quota = f", with a CPU quota of {facts.quota_cores:.3g} cores" if facts.quota_cores else ""
    evidence = f"{facts.threads} thread(s), {facts.cores} core(s) allowed{quota}."
    best = max(1, math.floor(usable))
    if facts.threads > usable and facts.threads > 1:
        advice = f"set measure.threads={best}: threads that share a core wait for each other."
        return Finding(Level.PROBLEM, "There are more threads than cores", evidence, advice, 1.0)
    if usable < 1:
        advice = (
            "raise the container's CPU quota to at least one core: now the process is stopped for a part of each period."
        )
        return Finding(Level.PROBLEM, "The quota is below one core", evidence, advice, 1 - usable)
    if facts.threads < best:
        advice = (
            f"measure.threads={best} makes single calls faster if matrices are large; a server with several clients has "
            "a higher throughput with one thread for each."
        )
        return Finding(Level.HINT, "Not all cores are used", evidence, advice)
    return Finding(Level.OK, "There are as many threads as usable cores", evidence)


def zeros(facts: Facts) -> Finding | None:
    """Zeros in dense matrices; None where their number is unknown."""
    share = None if facts.network is None else facts.network.zeros_share
    if share is None or facts.operators is None:
        return None
    evidence = f"{share:.0%} of the weights in matrices are zero."
    if share < ZEROS_MANY:
        return Finding(Level.OK, "The matrices have few zeros", evidence)
    stored = "multiplied" if facts.profiler == "torch" else "stored and multiplied"
    evidence += f" They are {stored} like all other weights."
    advice = "remove whole heads and neurons instead (step prune_structured), which makes the matrices smaller."
    title = "Zeros in matrices do not make it faster"
    return Finding(Level.PROBLEM, title, evidence, advice, facts.share_of_call(share * facts.operators.matrix))


def tokenizing(facts: Facts) -> Finding:
    """The time outside the network."""
    share = facts.tokenization
    evidence = f"Tokenization takes {share:.0%} of a call"
    if share < TOKENIZATION_SLOW:
        return Finding(Level.OK, "Tokenization is not a bottleneck", f"{evidence}.")
    evidence += f": even if the network took no time, calls would be only {1 / share:.1f} times as fast."
    advice = "no step changes that; texts in batches share the overhead. A smaller network gains little speed now."
    return Finding(Level.HINT, "Tokenization is a large part of a call", evidence, advice, share)


def size(facts: Facts) -> Finding:
    """The parts of the size."""
    total = sum(facts.sizes.values())
    if not any(facts.sizes.get(part) for part in KNOWN_PARTS):
        return Finding(Level.OK, "The size by part is unknown", f"{total / 2**20:.1f} MB in all.")
    share = facts.sizes["embeddings"] / total
    evidence = f"{facts.sizes['embeddings'] / 2**20:.1f} of {total / 2**20:.1f} MB ({share:.0%}) are embeddings."
    if share < EMBEDDINGS_LARGE:
        layers = sum(facts.sizes.get(part, 0) for part in LAYERS)
        title = "The layers are most of the size" if 2 * layers > total else "The embeddings are a small part of the size"
        return Finding(Level.OK, title, evidence)
    evidence += " They are looked up, not multiplied, and take almost no time; fewer layers do not make them smaller."
    advice = (
        "step quantize_onnx_dynamic stores them in int8, a quarter of fp32's size; after that only trim_vocabulary helps."
    )
    title = "Embeddings are most of the size" if share > 0.5 else "Embeddings are a large part of the size"
    return Finding(Level.HINT, title, evidence, advice)


CHECKS: tuple[Callable[[Facts], Finding | None], ...] = (
    quantization, instructions, made_for, fusion, threads, zeros, tokenizing, size,
)  # fmt: skip
