"""What the machine is and what else it does: with processes that keep a core busy."""

import contextlib
import os
import platform
import subprocess
import sys
import time
from collections import namedtuple
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cpuinfo
import psutil
import pytest

from pipeline.system import cores, cpu
from pipeline.system.machine import (
    Conditions,
    LoadMonitor,
    least_busy_cores,
    load_average,
    machine,
    machine_name,
    unknown_facts,
)

Elsewhere = namedtuple("Elsewhere", ["user", "system", "idle"])  # other systems tell no steal
SHORT_S = 0.3
QUIET = Conditions(load_before=0.1, busy_before=0.0, busy_others=0.02, steal=0.0, wall_s=10.0, own_cpu_share=0.001)
pinning = pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this platform has no CPU affinity")


@contextlib.contextmanager
def busy(core: int) -> Iterator[psutil.Process]:
    """A process that keeps one core busy; it is busy already."""
    code = f"import os\nos.sched_setaffinity(0, [{core}])\nprint(flush=True)\nwhile True: pass"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None and process.stdout.readline()
        yield psutil.Process(process.pid)
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def one_core() -> Iterator[int]:
    """The quietest core, the only one that this process may use for the time of a test."""
    before = os.sched_getaffinity(0)
    [core] = least_busy_cores(1)
    os.sched_setaffinity(0, {core})
    yield core
    os.sched_setaffinity(0, before)


def seen() -> Conditions:
    watch = LoadMonitor.start(settle_s=SHORT_S)
    time.sleep(SHORT_S)
    return watch.stop()


def others(conditions: Conditions) -> float:
    assert conditions.busy_others is not None
    return conditions.busy_others


def skip_if_full(quiet: Conditions, count: int) -> None:
    if others(quiet) > count - 0.7:
        pytest.skip("something else keeps every core busy, so one more busy process makes no difference")


@pinning
def test_a_watch_reports_a_process_that_keeps_a_core_busy(one_core: int) -> None:
    quiet = seen()
    skip_if_full(quiet, 1)
    with busy(one_core):
        loud = seen()
    assert others(loud) > others(quiet) + 0.5 and others(loud) < 1.2
    assert loud.busy_before is not None and loud.busy_before > 0.7
    assert loud.contended is not None and "other processes used" in loud.contended
    assert loud.wall_s >= SHORT_S and loud.own_cpu_share < 0.1


@pinning
def test_what_we_use_ourselves_is_not_counted_as_others(one_core: int) -> None:
    with busy(one_core) as worker:
        watch, before = LoadMonitor.start(settle_s=0), sum(worker.cpu_times()[:2])
        end = time.perf_counter() + 2 * SHORT_S
        while time.perf_counter() < end:
            pass
        own_s = sum(worker.cpu_times()[:2]) - before
    conditions = watch.stop()  # it has ended: only then is its time known to be ours
    ours = conditions.own_cpu_share + own_s / conditions.wall_s
    assert conditions.own_cpu_share > 0 and own_s > 0
    assert others(conditions) + ours < 1.15  # one core has no more


@pinning
def test_the_quietest_core_is_not_the_busy_one(monkeypatch: pytest.MonkeyPatch) -> None:
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        pytest.skip("this process may use one core only")
    glances: list[cores.Times] = []
    monkeypatch.setattr("pipeline.system.machine.core_times", lambda: glances.append(cores.core_times()) or glances[-1])  # type: ignore[func-returns-value]
    [chosen] = least_busy_cores(1)
    with busy(chosen):
        seen_idle = 0
        for _ in range(10):  # what else runs may keep the other cores busy: only a glance that saw an idle one tells
            [found] = least_busy_cores(1)
            before, after = glances[-2:]
            used_s = cores.seconds_spent(before, after, cores.BUSY)
            if used_s[chosen] > 0.1 and min(used_s.values()) < 0.02:
                seen_idle += 1
                assert found != chosen
    assert least_busy_cores(len(allowed)) == least_busy_cores(10**6) == allowed
    if not seen_idle:
        pytest.skip("something else keeps every core busy")


def test_of_idle_cores_the_fast_ones_of_different_physical_cores_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    idle = Elsewhere(0.0, 0.0, 0.0)
    monkeypatch.setattr("pipeline.system.machine.allowed_cores", lambda: list(range(8)))
    monkeypatch.setattr("pipeline.system.machine.core_times", lambda: dict.fromkeys(range(8), idle))
    monkeypatch.setattr("pipeline.system.machine.capacity", lambda core: 50 if core < 4 else 30)  # 4 to 7 are slow ones
    monkeypatch.setattr(
        "pipeline.system.machine.siblings", lambda core: {core // 2 * 2, core // 2 * 2 + 1} if core < 4 else {core}
    )
    assert [least_busy_cores(count) for count in (1, 2, 3)] == [[3], [1, 3], [1, 3, 7]]
    moments = iter([dict.fromkeys(range(8), idle), dict.fromkeys(range(8), idle) | {3: Elsewhere(0.09, 0.0, 0.0)}])
    monkeypatch.setattr("pipeline.system.machine.core_times", lambda: next(moments))
    assert least_busy_cores(1) == [2]  # a fast one that is half busy is not taken


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, None),
        ({"busy_others": 0.9}, "other processes used 0.9 cores while it was measured"),
        ({"steal": 0.2}, "the hypervisor took 20% of the processor's time while it was measured"),
        ({"busy_before": 1.8}, "1.8 cores were busy just before it was measured"),
        ({"busy_others": 2.0, "cores": 64}, None),  # on so many cores a little is always done
        ({"busy_others": 9.0, "cores": 64}, "other processes used 9.0 cores while it was measured"),
        ({"busy_others": None, "steal": None, "busy_before": None, "load_before": None}, None),
    ],
)
def test_conditions_say_in_a_phrase_why_a_latency_is_doubtful(changes: dict[str, float | None], words: str | None) -> None:
    assert replace(QUIET, **changes).contended == words  # type: ignore[arg-type]


def test_what_is_not_known_is_no_metric() -> None:
    assert QUIET.metrics() == {
        "machine/load_before": 0.1, "machine/busy_before_cores": 0.0, "machine/busy_others_cores": 0.02,
        "machine/steal": 0.0, "machine/parent_cpu": 0.001,
    }  # fmt: skip
    unknown = replace(QUIET, load_before=None, busy_before=None, busy_others=None, steal=None)
    assert unknown.metrics() == {"machine/parent_cpu": 0.001}


def test_the_machine_says_what_it_is_and_leaves_out_what_is_not_told() -> None:
    told = machine()
    assert told["flags"] == sorted(set(told["flags"]) & cpu.flags()) and None not in told.values()
    assert 1 <= told["cores"] <= told["machine_cores"] and told["memory_gb"] > 0
    assert machine_name() == f"{told['cpu']}, {told['cores']} cores, {platform.system()} {platform.machine()}"
    assert ("governor" in told) != ("no frequency governor" in unknown_facts())


def test_the_processors_name_is_the_one_that_py_cpuinfo_gives() -> None:
    assert cpu.brand() == cpuinfo.get_cpu_info().get("brand_raw", platform.processor() or "unknown")


def test_a_platform_without_affinity_or_proc_works_and_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.delattr(os, "getloadavg", raising=False)
    monkeypatch.setattr(cores, "ROOT", tmp_path)
    clock = iter(range(100))
    monkeypatch.setattr(psutil, "cpu_times", lambda percpu: [Elsewhere(float(next(clock)), 1.0, 1.0)] * 2)
    assert least_busy_cores(1) == [] and load_average() is None
    assert machine.__wrapped__()["cores"] == os.cpu_count()
    conditions = LoadMonitor.start(settle_s=0).stop()
    assert conditions.steal is None and conditions.load_before is None and others(conditions) > 0
    phrases = " ".join(unknown_facts())
    assert (
        all(words in phrases for words in ("affinity", "governor", "load average", "steal")) and "CPU times" not in phrases
    )


def test_a_sandbox_that_shows_zeros_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    zeros = [psutil.cpu_times()._replace(**dict.fromkeys(psutil.cpu_times()._fields, 0.0))] * (os.cpu_count() or 1)
    monkeypatch.setattr(psutil, "cpu_times", lambda percpu: zeros)
    conditions = LoadMonitor.start(settle_s=0).stop()
    assert (conditions.busy_others, conditions.busy_before, conditions.steal, conditions.contended) == (None,) * 4
    assert any("CPU times" in phrase for phrase in unknown_facts())
