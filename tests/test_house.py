"""The house: few loose modules, short files, rooms that say what is in them, imports that run down, tests in such rooms."""

import ast
import re
import statistics
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import grimp
import pytest

import pipeline
from pipeline.evaluation.latency.process import ROOT

PACKAGE = Path(pipeline.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
ROOMS = sorted(path.parent for path in PACKAGE.glob("*/__init__.py"))
LOOSE = {"__main__", "cli", "config", "errors", "run"}
LOOSE_TESTS = {"conftest", "test_config", "test_house", "test_run", "test_run_again", "test_run_ends", "test_wheel"}


def modules(folder: Path) -> set[str]:
    return {path.stem for path in folder.glob("*.py")} - {"__init__"}


def test_no_module_is_loose_but_the_five() -> None:
    assert modules(PACKAGE) <= LOOSE


def test_files_are_short() -> None:
    lines = {file: len(file.read_text(encoding="utf-8").splitlines()) for file in FILES}
    assert len(lines) > 100 and statistics.median(lines.values()) <= 120
    assert [file.name for file, count in lines.items() if count > 300] == []


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: str(room.name))
def test_a_room_says_what_is_in_it(room: Path) -> None:
    told = ast.get_docstring(ast.parse((room / "__init__.py").read_text(encoding="utf-8"))) or ""
    assert len(told.split()) >= 5 and told[0].isupper() and told.rstrip().endswith("."), told


def test_imports_run_down_only() -> None:
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run([sys.executable, "-c", program, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and "0 broken" in done.stdout, done.stdout + done.stderr


def test_no_modules_import_each_other() -> None:
    graph = grimp.build_graph("pipeline", exclude_type_checking_imports=True, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert sum(map(len, imports.values())) > 500
    TopologicalSorter(imports).prepare()  # raises CycleError, which names them


def test_make_help_lists_every_target_and_the_hooks_are_what_lint_runs() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    told = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert {line.split()[1] for line in told.splitlines()} == targets >= {"test-fast", "format", "lint"}
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony is not None and set(phony[1].split()) == targets
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    lint = makefile[makefile.index("\nlint:") : makefile.index("\ncheck:")]
    assert set(re.findall(r"\.venv/bin/\S+", hooks)) == set(re.findall(r"\.venv/bin/\S+", lint))


def test_tests_lie_in_the_rooms_of_what_they_test() -> None:
    tests = Path(__file__).parent
    assert modules(tests) <= LOOSE_TESTS
    rooms = {path.name for path in tests.iterdir() if path.is_dir() and list(path.glob("*.py"))}
    assert rooms - {"support"} <= {room.name for room in ROOMS}
