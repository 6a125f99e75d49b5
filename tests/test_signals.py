"""Signals are taken for a while, but for those that the process was started to ignore."""

import signal

import pytest

from nca.play.ending import ending
from nca.signals import ending_signals, signals_taken

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no SIGHUP")


def test_an_ignored_signal_is_left_ignored_and_the_others_come_back():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    old = signal.getsignal(signal.SIGTERM)
    try:
        assert ending_signals() == [signal.SIGTERM]
        with ending():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) is not old
        assert signal.getsignal(signal.SIGTERM) is old
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_handler_gets_the_signal_inside_the_block_alone():
    got = []
    with signals_taken([signal.SIGHUP], lambda number, _: got.append(number)):
        signal.raise_signal(signal.SIGHUP)
    assert got == [signal.SIGHUP]
