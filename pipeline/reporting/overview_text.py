"""How the overview of a data set reads in the terminal."""

import textwrap
from collections.abc import Iterator, Mapping

from pipeline.data.row_counts import USED
from pipeline.evaluation.overview.examine import LabelSize, Overview
from pipeline.evaluation.overview.words import Word
from pipeline.models.coverage import percent

WIDTH = 120
MAX_LABELS, MAX_WORDS = 20, 4  # shown


def text(overview: Overview) -> str:
    """The whole overview: what it is, labels with words and an example, what is worth a look."""
    blocks = [
        f"{overview.name}, as backbone {overview.backbone} reads it",
        "\n".join(
            textwrap.fill(value, WIDTH, initial_indent=f"{name:<12}", subsequent_indent=" " * 12)
            for name, value in summary(overview).items()
        ),
        "\n".join(_labels(overview)),
        "\n".join(_findings(overview)),
    ]
    return "\n" + "\n\n".join(blocks)


def summary(overview: Overview) -> dict[str, str]:
    """A few lines, by their names."""
    lengths, reached = overview.lengths, overview.reached
    at = lengths.percentiles
    sizes = [each.texts["train"] for each in overview.labels]
    pieces = "" if lengths.pieces_per_word is None else f", {lengths.pieces_per_word:.2f} pieces a word"
    scripts = ", ".join(f"{name.capitalize()} {share:.0%}" for name, share in lengths.scripts.items())
    return {
        "texts": ", ".join(f"{count:,} {name}" for name, count in overview.rows.items()),
        **_rows(overview.read),
        "labels": f"{len(sizes):,}; training texts of a label: {_between(sizes)}{_several(overview.labels_a_text)}",
        "tokens": f"median {at['50']}, 95 % have at most {at['95']}, 99.5 % at most {at['99.5']}, the longest {at['100']} "
        f"({lengths.texts:,} training texts)",
        "cut": f"{percent(lengths.truncated_share)} of the training texts at {lengths.max_length:,} tokens, "
        f"{percent(lengths.lost_token_share)} of all tokens",
        "vocabulary": f"{percent(lengths.unknown_token_share)} of the tokens unknown{pieces}; letters: {scripts or 'none'}",
        "in reach": f"the most frequent answer: accuracy {_percent(reached.majority_accuracy)}, macro F1 "
        f"{_percent(reached.majority_f1_macro)}; tf-idf with logistic regression: {_percent(reached.tfidf_accuracy)}, "
        f"{_percent(reached.tfidf_f1_macro)} (learned from {reached.trained_on:,} training texts, judged on "
        f"{reached.judged_on:,} of validation)",
    }


def shown_words(words: list[Word], most: int) -> list[str]:
    """Words of a label, each with the share of its texts that have the label."""
    return [f"{word.word} ({word.precision:.0%} of {word.texts:,})" for word in words[:most]]


def _between(sizes: list[int]) -> str:
    return f"{sizes[-1]:,} to {sizes[0]:,}" if sizes[-1] < sizes[0] else f"{sizes[0]:,}"


def _several(texts: Mapping[str, int]) -> str:
    """How many labels the texts have; "" where each has one."""
    if [*texts] == ["1"]:
        return ""
    shown = ", ".join(f"{count:,} have {labels if labels != '0' else 'none'}" for labels, count in texts.items())
    return f"; of {sum(texts.values()):,} training texts {shown}"


def _rows(read: Mapping[str, Mapping[str, int]]) -> dict[str, str]:
    """What was done to the rows that were read, if anything was."""
    done = [
        f"{what}: {', '.join(f'{count:,} {name}' for name, count in own.items())}"
        for what, own in read.items()
        if what != USED
    ]
    return {"rows": "; ".join(done)} if len(done) > 1 else {}


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _labels(overview: Overview) -> Iterator[str]:
    shown = overview.labels[:MAX_LABELS]
    wide = min(30, max(len(each.label) for each in shown))
    yield f"{'label':<{wide}}  train / validation / test; words that speak for it (share of their texts that have it)"
    for each in shown:
        yield from _label(each, overview.words, wide)
    if len(overview.labels) > len(shown):
        yield f"... {len(overview.labels) - len(shown)} more labels are on the page"


def _label(each: LabelSize, words: Mapping[str, list[Word]], wide: int) -> Iterator[str]:
    sizes = " / ".join(f"{count:,}" for count in each.texts.values())
    yield _cut(f"{each.label:<{wide}}  {sizes}; {', '.join(shown_words(words[each.label], MAX_WORDS)) or '-'}")
    if each.examples:
        yield _cut(f"{'':<{wide}}  e.g. {each.examples[0]}")


def _cut(line: str) -> str:
    return line if len(line) <= WIDTH else f"{line[: WIDTH - 4]} ..."


def _findings(overview: Overview) -> Iterator[str]:
    yield "worth a look:" if overview.findings else "nothing looks wrong"
    for finding in overview.findings:
        yield textwrap.fill(finding, WIDTH, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False)
