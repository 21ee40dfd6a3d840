"""The sources of data: one registered dataclass for each `kind` in `conf/data/`, with `load(seed) -> Splits`.

Importing this module is cheap; pyarrow and datasets are imported when a source is loaded.
"""

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.config import MISSING, DataSource, kind, setting
from pipeline.data.formats import DELIMITERS, suffix_of
from pipeline.data.table_source import TableSource
from pipeline.errors import ConfigError, DataError, nearest
from pipeline.tasks import MultiLabel, SingleLabel

if TYPE_CHECKING:
    from pipeline.data.splits import RawSplit, Splits

log = logging.getLogger(__name__)
QUICKSTART = Path(__file__).parent / "quickstart"
CLINC_FILE_KEYS = {"train": ("train", "oos_train"), "validation": ("val", "oos_val"), "test": ("test", "oos_test")}


@kind("data", "files")
@dataclass(frozen=True)
class Files(TableSource):
    """One to three files of the user; missing splits are drawn from train, stratified by label."""

    train: str | None = None
    validation: str | None = None
    test: str | None = None
    validation_fraction: float = setting(0.1, above=0, max=0.5)
    test_fraction: float = setting(0.2, above=0, max=0.5)
    delimiter: str | None = None  # of cells; None: detected, as are the next two
    quoting: bool | None = None  # a quotation mark at the start of a cell quotes it
    encoding: str | None = None
    header: bool = True  # the first row has the names of the columns; else they are 1, 2, ...

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.train is None and self.test is None:
            raise ConfigError(
                "train is not set; give it with data.train=VALUE, or only data.test=VALUE where nothing is trained"
            )

    @property
    def known_task(self) -> str | None:
        """Known unless the label column may hold lists."""
        several, pairs = self.label_separator is not None or self.label_columns is not None, self.pair_column is not None
        if not several and suffix_of(Path(str(self.train or self.test))) not in DELIMITERS:
            return None
        return MultiLabel(pairs).name if several else SingleLabel(pairs).name

    def load(self, seed: int) -> "Splits":
        """Raises DataError, which names file, row and column."""
        from pipeline.data.splits import SplitFractions, assemble

        names = {"train": self.train, "validation": self.validation, "test": self.test}
        parts: dict[str, RawSplit | None] = {}
        detected: list[str] = []
        for split, name in names.items():
            path = Path(name).expanduser() if name is not None else None
            parts[split] = self._read(path, split, detected) if path else None
        cut = SplitFractions(self.validation_fraction, self.test_fraction, seed)
        splits = assemble(parts, self.oos_label, cut, self.rules())
        for line in detected:  # now that there is no mistake, which would be one line
            log.info("%s", line)
        return splits

    def _read(self, path: Path, split: str, detected: list[str]) -> "RawSplit":
        """Adds to `detected` how the file is written."""
        from pipeline.data.formats import Format
        from pipeline.data.tables import read

        found = read(path, self.wanted(), Format(self.delimiter, self.quoting, self.encoding, self.header))
        detected += found.found if not path.is_relative_to(QUICKSTART) else ()  # what the program brings is known
        columns = found.columns if split == ("train" if self.train else "test") and self.header else ()
        return self.made(found.table, str(path), columns, found.place, found.notes)


@kind("data", "quickstart")
@dataclass(frozen=True)
class Quickstart(DataSource):
    """The shipped data set; `quickstart/README.md` describes how it was written."""

    def load(self, seed: int) -> "Splits":
        """Read the three files in the package."""
        train, validation, test = (str(QUICKSTART / f"{name}.csv") for name in ("train", "validation", "test"))
        files = Files("files", self.name, self.oos_label, self.label_names, train=train, validation=validation, test=test)
        return files.load(seed)


@kind("data", "hub")
@dataclass(frozen=True)
class Hub(TableSource):
    """Any data set on the Hugging Face Hub."""

    dataset: str = MISSING
    config: str | None = None
    revision: str | None = None
    train: str | None = "train"
    validation: str | None = "validation"
    test: str | None = "test"
    validation_fraction: float = setting(0.1, above=0, max=0.5)
    test_fraction: float = setting(0.2, above=0, max=0.5)

    def load(self, seed: int) -> "Splits":
        """Raises DataError when the Hub can't be reached, or has no such data set, split or column."""
        from pipeline.data.splits import SplitFractions, assemble

        found = self._download()
        names = {"train": self.train, "validation": self.validation, "test": self.test}
        parts = {split: self._part(found, split, name) if name else None for split, name in names.items()}
        cut = SplitFractions(self.validation_fraction, self.test_fraction, seed)
        return assemble(parts, self.oos_label, cut, self.rules())

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
        if name not in found:
            raise DataError(f"data.{split}={name}: {self.dataset} has no such split{nearest(name, found)}")
        rows = found[name]
        for column, way in self.wanted().items():
            if column not in rows.column_names:
                known = nearest(column, rows.column_names)
                raise DataError(f"{way.replace('...', column)}: {self.dataset} has no such column{known}")
        where = f"{self.dataset}, split {name}"
        columns = rows.column_names if split == ("train" if self.train else "test") else ()
        return self.made(self._table(rows, where), where, columns, None, ())

    def _table(self, rows: Any, where: str) -> Any:
        """An Arrow table; label indices become names if the Hub has them, -1 becomes null."""
        from pipeline.data.columns import name_classes

        table = rows.with_format("arrow")[:]
        feature = rows.features[self.label_column] if self.label_columns is None else None
        names = getattr(getattr(feature, "feature", feature), "names", None)
        return table if names is None else name_classes(table, self.label_column, names, where)


@kind("data", "clinc150")
@dataclass(frozen=True)
class Clinc150(DataSource):
    """CLINC150 "plus" (Larson et al. 2019), from the Hub or from the authors' `data_oos_plus.json`."""

    path: str | None = None

    def load(self, seed: int) -> "Splits":
        """Raises DataError when the file is not the authors', or the Hub can't be reached."""
        if self.path is None:
            hub = Hub(
                kind="hub", name=self.name, oos_label=self.oos_label, label_names=self.label_names,
                dataset="clinc/clinc_oos", config="plus", label_column="intent",
            )  # fmt: skip
            return hub.load(seed)
        from pipeline.data.splits import Rules, SplitFractions, assemble

        rules = Rules(label_names=tuple(self.label_names or ()))
        return assemble(_clinc_parts(Path(self.path).expanduser()), self.oos_label, SplitFractions(0.1, 0.2, seed), rules)


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
