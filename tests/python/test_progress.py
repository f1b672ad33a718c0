"""progress=None, True, False or a function: who is told what."""

import io
import threading

import pytest

from scorefield._progress import in_notebook, reporting, somebody_looks


def test_silent_when_nobody_looks(capsys):
    assert not in_notebook()
    with reporting(False, 3) as report:
        report(3, "loss 1")
    with reporting(None, 3) as report:  # pytest captures standard error: not a terminal
        report(3)
    assert capsys.readouterr() == ("", "")


def test_a_terminal_is_somebody(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    assert not somebody_looks()
    monkeypatch.setattr("sys.stderr", Terminal())
    assert somebody_looks()


def test_a_bar_shows_steps_and_text_on_standard_error_and_starts_no_thread(capsys):
    before = threading.active_count()
    with reporting(True, 4, start=1, what="fit") as report:
        report(4, "loss 0.25  1710 samples/s")
        assert threading.active_count() == before
    out, err = capsys.readouterr()
    assert out == ""
    assert "fit 100%" in err
    assert "4/4" in err
    assert "loss 0.25  1710 samples/s" in err


def test_a_function_gets_done_and_total():
    seen = []
    with reporting(lambda done, total: seen.append((done, total)), 4) as report:
        report(1)
        report(4, "text")
    assert seen == [(1, 4), (4, 4)]


def test_errors_of_the_function_reach_the_caller():
    def stop(done, total):
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"), reporting(stop, 4) as report:
        report(1)


def test_other_things_are_refused():
    with pytest.raises(TypeError, match="progress must be None, True, False or a function"), reporting("yes", 4):
        pass
