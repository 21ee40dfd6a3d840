"""The sources of data: one registered dataclass for each `kind` in `conf/data/`, with `load(seed) -> Splits`.

Importing this module is cheap; pyarrow and datasets are imported when a source is loaded.
"""

import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.config import MISSING, DataSource, kind, setting
from pipeline.data.formats import DELIMITERS
from pipeline.errors import ConfigError, DataError, nearest
from pipeline.tasks import MultiLabel, SingleLabel
from pipeline.tasks.inputs import TEXT_PAIR

if TYPE_CHECKING:
    from pipeline.data.splits import RawSplit, Splits

QUICKSTART = Path(__file__).parent / "quickstart"
CLINC_FILE_KEYS = {"train": ("train", "oos_train"), "validation": ("val", "oos_val"), "test": ("test", "oos_test")}


@kind("data", "files")
@dataclass(frozen=True)
class Files(DataSource):
    """One to three files of the user; missing splits are drawn from train, stratified by label."""

    train: str = MISSING
    validation: str | None = None
    test: str | None = None
    text_column: str = "text"
    label_column: str = "label"
    validation_fraction: float = setting(0.1, above=0, max=0.5)
    test_fraction: float = setting(0.2, above=0, max=0.5)
    quoting: bool | None = None  # a quotation mark at the start of a cell quotes it; None: in .csv yes, in .tsv no
    label_separator: str | None = setting(None, filled=True)  # between several labels in one cell
    label_columns: list[str] | None = None  # one column of 0 and 1 for each label, instead of `label_column`
    pair_column: str | None = None  # the second text, where the inputs are pairs

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.label_separator is not None and self.label_columns is not None:
            raise ConfigError("data.label_separator and data.label_columns: give one of them")

    @property
    def known_task(self) -> str | None:
        """Known unless the label column may hold lists."""
        several, pairs = self.label_separator is not None or self.label_columns is not None, self.pair_column is not None
        if not several and Path(self.train).suffix.lower() not in DELIMITERS:
            return None
        return MultiLabel(pairs).name if several else SingleLabel(pairs).name

    def load(self, seed: int) -> "Splits":
        """Raises DataError, which names file, row and column."""
        from pipeline.data.several_labels import assemble
        from pipeline.data.splits import SplitFractions

        parts: dict[str, RawSplit | None] = {}
        for split, name in (("train", self.train), ("validation", self.validation), ("test", self.test)):
            path = Path(name).expanduser() if name is not None else None
            if path is not None and not path.exists():
                raise DataError(f"{path}: no such file; set data.{split}=FILE")
            parts[split] = self._read(path, split) if path else None
        return assemble(parts, self.oos_label, SplitFractions(self.validation_fraction, self.test_fraction, seed))

    def _read(self, path: Path, split: str) -> "RawSplit":
        from pipeline.data import hints, label_lists
        from pipeline.data.splits import RawSplit
        from pipeline.data.tables import read, read_indicators, row_number
        from pipeline.tasks.base import LABEL

        if self.label_columns is not None:
            found = read_indicators(path, self.text_column, self.label_columns, self.quoting, self.pair_column)
        else:
            found = read(path, self.text_column, self.label_column, self.quoting, self.pair_column)
        table = found.table
        if self.label_separator is not None:
            lists = label_lists.split(table.column(LABEL), self.label_separator)
            table = table.set_column(table.column_names.index(LABEL), LABEL, lists)
        looked = split == "train" and self.pair_column is None
        others = hints.of_columns(found.columns, self.text_column) if looked else []
        notes = (*found.notes, *(f"{path}: {hint}" for hint in others))
        number = functools.partial(row_number, path, quoting=self.quoting)
        return RawSplit(
            table, str(path), (self.text_column, self.label_column), number, notes, self.pair_column or TEXT_PAIR
        )


@kind("data", "quickstart")
@dataclass(frozen=True)
class Quickstart(DataSource):
    """The shipped data set; `quickstart/README.md` describes how it was written."""

    def load(self, seed: int) -> "Splits":
        """Read the three files in the package."""
        train, validation, test = (str(QUICKSTART / f"{name}.csv") for name in ("train", "validation", "test"))
        return Files("files", self.name, self.oos_label, train, validation, test).load(seed)


@kind("data", "hub")
@dataclass(frozen=True)
class Hub(DataSource):
    """Any data set on the Hugging Face Hub."""

    dataset: str = MISSING
    config: str | None = None
    revision: str | None = None
    train: str = "train"
    validation: str | None = "validation"
    test: str | None = "test"
    text_column: str = "text"
    label_column: str = "label"
    validation_fraction: float = setting(0.1, above=0, max=0.5)
    test_fraction: float = setting(0.2, above=0, max=0.5)
    pair_column: str | None = None  # the second text, where the inputs are pairs

    def load(self, seed: int) -> "Splits":
        """Raises DataError when the Hub can't be reached, or has no such data set, split or column."""
        from pipeline.data.several_labels import assemble
        from pipeline.data.splits import SplitFractions

        found = self._download()
        names = {"train": self.train, "validation": self.validation, "test": self.test}
        parts = {split: self._part(found, split, name) if name else None for split, name in names.items()}
        return assemble(parts, self.oos_label, SplitFractions(self.validation_fraction, self.test_fraction, seed))

    def _download(self) -> Any:
        import datasets

        try:
            return datasets.load_dataset(self.dataset, self.config, revision=self.revision)
        except Exception as error:  # the Hub's client raises dozens of types
            raise DataError(
                f"can't load data set {self.dataset!r} from the Hub ({type(error).__name__}: {error}); "
                "without the Hub, use files: data=files data.train=..."
            ) from error

    def _part(self, found: Any, split: str, name: str) -> "RawSplit":
        from pipeline.data import hints
        from pipeline.data.splits import RawSplit

        if name not in found:
            raise DataError(f"data.{split}={name}: {self.dataset} has no such split{nearest(name, found)}")
        rows = found[name]
        for key in ("text_column", "pair_column", "label_column"):
            column = getattr(self, key)
            if column is not None and column not in rows.column_names:
                known = nearest(column, rows.column_names)
                raise DataError(f"data.{key}={column}: {self.dataset} has no such column{known}")
        where, columns = f"{self.dataset}, split {name}", (self.text_column, self.label_column)
        looked = split == "train" and self.pair_column is None
        others = hints.of_columns(rows.column_names, self.text_column) if looked else []
        notes = tuple(f"{where}: {hint}" for hint in others)
        table = _named(rows, *columns, where, self.pair_column)
        return RawSplit(table, where, columns, notes=notes, pair_column=self.pair_column or TEXT_PAIR)


def _named(rows: Any, text_column: str, label_column: str, where: str, pair_column: str | None) -> Any:
    """An Arrow table of strings (`as_strings`); label indices become names if the Hub has them, -1 becomes null."""
    from pipeline.data.tables import as_strings, name_classes

    table = rows.with_format("arrow")[:]
    feature = rows.features[label_column]
    names = getattr(getattr(feature, "feature", feature), "names", None)
    if names is not None:
        table = name_classes(table, label_column, names, where)
    return as_strings(table, Path(where), text_column, label_column, pair_column=pair_column)


@kind("data", "clinc150")
@dataclass(frozen=True)
class Clinc150(DataSource):
    """CLINC150 "plus" (Larson et al. 2019), from the Hub or from the authors' `data_oos_plus.json`."""

    path: str | None = None

    def load(self, seed: int) -> "Splits":
        """Raises DataError when the file is not the authors', or the Hub can't be reached."""
        if self.path is None:
            hub = Hub(
                kind="hub", name=self.name, oos_label=self.oos_label, dataset="clinc/clinc_oos", config="plus",
                label_column="intent",
            )  # fmt: skip
            return hub.load(seed)
        from pipeline.data.several_labels import assemble
        from pipeline.data.splits import SplitFractions

        return assemble(_clinc_parts(Path(self.path).expanduser()), self.oos_label, SplitFractions(0.1, 0.2, seed))


def _clinc_parts(path: Path) -> "dict[str, RawSplit | None]":
    import pyarrow as pa

    from pipeline.data.splits import RawSplit

    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        parts: dict[str, RawSplit | None] = {}
        for split, keys in CLINC_FILE_KEYS.items():
            rows = [row for key in keys for row in content[key]]
            texts, labels = zip(*rows, strict=True)
            table = pa.table({"text": pa.array(texts, pa.large_string()), "label": pa.array(labels, pa.large_string())})
            parts[split] = RawSplit(table, f"{path}, {split}")
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, pa.ArrowException) as error:
        raise DataError(f"{path}: not the data_oos_plus.json of the authors ({type(error).__name__}: {error})") from error
    return parts
