"""`decide`: what it tells beside the decision."""

import json
from dataclasses import replace

import numpy as np

from pipeline.commands.decide import example
from pipeline.evaluation.evidence import Evidence
from pipeline.tasks.inputs import of_json
from tests.support.candidates import SMALL, answered


def test_the_next_command_asks_for_what_the_classifier_takes() -> None:
    assert example(SMALL) == example(replace(SMALL, evidence=(answered(np.ones(3, dtype=bool)),))) == "a text"
    pairs = Evidence(texts=(("one", "other"),), right=np.ones(1, dtype=bool))
    assert isinstance(of_json(json.loads(example(replace(SMALL, evidence=(pairs,))))), tuple)
