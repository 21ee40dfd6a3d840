"""CSV files that are safe to open in a spreadsheet, which runs cells such as =cmd|'/c calc'!A0 as formulas."""

import re
from collections.abc import Iterable

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?|[-+]?(inf|nan)")


def safe_cells(cells: Iterable[object]) -> list[object]:
    """The cells of a row; a text that a spreadsheet would take for a formula gets a ' in front. Numbers stay as they are."""
    return [_safe(cell) if isinstance(cell, str) else cell for cell in cells]


def _safe(text: str) -> str:
    return f"'{text}" if _is_formula(text.lstrip("'")) and not NUMBER.fullmatch(text) else text


def original(cell: str) -> str:
    """The text of a cell that `safe_cells` wrote."""
    return cell[1:] if cell.startswith("'") and _is_formula(cell.lstrip("'")) else cell


def _is_formula(text: str) -> bool:
    return text.startswith(FORMULA_STARTS)
