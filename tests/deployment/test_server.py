"""The exported server, run without Docker and with its runtime alone: answers, batches, limits, metrics, and how it ends."""

import json
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.deployment import exporting, server
from pipeline.deployment.serve.answers import Answerer
from pipeline.errors import ConfigError
from pipeline.runtimes.base import Description
from tests.support import instant
from tests.support.load_generator import ask, load
from tests.support.serving import free_port
from tests.support.waiting import LIMIT_S, wait_for

pytestmark = pytest.mark.slow

LABELS = ["weather", "music", "food"]
ALONE = """
import runpy, sys
sys.path.insert(0, ".")
for name in ("torch", "transformers", "pipeline", "mlflow"):
    sys.modules[name] = None  # importing it fails
runpy.run_path("server.py", run_name="__main__")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `export --docker` writes."""
    scratch = tmp_path_factory.mktemp("served")
    told = exporting.export(instant.write(scratch / "artifact", LABELS), scratch / "exported", container=True)
    assert re.fullmatch(r"image: about \d+ MB: python \d+, \d+ packages \d+ \(.*onnxruntime \d+.*\), model \d+", told[1]), (
        told
    )
    return scratch / "exported"


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """Its address, and its process."""
    port = free_port()
    command = [
        sys.executable,
        "-c",
        f"import sys; sys.path.insert(0, '.')\n{ALONE}",
        "--port",
        f"{port}",
        "--characters",
        "40",
    ]
    process = subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: get(f"{address}/health")[0] == 200, process)
        yield address, process
    finally:
        process.kill()
        process.wait()


def get(address: str, body: bytes | None = None) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(urllib.request.Request(address, body), timeout=LIMIT_S) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def test_the_files_of_a_container(folder: Path) -> None:
    docker = (folder / "Dockerfile").read_text(encoding="utf-8")
    assert '"--host", "0.0.0.0"' in docker and "USER 1000" in docker and "torch" not in docker
    named = [line.partition("==")[0] for line in (folder / "requirements.txt").read_text(encoding="utf-8").split()]
    assert named == ["numpy", "tokenizers", "onnxruntime"]
    code = (folder / "server.py").read_text(encoding="utf-8")
    assert len([line for line in code.splitlines() if line.strip()]) < 100 and '"host": "127.0.0.1"' in code
    assert "docker build" in (folder / "README.md").read_text(encoding="utf-8")


def test_it_answers_many_clients_in_batches_counts_them_and_ends_when_they_have_their_answers(
    running: tuple[str, "subprocess.Popen[bytes]"], folder: Path
) -> None:
    address, process = running
    texts = ["play a song", "rain", "no pizza", "is it sunny"]
    expected = [answer._asdict() for answer in Answerer(folder)(texts)]
    assert [each | {"score": pytest.approx(each["score"])} for each in expected] == ask(address, texts)
    for body, status, told in (
        (b"{", 400, "expected"), (b'{"inputs": [1]}', 400, "expected"), (b'{"inputs": [{"text": "a"}]}', 400, "expected"),
        (json.dumps({"inputs": ["rain", "a" * 41]}).encode(), 413, "more than 40 characters"),
    ):  # fmt: skip
        assert (found := get(f"{address}/invocations", body))[0] == status and told in found[1]
    assert get(f"{address}/nothing")[0] == 404
    told_of_load = load(address, "play a song", clients=8, requests=25)
    assert told_of_load["requests"] == 200 and told_of_load["p50_ms"] < 1000
    metrics = dict(line.rsplit(" ", 1) for line in get(f"{address}/metrics")[1].splitlines() if not line.startswith("#"))
    counted = {name: float(value) for name, value in metrics.items()}
    assert counted['classifier_requests_total{status="200"}'] == 201 and counted["classifier_seconds_count"] == 205
    assert counted['classifier_requests_total{status="400"}'] == 3 and counted['classifier_seconds_bucket{le="+Inf"}'] == 205
    assert 1 <= counted["classifier_batches_total"] <= 201
    late: list[object] = []
    many = [f"play a song {number}" for number in range(20000)]
    client = threading.Thread(target=lambda: late.append(ask(address, many)))
    client.start()
    time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    client.join()
    assert process.wait(LIMIT_S) == 0 and len(late[0]) == len(many)  # type: ignore[arg-type]
    assert get(f"{address}/health")[0] == 0


def test_what_the_classifier_raises_is_told_to_all_of_a_batch() -> None:
    def broken(data: object) -> object:
        raise RuntimeError("no memory")

    one = object.__new__(server.Server)
    one.answer, one.counts = broken, {"batches_total": 0.0}
    requests = [[["a"], 0, None], [["b", "c"], 0, None]]
    one.compute(requests)
    assert requests[0][1:] == requests[1][1:] == [500, {"error": "RuntimeError: no memory"}]


def test_an_incomplete_artifact_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "artifact").mkdir()
    Description("onnx", LABELS, 8).write(tmp_path / "artifact")
    with pytest.raises(ConfigError, match=r"can't be read .*; make it again with python -m pipeline"):
        exporting.export(tmp_path / "artifact", tmp_path / "exported", container=True)
    assert not (tmp_path / "exported").exists()
