"""What each class keeps, by hand."""

import numpy as np

from pipeline.evaluation.quality.by_class import by_class, line, markdown, shown

LABELS = ["big", "mid|dle", "tiny", "never"]
TRUTH = np.repeat([0, 1, 2], [100, 40, 3])
BEFORE = TRUTH.copy()
AFTER = TRUTH.copy()
AFTER[100:120] = 0  # half of the second class is lost
BEFORE[:30], AFTER[142] = 1, 0  # the first one gained; one of the smallest is lost


def test_each_class_has_its_recall_before_and_after_its_flips_and_its_precision() -> None:
    found = {one.label: one for one in by_class(TRUTH, AFTER, LABELS, BEFORE)}
    middle, big, tiny, never = found["mid|dle"], found["big"], found["tiny"], found["never"]
    assert (middle.recall, middle.recall_before, middle.lost, middle.gained, middle.precision) == (0.5, 1.0, 20, 0, 1.0)
    assert (big.recall, big.recall_before, big.gained, big.precision) == (1.0, 0.7, 30, 100 / 121)
    assert tiny.few and tiny.lost == 1 and tiny.p is None, "too few texts to be judged"
    assert never.recall is None and never.precision is None and never.few
    assert middle.p is not None and big.p is not None and big.p < middle.p < 0.001, "corrected for two classes"
    assert [one.label for one in by_class(TRUTH, AFTER, LABELS, BEFORE)] == ["mid|dle", "tiny", "big", "never"]
    alone = by_class(TRUTH, AFTER, LABELS)[0]
    assert alone.before is None and alone.cells() == ["mid|dle", "40", "", "0.5000", "", "", "", "", "1.0000"]


def test_the_line_and_the_page_show_the_worst_and_the_rarest_and_mark_what_is_chance() -> None:
    found = by_class(TRUTH, AFTER, LABELS, BEFORE)
    assert line(found) == (
        "lowest recall 'mid|dle' 20 of 40, 'big' 100 of 100; lost most: 'mid|dle' -50.0 pp of 40 texts; "
        "2 of 4 have fewer than 20 texts, the rarest 'never' 0 of 0, 'tiny' 2 of 3"
    )
    page = markdown(found, "small")
    assert "| mid\\|dle | 40 | 50.0 | 100.0 | -50.0 * | 100.0 |" in page
    assert "| tiny | 3 few | 66.7 | 100.0 | -33.3 | 100.0 |" in page and "| never | 0 few | - | - | - | - |" in page
    assert page.index("mid\\|dle") < page.index("## The rarest") < page.index("tiny")
    assert [one.label for one in shown(found)[0]] == ["mid|dle", "big"]
