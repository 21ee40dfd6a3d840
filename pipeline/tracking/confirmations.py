"""How often the test split of an experiment has confirmed something: the more often, the likelier one passes by chance."""

import hashlib
from typing import Any

PREFIX = "confirmation"


def count_confirmation(client: Any, experiment_id: str, run_id: str, judged: str) -> int:
    """Which confirmation on the run's test split this is, counted from 1, in tags of the experiment.

    `judged` says what was confirmed: the same again is no further one. Data are told apart by the run's `data_hash`.
    """
    data_hash = client.get_run(run_id).data.tags["data_hash"]
    key = f"{PREFIX}.{data_hash[:16]}."
    name = key + hashlib.sha256(f"{run_id} {judged}".encode()).hexdigest()[:16]
    before = {tag: value for tag, value in client.get_experiment(experiment_id).tags.items() if tag.startswith(key)}
    if name not in before:
        client.set_experiment_tag(experiment_id, name, str(len(before) + 1))
    return int(before.get(name, len(before) + 1))
