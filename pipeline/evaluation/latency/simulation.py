"""How often does the interval of a speed-up miss the truth? Sessions are drawn whose true speed-up is known.

The program's own functions draw the queries, stop the session and compute the interval; only the times of the calls are
invented. The time of a call grows with the tokens of its text, so which texts are drawn matters.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipeline.evaluation.latency.pairs import reason_to_stop
from pipeline.evaluation.latency.queries import draw_by_length
from pipeline.evaluation.latency.samples import Pair, Samples, speedup

TEXTS, QUERIES = 5500, 100  # of the split, and of a pair
CALL_SD, PAIR_SD = 0.03, 0.0085  # standard deviations of the log time of a call, and of the log ratio from pair to pair
PAIR_S, MAX_SECONDS, PRECISION = 4.0, 60.0, 0.03
CHEAP_SHARE, CHEAP_MS = 0.62, 0.1  # of a cascade: what its cheap classifier answers, and how fast

Draw = Callable[[np.ndarray, np.random.Generator], np.ndarray]  # tokens of all texts -> indices of a pair's queries
Begin = Callable[[np.ndarray, np.random.Generator], Draw]  # called once for each session


@dataclass(frozen=True)
class Split:
    """A split whose texts have these tokens, and the time that a call takes for each of them."""

    tokens: np.ndarray  # int64 (texts,)
    candidate_ms: np.ndarray  # float64 (texts,)
    baseline_ms: np.ndarray  # float64 (texts,)

    @property
    def truth(self) -> float:
        """The true speed-up: the ratio of the mean times over all texts of the split."""
        return float(self.baseline_ms.mean() / self.candidate_ms.mean())


@dataclass(frozen=True)
class Outcome:
    """What the sessions found."""

    missed: float  # the share of intervals that do not contain the true speed-up
    width: float  # the median width of the intervals, a share
    pairs: float  # the mean number of pairs


def split(rng: np.random.Generator, typical_tokens: float, sd: float, cascade: bool = False, texts: int = TEXTS) -> Split:
    """Texts of lognormal length, at most 512 tokens; `sd` is of the log length.

    The baseline takes 15 ms and 2 ms a token, the candidate 0.3 ms and 0.02 ms a token: the more tokens, the larger the
    speed-up. In a `cascade`, a classifier that takes 0.1 ms answers 62 % of the texts, of any length, and the candidate the
    others.
    """
    tokens = np.clip(rng.lognormal(np.log(typical_tokens), sd, texts), 3, 512).astype(np.int64)
    candidate = 0.3 + 0.02 * tokens
    if cascade:
        candidate = CHEAP_MS + np.where(rng.random(texts) < CHEAP_SHARE, 0.0, candidate)
    return Split(tokens, candidate, 15.0 + 2.0 * tokens)


def drawn_once(tokens: np.ndarray, rng: np.random.Generator) -> Draw:
    """All pairs of a session answer the same queries, drawn at random."""
    chosen = rng.choice(len(tokens), QUERIES, replace=False)
    return lambda tokens, rng: chosen


def drawn_by_pair(tokens: np.ndarray, rng: np.random.Generator) -> Draw:
    """Each pair draws its own queries, as the program does."""
    return lambda tokens, rng: draw_by_length(tokens, QUERIES, rng)


def session(where: Split, begin: Begin, session_sd: float, rng: np.random.Generator) -> list[Pair]:
    """The pairs of one session, until the program's own rule stops it; `session_sd`: what the session adds to log ratios."""
    draw, shift = begin(where.tokens, rng), session_sd * rng.standard_normal()
    pairs: list[Pair] = []
    while True:
        chosen = draw(where.tokens, rng)
        ours = where.candidate_ms[chosen] * np.exp(CALL_SD * rng.standard_normal(QUERIES) - shift)
        theirs = where.baseline_ms[chosen] * np.exp(CALL_SD * rng.standard_normal(QUERIES) + PAIR_SD * rng.standard_normal())
        first = len(pairs) % 2 == 0
        pairs.append(Pair(_samples(ours), _samples(theirs), first, PAIR_S * (len(pairs) + 1)))
        if reason_to_stop(pairs, PRECISION, MAX_SECONDS):
            return pairs


def _samples(ms: np.ndarray) -> Samples:
    return Samples(ms, np.zeros(len(ms)), np.ones(len(ms), dtype=np.int64), ())


def outcome(where: Split, begin: Begin, cases: int, seed: int, session_sd: float = 0.0) -> Outcome:
    """What so many sessions find; `begin` is `drawn_once` or `drawn_by_pair`."""
    rng = np.random.default_rng(seed)
    sessions = [session(where, begin, session_sd, rng) for _ in range(cases)]
    found = [speedup(pairs) for pairs in sessions]
    missed = np.mean([not interval.low <= where.truth <= interval.high for interval in found])
    width = float(np.median([interval.width for interval in found]))
    return Outcome(float(missed), width, float(np.mean([len(pairs) for pairs in sessions])))


CASES: tuple[tuple[str, float, float, bool, float], ...] = (  # what, typical tokens, sd of their log, cascade, session_sd
    ("short texts, about 12 tokens", 12, 0.4, False, 0.0),
    ("texts of about 40 tokens", 40, 0.8, False, 0.0),
    ("texts of about 150 tokens", 150, 0.8, False, 0.0),
    ("a cascade, about 12 tokens", 12, 0.4, True, 0.0),
    ("about 12 tokens; 0.25 % between sessions", 12, 0.4, False, 0.0025),
    ("about 12 tokens; 0.5 % between sessions", 12, 0.4, False, 0.005),
)


def rows(cases: int, seed: int) -> list[tuple[str, Outcome, Outcome]]:
    """For each case: what is measured, the outcome with queries drawn once, and with each pair's own."""
    found = []
    for what, tokens, sd, cascade, session_sd in CASES:
        where = split(np.random.default_rng(seed), tokens, sd, cascade)
        once, by_pair = (outcome(where, begin, cases, seed, session_sd) for begin in (drawn_once, drawn_by_pair))
        found.append((what, once, by_pair))
    return found
