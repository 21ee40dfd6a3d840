"""Queries: how often does the interval of a speed-up miss the truth, with queries drawn once and for each pair?"""

from pipeline.evaluation.latency.simulation import CALL_SD, PAIR_SD, TEXTS, rows
from pipeline.selection.simulation.figures import Figures


def simulate(cases: int, seed: int) -> Figures:
    """Sessions whose true speed-up is known, as the program draws, stops and computes."""
    return Figures(
        "How often does a 95 % interval of a speed-up miss the truth?",
        ("texts", "drawn once: missed", "width", "own queries: missed", "width", "pairs"),
        tuple(
            (
                what,
                *(f"{100 * share:.1f} %" for share in (once.missed, once.width, own.missed, own.width)),
                f"{own.pairs:.1f}",
            )
            for what, once, own in rows(cases, seed)
        ),
        f"A split of {TEXTS} texts. The time of a call is linear in its tokens and varies by {100 * CALL_SD:g} % from call "
        f"to call; the log ratio varies by {100 * PAIR_SD:g} % from pair to pair. Drawn once: all pairs answer the same "
        "texts.",
    )
