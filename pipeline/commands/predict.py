"""Classify texts with the champion: label, score, whether it abstained.

python -m pipeline predict "play a song" "will it rain?"                      of the default data and backbone
python -m pipeline predict --file queries.txt --format csv -- data=clinc150   one text per line; CSV on standard output
tail -f queries.txt | python -m pipeline predict --model DIRECTORY            from standard input; an artifact directory

--file FILE          texts to classify: the text column of any table that training reads (.csv, .tsv, .jsonl, .json,
                     .xlsx, .parquet; .txt with such a column), else one per line; without texts and --file, standard
                     input is read
--text-column NAME   the column of such a table; default data.text_column, or "text"; a single column needs no name;
                     given twice or more: columns that are joined with a space
--pair-column NAME   the second text's column, for a classifier of pairs; default data.pair_column, or "text_pair"
--delimiter, --quoting, --encoding, --header
                     how the file is written, as data.delimiter and so on, which are the defaults; else it is detected
--format FORMAT      format of the answers: jsonl (the default) or csv
--model DIRECTORY    an artifact directory instead of the champion
--threads N          number of threads; default 1
--workers N          number of processes for --file, each with its threads; default 1
-- OVERRIDES         settings that select data and backbone, as for python -m pipeline

A classifier of pairs of texts takes {"text": ..., "text_pair": ...} as a text of the command line, or as a line. Where
a text may have several labels, an answer has these with their scores, in a CSV joined with |.

The classifier abstains if it considers a text out of scope. In a CSV, a text that a spreadsheet would run as a formula
(it starts with = + - @ or a tab) gets a ' in front.
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
from typing import TYPE_CHECKING, Any, NoReturn

from pipeline.commands.configuration.compose import one_config
from pipeline.config import names_of
from pipeline.data.formats import Format
from pipeline.errors import ConfigError
from pipeline.system.spreadsheet import safe_cells
from pipeline.tasks.inputs import COLUMNS, TEXT_PAIR, Input, named, of_json, parts_of

if TYPE_CHECKING:
    from pipeline.deployment.serve.answers import Answer, Answerer

WRITTEN = ("delimiter", "quoting", "encoding", "header")  # flags, and settings of data=files: how a file is written
BATCH_SIZE = 32  # texts of a file; those from standard input are answered one by one


def predict(options: argparse.Namespace) -> None:
    """Answer every text as soon as its batch is read. Raises UserError for a user's mistake."""
    from pipeline.deployment.serve.answers import Answerer
    from pipeline.runtimes.base import DESCRIPTION

    with tempfile.TemporaryDirectory() as folder:
        artifact = Path(options.model) if options.model else champion(options.overrides, Path(folder))
        try:
            answer = Answerer(artifact, options.threads)
        except Exception as error:  # each runtime raises its own types
            what = f"--model {options.model}" if options.model else "the champion (see python -m pipeline rollback)"
            missing = isinstance(error, FileNotFoundError) and not (artifact / DESCRIPTION).is_file()
            why = f"it has no {DESCRIPTION}" if missing else error
            raise ConfigError(f"{what}: not an artifact that can be loaded ({why})") from error
        write = csv.writer(sys.stdout, lineterminator="\n")
        if options.format == "csv":
            write.writerow([*COLUMNS[: 1 + answer.pairs], *answer.fields])
        for batch, answers in _answered(artifact, answer, options):
            for text, answered in zip(batch, answers, strict=True):
                if options.format == "csv":
                    write.writerow(safe_cells([*parts_of(text), *map(_cell, answered)]))
                else:
                    line = named(text) | {name: _rounded(value) for name, value in answered._asdict().items()}
                    print(json.dumps(line, ensure_ascii=False))
            sys.stdout.flush()


def _rounded(value: Any) -> Any:
    """A value of an answer, its scores with four digits."""
    if isinstance(value, list):
        return [_rounded(each) for each in value]
    return round(value, 4) if isinstance(value, float) else value


def _cell(value: Any) -> str:
    """A value of an answer in a CSV; several labels and their scores are joined with |."""
    if isinstance(value, list):
        return "|".join(map(_cell, value))
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.4f}" if isinstance(value, float) else str(value)


Answered = Iterator[tuple[list[Input], list["Answer"]]]  # inputs and their answers


def _answered(artifact: Path, answer: "Answerer", options: argparse.Namespace) -> Answered:
    """Each batch with its answers; with several processes there is a progress bar."""
    if options.workers == 1:
        yield from ((batch, answer(batch)) for batch in batches(options, answer.pairs))
        return
    from pipeline.deployment.serve.workers import answers_of_processes
    from pipeline.system.progress import bar

    given = batches(options, answer.pairs)
    with bar("answering", "text") as progress:
        for batch, answers in answers_of_processes(artifact, options.threads, options.workers, given):
            yield batch, answers
            progress.update(len(batch))


def champion(overrides: list[str], folder: Path) -> Path:
    """Download the champion's artifact directory from the registry. Raises TrackError if there is no champion."""
    from pipeline.deployment.registry import CHAMPION, fetch_alias

    return fetch_alias(CHAMPION, one_config(overrides), folder, ", or give --model DIRECTORY")


def batches(options: argparse.Namespace, pairs: bool = False) -> Iterator[list[Input]]:
    """The texts of the command line, else those of the file, else the lines of standard input, one per batch.

    pairs: whether they are pairs of texts.
    """
    if options.text:
        try:
            yield list(_parsed((text.encode().decode() for text in options.text), "the command line, text", pairs))
        except UnicodeEncodeError as error:
            raise ConfigError("a text on the command line is not UTF-8") from error
    elif options.file:
        yield from _in_batches(_inputs_of_file(options, pairs), BATCH_SIZE)
    else:
        where = "standard input"
        yield from _in_batches(_parsed(_lines(sys.stdin.buffer, where), f"{where}, line", pairs), 1)


def _parsed(texts: Iterable[str], where: str, pairs: bool) -> Iterator[Input]:
    """The texts; where pairs are wanted, what they say as JSON. Raises ConfigError, with its number, for what is no pair."""
    for number, text in enumerate(texts, 1):
        if not pairs:
            yield text
            continue
        try:
            parsed = of_json(json.loads(text))
        except ValueError:
            parsed = ""
        if isinstance(parsed, str):
            raise ConfigError(f'{where} {number}: this classifier takes pairs of texts: {{"text": ..., "text_pair": ...}}')
        yield parsed


def _inputs_of_file(options: argparse.Namespace, pairs: bool) -> Iterator[Input]:
    """The texts of a table, or its pairs, else those of the lines. Raises DataError."""
    from pipeline.data.queries import is_table, lines_of, pairs_of, texts_of

    path = Path(options.file)
    data = None if options.model else one_config(options.overrides).data
    columns = tuple(options.text_column) if options.text_column else names_of(getattr(data, "text_column", "text"))
    flags: dict[str, Any] = {name: getattr(options, name) for name in WRITTEN if getattr(options, name)}
    given = {name: value == "true" if value in ("true", "false") else value for name, value in flags.items()}
    known = {name: getattr(data, name) for name in WRITTEN if hasattr(data, name)}
    form = Format(**known | given, prefix="--")
    if not is_table(path, columns, form, bool(options.text_column or given.keys() - {"encoding"})):
        return _parsed(lines_of(path, form), f"--file {options.file}, line", pairs)
    if not pairs:
        return iter(texts_of(path, columns, form))
    return iter(pairs_of(path, columns, options.pair_column or getattr(data, "pair_column", None) or TEXT_PAIR, form))


def _lines(file: Iterable[bytes], where: str) -> Iterator[str]:
    """One text per line, including empty lines, so that answers match lines."""
    for number, line in enumerate(file, 1):
        try:
            yield line.rstrip(b"\r\n").decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise ConfigError(f"{where}, line {number}: not UTF-8") from error


def _in_batches(texts: Iterator[Input], size: int) -> Iterator[list[Input]]:
    while batch := list(itertools.islice(texts, size)):
        yield batch


def main(arguments: Sequence[str]) -> int:
    """Takes texts, flags, and after -- the overrides of a run."""
    options = _parse(list(arguments))
    try:
        predict(options)
    except BrokenPipeError:  # the reader of the pipe has ended, such as head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:  # a full disk, most often
        print(f"standard output: {error.strerror}", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 2
    return 0


def _parse(arguments: list[str]) -> argparse.Namespace:
    def fail(message: str) -> NoReturn:
        raise ConfigError(f"{message}; see python -m pipeline predict --help")

    parser = argparse.ArgumentParser("python -m pipeline predict", add_help=False)
    parser.error = fail  # type: ignore[method-assign]  # one line instead of the usage
    parser.add_argument("text", nargs="*", help="texts to classify; default: --file or standard input")
    parser.add_argument("--file", help="a table, or a file with one text per line")
    parser.add_argument("--text-column", action="append", help="the column of a table with the texts")
    parser.add_argument("--pair-column", help="the column of a table with the second texts of pairs")
    parser.add_argument("--delimiter", help="of the cells of a table: one character, or comma, semicolon, tab, pipe")
    parser.add_argument("--quoting", choices=("true", "false"), help="whether cells of a table may be quoted")
    parser.add_argument("--encoding", help="of the file, if it is not UTF-8 and has no byte order mark")
    parser.add_argument("--header", choices=("true", "false"), help="whether the first row has the names of the columns")
    parser.add_argument("--format", choices=("jsonl", "csv"), default="jsonl", help="format of the answers (default: jsonl)")
    parser.add_argument("--model", help="an artifact directory instead of the champion")
    parser.add_argument("--threads", type=int, default=1, help="number of threads (default: 1)")
    parser.add_argument("--workers", type=int, default=1, help="number of processes for --file (default: 1)")
    place = arguments.index("--") if "--" in arguments else len(arguments)
    options = parser.parse_args(arguments[:place])
    options.overrides = arguments[place + 1 :]
    for name in ("threads", "workers"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} {getattr(options, name)}: must be at least 1")
    if options.workers > 1 and not options.file:
        parser.error(f"--workers {options.workers}: several processes need many texts, give --file")
    if options.text and options.file:
        parser.error("give texts or --file, not both")
    if options.model and options.overrides:
        parser.error(f"--model already selects the classifier; remove the settings after --: {' '.join(options.overrides)}")
    return options
