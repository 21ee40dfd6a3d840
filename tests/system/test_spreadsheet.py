"""Cells that a spreadsheet would run as formulas."""

import pytest

from pipeline.system.spreadsheet import original, safe_cells


@pytest.mark.parametrize("text", ["=cmd|'/c calc'!A0", "+1 (555) 1234", "-good", "@SUM(A1)", "\t=1", "\r=1", "'=1", "--1"])
def test_a_formula_gets_a_mark_and_comes_back(text: str) -> None:
    assert safe_cells([text]) == [f"'{text}"] and original(f"'{text}") == text


@pytest.mark.parametrize("cell", ["", "rain", "'quoted'", "-1.5", "+3", "1e-05", "-inf", -2.5, 3, "a=b"])
def test_other_cells_and_numbers_stay(cell: object) -> None:
    assert safe_cells([cell]) == [cell]
    assert original(str(cell)) == str(cell)
