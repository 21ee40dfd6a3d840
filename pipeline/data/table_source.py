"""What data in files and on the Hub have in common: settings about which rows and labels are used."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.config import DataSource, setting

if TYPE_CHECKING:
    from pipeline.data.splits import Rules


@dataclass(frozen=True)
class TableSource(DataSource):
    """Settings about rows and labels, for `kind: files` and `kind: hub`."""

    group_column: str | None = None  # rows with the same value never stand in two splits that are drawn
    rename_labels: str | None = None  # a file: old name, new name
    min_class_size: int | None = setting(None, min=2)  # rows in train; classes with fewer are rare
    rare_classes: str = setting("merge", choices=("merge", "drop"))  # into the class "other"; from all splits
    on_bad_rows: str = setting("error", choices=("error", "drop"))  # no text, no label, a label that train lacks
    on_leaks: str = setting("tell", choices=("tell", "drop_train"))  # texts of validation or test that stand in train

    def rules(self) -> "Rules":
        """The same for `assemble`. Raises DataError for a file of label names that can't be used."""
        from pipeline.data.renaming import Renaming
        from pipeline.data.splits import Rules

        renaming = Renaming.read(Path(self.rename_labels).expanduser()) if self.rename_labels is not None else None
        return Rules(self.on_bad_rows, renaming, self.min_class_size, self.rare_classes, self.on_leaks)
