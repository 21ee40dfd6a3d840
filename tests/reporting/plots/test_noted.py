"""A plot is one file: what a step noted is drawn by whichever file says that it draws that note."""

import importlib
import pkgutil
import re
import sys
from pathlib import Path

import pytest

import pipeline
from pipeline.reporting import plots
from pipeline.reporting.plots import noted

GUIDE = Path(pipeline.__file__).with_name("README.md")


def test_a_plot_of_a_note_is_added_by_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "package").mkdir()
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    (new,) = [block for block in blocks if "NOTED" in block]
    (tmp_path / "package" / "label_counts.py").write_text(new, encoding="utf-8")
    monkeypatch.setattr(plots, "__path__", [*plots.__path__, str(tmp_path / "package")])
    (tmp_path / "drawn").mkdir()
    try:
        noted.save({"label_counts": {"music": 3, "weather": 5}, "nothing": []}, tmp_path / "drawn")
    finally:
        sys.modules.pop(f"{plots.__name__}.label_counts", None)
    assert {file.name for file in (tmp_path / "drawn").iterdir()} == {"label_counts.png", "label_counts.svg"}


def test_notes_without_a_plot_draw_nothing(tmp_path: Path) -> None:
    noted.save({"nothing": [], "metrics": {}}, tmp_path)
    assert not list(tmp_path.iterdir())


def test_every_plot_can_be_drawn_and_saved_and_no_two_are_of_the_same_note() -> None:
    names = {module.name for module in pkgutil.iter_modules(plots.__path__)} - {"style", "noted"}
    modules = [importlib.import_module(f"{plots.__name__}.{name}") for name in sorted(names)]
    assert len(modules) >= 8
    assert all(callable(module.save) and callable(module.draw) for module in modules)
    notes = [module.NOTED for module in modules if hasattr(module, "NOTED")]
    assert len(set(notes)) == len(notes) > 0
