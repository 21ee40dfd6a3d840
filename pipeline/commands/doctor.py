"""Why is it not faster? One page of findings about a classifier, each with what to do.

python -m pipeline doctor distillation_onnx_int8                  the newest run of an optimization
python -m pipeline doctor distillation_onnx_int8 data=clinc150    in another experiment
python -m pipeline doctor RUN_ID                                 a run, by its id in MLflow

The page is also kept as doctor.md with the run. Other settings are those of python -m pipeline.
"""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.commands.configuration.compose import one_config
from pipeline.errors import ConfigError, DataError

if TYPE_CHECKING:
    from pipeline.config import Config
    from pipeline.evaluation.doctor.facts import Facts
    from pipeline.tracking.find import Subject

TEXTS = 50
SENTENCES = [
    "hello", "what is my balance", "please play the next song", "will it rain in the mountains tomorrow afternoon",
    "can you move my appointment with the dentist from monday to the following week", "thanks", "where is my parcel",
    "I was charged twice for the same order and would like to have one of the two payments back as soon as possible",
]  # fmt: skip


def main(arguments: Sequence[str]) -> None:
    """Takes a run id or the name of an optimization, then the overrides of a run."""
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):  # what is not there already is not worth a download
        os.environ[name] = "1"
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # torch's profiler says when it starts and stops
    if not arguments or "=" in arguments[0] or arguments[0].startswith("-"):
        raise ConfigError("name a run or an optimization first: python -m pipeline doctor distillation_onnx_int8")
    diagnose(arguments[0], one_config(arguments[1:]))


def texts_for(config: "Config", data_hash: str | None, data_name: str) -> tuple[list[str], str]:
    """Texts to run the classifier on, and what they are: of the run's own test split if the configuration names its data."""
    fixed = f"{len(SENTENCES)} fixed sentences"
    try:
        splits = config.data.load(config.seed)  # type: ignore[attr-defined]  # every registered source has it
    except DataError as error:
        return SENTENCES, f"{fixed} (no data: {error})"
    if splits.content_hash != data_hash:
        return SENTENCES, f"{fixed} (the run's data, {data_name}, is not what data=... and seed=... give)"
    texts = list(splits.test["text"])
    chosen = texts[:: max(1, len(texts) // TEXTS)][:TEXTS]
    return chosen, f"{len(chosen)} texts of the test split"


def diagnose(word: str, config: "Config") -> None:
    """Print the page on a run or an optimization and keep it with the run.

    Raises UserError when there is no such run, or no artifact of it.
    """
    from pipeline.evaluation.doctor import page
    from pipeline.evaluation.doctor.examine import examine
    from pipeline.evaluation.doctor.findings import findings
    from pipeline.system import locks
    from pipeline.tracking.artifacts import artifact_of
    from pipeline.tracking.find import find

    subject = find(word, config)
    with tempfile.TemporaryDirectory() as name:
        artifact = artifact_of(subject.client, subject.run, Path(config.track.root).resolve(), Path(name))
        data = subject.run.data.params.get("data", "unknown")
        with locks.shared():
            texts, told = texts_for(config, subject.tags.get("data_hash"), data)
            facts = examine(artifact, config.measure.threads, texts, Path(name))
    head = heading(subject, facts, told)
    made = page.Page(f"{subject.tags['optim']}: why is it not faster?", head, findings(facts), page.tables(facts))
    subject.client.log_text(subject.run_id, made.markdown(), "doctor.md")
    print(f"{made.plain()}\n\nkept as doctor.md with run {subject.run_id}")


def heading(subject: "Subject", facts: "Facts", texts: str) -> list[str]:
    """What was examined, how fast it was measured to be, and how the shares came about."""
    from pipeline.system.cpu import brand

    tags, metrics = subject.tags, subject.metrics
    lines = [
        f"run {subject.run_id}: runtime {facts.runtime}, {sum(facts.sizes.values()) / 2**20:.1f} MB, "
        f"{'unknown' if facts.network is None else len(facts.network.products)} products with weights; on {brand()}"
    ]
    speedup, low, high = (metrics.get(f"delta/speedup{bound}") for bound in ("", "_low", "_high"))
    if speedup is not None and tags.get("role") != "baseline":
        interval = f", 95 % interval {low:.2f} to {high:.2f}" if low is not None and high is not None else ""
        verdict = f": {tags['verdict']}" if "verdict" in tags else ""
        lines.append(f"measured: {speedup:.2f}x as fast as {tags.get('baseline', 'the baseline')}{interval}{verdict}")
    if "contended" in tags:
        lines.append(f"that measurement is doubtful: {tags['contended']}")
    measured = subject.run.data.params.get("threads", str(facts.threads))
    if measured != str(facts.threads):
        lines.append(f"the run was measured with {measured} thread(s), and is examined here with {facts.threads}")
    if tags.get("machine", "") and not tags["machine"].startswith(brand()):
        lines.append(f"the run was measured on another machine: {tags['machine']}")
    return [*lines, f"shares of time: {texts}, one at a time, under the runtime's own profiler, which slows small operators"]
