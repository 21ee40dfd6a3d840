"""Examines the artifact of a run with the doctor and logs the page of findings with the run."""

import tempfile
from pathlib import Path

from pipeline.config import Config
from pipeline.evaluation.doctor import page
from pipeline.evaluation.doctor.examine import examine
from pipeline.evaluation.doctor.facts import Facts
from pipeline.evaluation.doctor.findings import findings
from pipeline.evaluation.doctor.texts import texts_for
from pipeline.runtimes.base import Description
from pipeline.system import locks
from pipeline.system.cpu import brand
from pipeline.tracking.artifacts import artifact_of
from pipeline.tracking.find import FoundRun, find


def diagnose(word: str, config: Config) -> tuple[page.Page, str]:
    """Examine a run, given by its id or by the name of an optimization. Returns the page and the run's id.

    The page is logged as doctor.md. Raises UserError if there is no such run or no artifact of it.
    """
    found = find(word, config)
    with tempfile.TemporaryDirectory() as name:
        artifact = artifact_of(found.client, found.run, Path(config.track.root).resolve(), Path(name))
        data = found.run.data.params.get("data", "unknown")
        with locks.shared():
            pairs = Description.read(artifact).kind.pairs
            texts, origin = texts_for(config, found.tags.get("data_hash"), data, pairs)
            facts = examine(artifact, config.measure.threads, texts, Path(name))
    title = f"{found.tags['optim']}: why is it not faster?"
    made = page.Page(title, heading(found, facts, origin), findings(facts), page.tables(facts))
    found.client.log_text(found.run_id, made.markdown(), "doctor.md")
    return made, found.run_id


def heading(found: FoundRun, facts: Facts, texts: str) -> list[str]:
    """The lines above the findings: the run, its measured speed-up, doubts about it, how shares of time were measured."""
    tags, metrics = found.tags, found.metrics
    lines = [
        f"run {found.run_id}: runtime {facts.runtime}, {sum(facts.sizes.values()) / 2**20:.1f} MB, "
        f"{'unknown' if facts.network is None else len(facts.network.products)} products with weights; on {brand()}"
    ]
    speedup, low, high = (metrics.get(f"delta/speedup{bound}") for bound in ("", "_low", "_high"))
    if speedup is not None and tags.get("role") != "baseline":
        interval = f", 95 % interval {low:.2f} to {high:.2f}" if low is not None and high is not None else ""
        verdict = f": {tags['verdict']}" if "verdict" in tags else ""
        lines.append(f"measured: {speedup:.2f}x as fast as {tags.get('baseline', 'the baseline')}{interval}{verdict}")
    if "contended" in tags:
        lines.append(f"that measurement is doubtful: {tags['contended']}")
    measured = found.run.data.params.get("threads", str(facts.threads))
    if measured != str(facts.threads):
        lines.append(f"the run was measured with {measured} thread(s); here it is examined with {facts.threads}")
    if tags.get("machine", "") and not tags["machine"].startswith(brand()):
        lines.append(f"the run was measured on another machine: {tags['machine']}")
    return [*lines, f"shares of time: {texts}, one at a time, under the runtime's own profiler, which slows small operators"]
