"""Look at a data set before anything is trained: labels, lengths, repeated texts, words.

python -m pipeline data data=files data.train=tickets.csv data.label_column=category
python -m pipeline data data=clinc150 backbone=bert_base backbone.max_length=auto

It also tells what the most frequent answer and tf-idf reach on validation. It prints what it finds, and writes the
same as one HTML page with plots and as JSON below mlruns/data/; rows and findings also as data_report.md, as a run has
it. Lengths are in tokens of backbone.teacher. Test texts are counted and compared with the others; nothing is learned
from them.
Other settings are those of python -m pipeline.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path

from pipeline.commands.configuration.compose import one_config
from pipeline.config import Config
from pipeline.errors import DataError


def main(arguments: Sequence[str]) -> None:
    """Takes the overrides of a run."""
    text, page, file = look(one_config(arguments))
    print(f"{text}\n\npage: {os.path.relpath(page)}\njson: {os.path.relpath(file)}")


def look(config: Config) -> tuple[str, Path, Path]:
    """Look at the data; returns the text, and the paths of page and JSON. Raises UserError for data that can't be used."""
    from pipeline.data import row_counts
    from pipeline.evaluation.overview.examine import STAGES, examine
    from pipeline.models import checkpoints
    from pipeline.models.outline import outline_of_weights
    from pipeline.models.outputs import with_those_of_the_checkpoint
    from pipeline.models.text_length import read_length, resolve
    from pipeline.reporting import overview_text
    from pipeline.reporting.page import overview
    from pipeline.system.progress import bar

    checkpoints.check(config.backbone)
    splits = config.data.load(config.seed)
    if not len(splits.train):
        raise DataError("data.train is not set, and there is nothing to look at before a training without it")
    splits = with_those_of_the_checkpoint(config.backbone, splits)
    outline = outline_of_weights(config.backbone, "teacher", list(splits.labels), config.seed, splits.label_names)
    backbone, splits = resolve(config.backbone, splits, config.seed, outline)
    tokenizer, names = outline.tokenizer.backend_tokenizer, (config.data.name, backbone.name)
    with bar("looking at the data", "part", STAGES) as progress:

        def tell(what: str) -> None:
            progress.set_postfix_str(what)
            progress.update()

        found = examine(splits, tokenizer, read_length(backbone, tokenizer), names, config.seed, tell)
    folder = config.folder("data")
    folder.mkdir(parents=True, exist_ok=True)
    page, file = folder / "overview.html", folder / "overview.json"
    (folder / row_counts.FILE).write_text(row_counts.report(splits.rows, found.findings), encoding="utf-8")
    page.write_text(overview.render(found), encoding="utf-8")
    file.write_text(json.dumps(found.plain(), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return overview_text.text(found), page, file
