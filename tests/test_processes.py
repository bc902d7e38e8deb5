"""Processes: alive, dead, of another machine; temporary folders with an owner."""

import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from zoo.processes import Process, temporary_folder, temporary_root

pytestmark = pytest.mark.once


@pytest.fixture
def other():
    """A living process, and its identity."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        yield child, replace(Process.current(), pid=child.pid, started=_started(child.pid))
        child.kill()


def _started(pid):
    import psutil

    return psutil.Process(pid).create_time()


def test_this_process_is_alive():
    process = Process.current()
    assert process.pid == os.getpid()
    assert process.is_local and process.is_alive and not process.is_dead
    assert Process.from_json(process.to_json()) == process
    assert f"process {os.getpid()} on {process.host}, which started at 20" in str(process)


def test_a_killed_process_is_dead_even_before_its_parent_has_asked(other):
    child, process = other
    assert process.is_alive
    child.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it stays a zombie
    assert process.is_dead


def test_a_later_process_with_the_same_id_is_another_one(other):
    _, process = other
    assert replace(process, started=process.started - 60).is_dead
    assert replace(process, started=process.started + 1).is_alive  # the clock was set


@pytest.mark.parametrize("place", [{"host": "elsewhere"}, {"namespace": "pid:[1]"}])
def test_of_another_machine_or_container_nothing_is_known(place):
    process = replace(Process.current(), **place)
    assert not process.is_local and not process.is_alive and not process.is_dead


@pytest.mark.parametrize("text", [None, "", "{", "[]", "{}", '{"host": "a", "pid": "x"}'])
def test_other_texts_are_no_process(text):
    assert Process.from_json(text) is None


def test_temporary_folder_has_an_owner_and_is_removed(home):
    with temporary_folder() as folder:
        assert list(folder.iterdir()) == []
        assert Process.owner_of(folder.parent) == Process.current()
        assert folder.parent.parent == temporary_root() == home / "temporary"
    assert list(temporary_root().iterdir()) == []
