"""A large data set loads and trains in little memory: so many bytes a row that a million rows stay below 2 GB."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.evaluation.latency.process import ROOT

MAX_BYTES = 2 * 2**30 / 1_000_000  # a row
SMALL, LARGE, LABELS = 8_000, 40_000, 1_000
NOISE = 2**25  # bytes: by so much differs what allocators of several threads keep, from run to run
PROGRAM = """
import json, re, sys
from pathlib import Path
from pipeline.commands.configuration.compose import configs, parse_arguments
from pipeline.steps.base import Context
from pipeline.steps.execute import run_steps
from pipeline.steps.store import Store

folder, labels = Path(sys.argv[1]), int(sys.argv[2])
peaks = []
for rows in map(int, sys.argv[3:]):
    for split, count in (("train", rows), ("validation", rows // 4), ("test", rows // 8)):
        lines = (f"{split} {i * 7919 % 99991} of a{i % labels} b{i * 31 % 4999},topic {i % labels}\\n" for i in range(count))
        (folder / f"{split}.csv").write_text("text,label\\n" + "".join(lines))
    files = [f"data.{split}={folder}/{split}.csv" for split in ("train", "validation", "test")]
    how = ["epochs=1", "batch_size=512", "learning_rate=1e-3", "bfloat16=never"]
    words = ["optim=baseline", "backbone=tiny", "backbone.max_length=32", "data=files", *files]
    words += [f"backbone.teacher.finetune.{each}" for each in how]
    config = next(configs(parse_arguments(words))).config
    context = Context(config.data.load(0), config.backbone, 0)
    run_steps(config.optim, context, Store(folder / str(rows)))
    del context
    peaks.append(1024 * int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]))
print(json.dumps(peaks))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak of the memory is read from /proc")
def test_memory_grows_by_less_than_two_kilobytes_a_training_text(tmp_path: Path) -> None:
    arguments = [str(tmp_path), str(LABELS), str(SMALL), str(LARGE)]
    done = subprocess.run([sys.executable, "-c", PROGRAM, *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    small, large = json.loads(done.stdout.splitlines()[-1])
    grown = (large - small) / (LARGE - SMALL)
    print(f"{grown:.0f} bytes a row")
    assert large - small < MAX_BYTES * (LARGE - SMALL) + NOISE
