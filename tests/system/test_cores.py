"""What the system tells of the cores, by samples of its files."""

import os
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest

from pipeline.system import cores


class Spent(NamedTuple):
    user: float


@pytest.mark.parametrize(
    ("cgroup", "files", "quota"),
    [
        ("0::/", {"cpu.max": "150000 100000"}, 1.5),
        ("0::/a/b", {"a/b/cpu.max": "max 100000", "a/cpu.max": "200000 100000", "cpu.max": "max 100000"}, 2.0),
        ("0::/a/b", {"a/b/cpu.max": "50000 100000", "a/cpu.max": "200000 100000"}, 0.5),
        ("0::/docker/1f", {"cpu.max": "300000 100000"}, 3.0),  # the path is the host's, the files are the container's
        ("0::/", {"cpu.max": "max 100000"}, None),
        ("4:cpu,cpuacct:/a\n0::/b", {"cpu,cpuacct/a/cpu.cfs_quota_us": "5", "cpu,cpuacct/a/cpu.cfs_period_us": "10"}, 0.5),
        ("2:pids:/a\n1:cpu:/", {"cpu/a/cpu.cfs_quota_us": "5", "cpu/a/cpu.cfs_period_us": "10"}, None),  # not its own
        ("1:cpu:/", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        (None, {}, None),
    ],
)
def test_the_quota_is_the_smallest_on_the_way_up(
    cgroup: str | None, files: dict[str, str], quota: float | None, tmp_path: Path
) -> None:
    told = {f"sys/fs/cgroup/{name}": text for name, text in files.items()}
    write(tmp_path, told if cgroup is None else told | {"proc/self/cgroup": f"{cgroup}\n"})
    assert cores.quota_cores(tmp_path) == quota


@pytest.mark.parametrize(
    ("cgroup", "files", "left"),
    [
        ("0::/a", {"a/memory.max": "3000", "a/memory.current": "1000", "memory.max": "max", "memory.current": "9"}, 2000),
        ("0::/a", {"a/memory.max": "3000", "a/memory.current": "3500"}, 0),
        ("3:memory:/", {"memory/memory.limit_in_bytes": "500", "memory/memory.usage_in_bytes": "100"}, 400),
        ("0::/", {"memory.max": "max", "memory.current": "100"}, None),
        (None, {}, None),
    ],
)
def test_free_memory_is_what_the_tightest_limit_leaves(
    cgroup: str | None, files: dict[str, str], left: int | None, tmp_path: Path
) -> None:
    told = {f"sys/fs/cgroup/{name}": text for name, text in files.items()}
    write(tmp_path, told if cgroup is None else told | {"proc/self/cgroup": f"{cgroup}\n"})
    found = cores.free_memory(tmp_path)
    assert found == left if left is not None else found > 10**6


def test_governors_and_siblings_are_those_of_the_allowed_cores(tmp_path: Path) -> None:
    folder = "sys/devices/system/cpu"
    names = ["performance", "performance", "powersave"]
    write(tmp_path, {f"{folder}/cpu{core}/cpufreq/scaling_governor": f"{name}\n" for core, name in enumerate(names)})
    write(
        tmp_path, {f"{folder}/cpu{core}/topology/thread_siblings_list": f"{core % 2},{core % 2 + 2}\n" for core in range(4)}
    )
    write(tmp_path, {f"{folder}/cpu4/topology/thread_siblings_list": "4\n"})
    assert cores.governor([0, 1], tmp_path) == "performance" and cores.governor([1, 2], tmp_path) == "performance, powersave"
    assert cores.governor([4], tmp_path) is None and cores.governor([], tmp_path) is None
    assert cores.smt_siblings([0, 1, 2], tmp_path) == ["0,2", "1,3"] and cores.smt_siblings([4], tmp_path) == []
    assert cores.smt_siblings([5], tmp_path) is None


def test_of_each_core_its_siblings_and_how_fast_it_is(tmp_path: Path) -> None:
    folder = "sys/devices/system/cpu"
    lists = {0: "0-1", 1: "0-1", 2: "2,6", 3: "3"}
    write(tmp_path, {f"{folder}/cpu{core}/topology/thread_siblings_list": f"{text}\n" for core, text in lists.items()})
    assert [cores.siblings(core, tmp_path) for core in (0, 2, 3, 4)] == [{0, 1}, {2, 6}, {3}, {4}]
    write(tmp_path, {f"{folder}/cpu0/cpufreq/cpuinfo_max_freq": "4700000\n", f"{folder}/cpu1/cpu_capacity": "1024\n"})
    assert [cores.capacity(core, tmp_path) for core in (0, 1, 2)] == [4700000, 1024, 0]


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this platform has no CPU affinity")
def test_a_core_that_is_switched_off_does_not_shift_the_others(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write(tmp_path, {"proc/stat": "cpu  9 9 9 9\ncpu0 1 1 1 1\ncpu2 2 2 2 2\nintr 0\n"})
    monkeypatch.setattr(cores, "ROOT", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {2})
    monkeypatch.setattr(psutil, "cpu_times", lambda percpu: [Spent(1.0), Spent(2.0)])
    assert cores.core_times() == {2: Spent(2.0)}
