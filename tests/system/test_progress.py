"""A progress bar's line is a sentence that says what is counted, on a terminal and in a log."""

import io
import re

import pytest

from pipeline.system.progress import LOG_S, TERMINAL_S, bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_what_has_a_total_tells_how_far_it_is_and_how_long_it_takes(capsys: pytest.CaptureFixture[str]) -> None:
    with bar("training", "step", total=480, initial=100) as progress:
        progress.update(20)
        progress.set_postfix_str("epoch 2, loss 0.310, validation 0.912", refresh=False)
    first, *_, last = re.split(r"[\r\n]+", capsys.readouterr().err.strip())
    assert first == "training: step 100 of 480 [00:00<?]"
    assert re.fullmatch(r"training: step 120 of 480, epoch 2, loss 0\.310, validation 0\.912 \[\d\d:\d\d<\d\d:\d\d\]", last)


def test_what_has_no_total_tells_the_count_and_the_seconds_and_never_a_rate(capsys: pytest.CaptureFixture[str]) -> None:
    with bar("measuring distilbert", "pair") as progress:
        assert str(progress) == "measuring distilbert (0 s)"
        for _ in range(3):
            progress.set_postfix_str("1.97x [1.78, 2.17]", refresh=False)
            progress.update()
        assert str(progress) == "measuring distilbert: pair 3, 1.97x [1.78, 2.17] (0 s)"
    told = capsys.readouterr().err
    assert told and "/s" not in told and "?" not in told


def test_in_a_log_lines_are_rare_and_the_last_one_is_whole(capsys: pytest.CaptureFixture[str]) -> None:
    with bar("judging", "text", total=1000) as progress:
        for _ in range(1000):
            progress.update()
        assert progress.mininterval == LOG_S
    lines = [line for line in re.split(r"[\r\n]+", capsys.readouterr().err) if line]
    assert len(lines) == 2 and lines[-1].startswith("judging: text 1000 of 1000 [")


def test_on_a_terminal_it_is_lively_and_stays_within_the_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", Terminal())
    with bar("measuring an optimization with a long name", "pair") as progress:
        progress.update()
        progress.ncols, progress.dynamic_ncols = 30, False
        assert progress.mininterval == TERMINAL_S and len(str(progress)) == 30
