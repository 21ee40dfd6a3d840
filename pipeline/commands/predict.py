"""Classify texts with the champion: label, score, and whether it abstained.

python -m pipeline predict "play a song" "will it rain?"                      of the default data and backbone
python -m pipeline predict --file queries.txt --format csv -- data=clinc150   one text a line; a CSV on standard output
tail -f queries.txt | python -m pipeline predict --model DIRECTORY            from standard input; an artifact directory

--file FILE          texts to classify, one a line; without texts and --file it reads standard input
--format FORMAT      of the answers: jsonl (the default) or csv
--model DIRECTORY    an artifact directory instead of the champion
--threads N          threads that a call may use; 1 unless given
-- OVERRIDES         what names the data and the backbone, as for python -m pipeline

It abstains where the text is out of scope.
"""

import argparse
import csv
import itertools
import json
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pipeline.commands.configuration.compose import one_config
from pipeline.errors import ConfigError, TrackError

BATCH = 32  # texts, of what does not come from a terminal or a pipe


def predict(words: argparse.Namespace) -> None:
    """Answer every text, each as soon as its batch is read. Raises UserError for what the user can mend."""
    from pipeline.deployment.serve.answers import Answerer

    with tempfile.TemporaryDirectory() as folder:
        artifact = Path(words.model) if words.model else champion(words.overrides, Path(folder))
        try:
            answer = Answerer(artifact, words.threads)
        except Exception as error:  # each runtime has its own
            what = f"--model {words.model}" if words.model else "the champion (python -m pipeline rollback goes back)"
            raise ConfigError(f"{what}: not an artifact that can be loaded ({error})") from error
        write = csv.writer(sys.stdout, lineterminator="\n")
        if words.format == "csv":
            write.writerow(["text", "label", "score", "abstained"])
        for batch in batches(words):
            for text, said in zip(batch, answer(batch), strict=True):
                if words.format == "csv":
                    write.writerow([text, said.label, f"{said.score:.4f}", str(said.abstained).lower()])
                else:
                    told = {"text": text, **said._asdict(), "score": round(said.score, 4)}
                    print(json.dumps(told, ensure_ascii=False))
            sys.stdout.flush()


def champion(overrides: list[str], folder: Path) -> Path:
    """The champion's artifact directory, copied out of the registry. Raises TrackError where there is none."""
    from pipeline.deployment.registry import CHAMPION, Registry
    from pipeline.tracking.server import connect, is_fresh

    config = one_config(overrides)
    experiment = config.experiment_name
    nothing = TrackError(f"{experiment} has no champion yet; python -m pipeline decide makes one, or give --model DIRECTORY")
    if is_fresh(config.track):
        raise nothing
    registry = Registry(connect(config.track), experiment)
    number = registry.version_of(CHAMPION)
    if number is None:
        raise nothing
    return registry.fetch(number, folder)


def batches(words: argparse.Namespace) -> Iterator[list[str]]:
    """The texts that were given, else the lines of the file, else of standard input, where each is answered at once."""
    if words.text:
        try:
            yield [text.encode().decode() for text in words.text]
        except UnicodeEncodeError as error:
            raise ConfigError("a text on the command line is not UTF-8") from error
    elif words.file:
        try:
            with Path(words.file).open("rb") as file:
                yield from _batched(_lines(file, f"--file {words.file}"), BATCH)
        except OSError as error:
            raise ConfigError(f"--file {words.file}: can't be read ({error.strerror})") from error
    else:
        yield from _batched(_lines(sys.stdin.buffer, "standard input"), 1)


def _lines(file: Iterable[bytes], where: str) -> Iterator[str]:
    """One text a line, empty ones too, so that answers and lines go together."""
    for number, line in enumerate(file, 1):
        try:
            yield line.rstrip(b"\r\n").decode("utf-8")
        except UnicodeDecodeError as error:
            raise ConfigError(f"{where}, line {number}: not UTF-8") from error


def _batched(texts: Iterator[str], size: int) -> Iterator[list[str]]:
    while batch := list(itertools.islice(texts, size)):
        yield batch


def main(arguments: Sequence[str]) -> int:
    """Takes texts, flags, and behind -- the overrides of a run."""
    words = _parsed(list(arguments))
    try:
        predict(words)
    except BrokenPipeError:  # what it wrote to has ended, as head does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:  # a full disk, most often
        print(f"standard output: {error.strerror}", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 2
    return 0


def _parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m pipeline predict", add_help=False)
    parser.add_argument("text", nargs="*", help="texts to answer; without any, --file or standard input")
    parser.add_argument("--file", help="a file with one text a line")
    parser.add_argument("--format", choices=("jsonl", "csv"), default="jsonl", help="of the answers (default: jsonl)")
    parser.add_argument("--model", help="an artifact directory instead of the champion")
    parser.add_argument("--threads", type=int, default=1, help="that a call may use (default: 1)")
    place = arguments.index("--") if "--" in arguments else len(arguments)
    words = parser.parse_args(arguments[:place])
    words.overrides = arguments[place + 1 :]
    if words.threads < 1:
        parser.error(f"--threads {words.threads}: must be at least 1")
    if words.text and words.file:
        parser.error("give texts or --file, not both")
    if words.model and words.overrides:
        parser.error(f"--model names the classifier, so what follows -- does nothing: {' '.join(words.overrides)}")
    return words
