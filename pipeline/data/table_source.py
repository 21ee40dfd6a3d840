"""What data in files and on the Hub have in common: settings about which columns, rows and labels are used."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.config import DataSource, Names, names_of, setting
from pipeline.errors import ConfigError

if TYPE_CHECKING:
    import pyarrow as pa

    from pipeline.data.columns import LabelColumns
    from pipeline.data.label_lists import Place
    from pipeline.data.raw import RawSplit
    from pipeline.data.splits import Rules


@dataclass(frozen=True)
class TableSource(DataSource):
    """Settings about columns, rows and labels, for `kind: files` and `kind: hub`."""

    text_column: Names = "text"  # of several, the texts are joined with a space
    pair_column: str | None = None  # the second text, where the inputs are pairs
    label_column: str = "label"
    label_separator: str | None = None  # between several labels in one cell
    label_columns: list[str] | None = None  # one column of 0 and 1 for each label, instead of `label_column`
    group_column: str | None = None  # rows with the same value never stand in two splits that are drawn
    rename_labels: str | None = None  # a file: old name, new name
    min_class_size: int | None = setting(None, min=2)  # rows in train; classes with fewer are rare
    rare_classes: str = setting("merge", choices=("merge", "drop"))  # into the class "other"; from all splits
    on_bad_rows: str = setting("error", choices=("error", "drop"))  # no text, no label, a label that train lacks
    on_leaks: str = setting("tell", choices=("tell", "drop_train"))  # texts of validation or test that stand in train

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.label_separator is not None and self.label_columns is not None:
            raise ConfigError("label_separator and data.label_columns: give one of them")
        if self.label_columns is not None and len(self.label_columns) < 2:
            one = "".join(f", or with one column of 0 and 1 set data.label_column={name}" for name in self.label_columns)
            raise ConfigError(f"label_columns=[{','.join(self.label_columns)}]: name a column for each label{one}")
        if self.label_separator == "":
            raise ConfigError("label_separator=: must not be empty")
        labels = self.label_columns if self.label_columns is not None else [self.label_column]
        used = Counter([*names_of(self.text_column), *names_of(self.pair_column), *labels])
        twice = next((name for name, count in used.items() if count > 1), None)
        if twice is not None:
            raise ConfigError(
                f"text_column, data.pair_column, data.label_column and data.label_columns: {twice!r} is used twice; they "
                "must be different columns"
            )

    def wanted(self) -> dict[str, str]:
        """The columns to read, each with the setting that names it."""
        labels = "label_column" if self.label_columns is None else "label_columns"
        columns = {
            "text_column": names_of(self.text_column), "pair_column": names_of(self.pair_column), labels: self._labels.names,
            "group_column": names_of(self.group_column),
        }  # fmt: skip
        return {column: f"data.{key}=..." for key, own in columns.items() for column in own}

    def made(
        self, table: "pa.Table", where: str, columns: Sequence[str], place: "Place | None" = None, notes: Sequence[str] = ()
    ) -> "RawSplit":
        """A split of the wanted columns of a table; columns: the names of all, where they may tell of another task."""
        from pipeline.data import hints
        from pipeline.data.columns import GROUP, as_strings
        from pipeline.data.raw import RawSplit
        from pipeline.tasks.base import LABEL
        from pipeline.tasks.inputs import TEXT, TEXT_PAIR

        texts, label = {TEXT: names_of(self.text_column)}, self._labels
        if self.pair_column is not None:
            texts[TEXT_PAIR] = (self.pair_column,)
        others = [name for name in columns if name not in label.names] if self.pair_column is None else []
        told = (*notes, *(f"{where}: {hint}" for hint in hints.of_columns(others, texts[TEXT])))
        named = {name: ", ".join(own) for name, own in {**texts, LABEL: label.names}.items()}
        named |= {GROUP: self.group_column} if self.group_column is not None else {}
        return RawSplit(as_strings(table, texts, label, where, place, self.group_column), where, named, place, told)

    @property
    def _labels(self) -> "LabelColumns":
        from pipeline.data.columns import LabelColumns

        if self.label_columns is not None:
            return LabelColumns(self.label_columns, indicators=True)
        return LabelColumns((self.label_column,), self.label_separator)

    def rules(self) -> "Rules":
        """The same for `assemble`. Raises DataError for a file of label names that can't be used."""
        from pipeline.data.renaming import Renaming
        from pipeline.data.splits import Rules

        renaming = Renaming.read(Path(self.rename_labels).expanduser()) if self.rename_labels is not None else None
        labels = tuple(self.label_columns or ())
        names = tuple(self.label_names or ())
        return Rules(self.on_bad_rows, renaming, self.min_class_size, self.rare_classes, self.on_leaks, labels, names)
