"""One process works on a run at a time."""

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from zoo.processes import Process
from zoo.training import lease as module
from zoo.training.lease import STALE_SECONDS, Lease, LeaseError

pytestmark = pytest.mark.once

HOLD = """
import sys
from pathlib import Path
from zoo.training.lease import Lease
lease = Lease()
lease.acquire(Path(sys.argv[1]))
print("held", flush=True)
input()
"""
ELSEWHERE = Process("elsewhere", "", 7, 1.0)


def test_lease_of_a_living_process_is_refused_and_of_a_killed_one_taken_over(tmp_path):
    folder = tmp_path / "run"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout.readline() == "held\n"
        with pytest.raises(LeaseError) as raised, Lease() as lease:
            lease.acquire(folder)
        assert f"in progress: process {child.pid} on {os.uname().nodename}" in str(raised.value)
        assert "Received: run='run'" in str(raised.value)
        child.kill()
        child.wait()
    with Lease() as lease:
        lease.acquire(folder)
        assert Process.owner_of(folder).pid == os.getpid()
        lease.check()
    assert Process.owner_of(folder) is None


def test_only_one_of_many_gets_it(tmp_path):
    leases = [Lease() for _ in range(8)]

    def acquired(lease):
        try:
            lease.acquire(tmp_path / "run")
        except LeaseError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(acquired, leases)) == 1
    for lease in leases:
        lease.release()
    assert Process.owner_of(tmp_path / "run") is None


def test_another_machine_holds_it_until_its_heartbeat_is_old(tmp_path):
    ELSEWHERE.own(tmp_path)
    with pytest.raises(LeaseError, match="process 7 on elsewhere.*sign of life was 0 s ago"):
        Lease().acquire(tmp_path)
    past = time.time() - STALE_SECONDS - 1
    os.utime(tmp_path / "owner.json", (past, past))
    with Lease() as lease:
        lease.acquire(tmp_path)
        assert Process.owner_of(tmp_path) == Process.current()


def test_heartbeat_renews_the_time_of_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "HEARTBEAT_SECONDS", 0.01)
    with Lease() as lease:
        lease.acquire(tmp_path)
        os.utime(tmp_path / "owner.json", (0, 0))
        deadline = time.monotonic() + 5
        while (tmp_path / "owner.json").stat().st_mtime == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert (tmp_path / "owner.json").stat().st_mtime > 0


def test_former_owner_notices_and_leaves_the_lease_alone(tmp_path):
    with Lease() as lease:
        lease.acquire(tmp_path)
        ELSEWHERE.own(tmp_path)
        with pytest.raises(LeaseError, match="taken over by process 7 on elsewhere"):
            lease.check()
    assert Process.owner_of(tmp_path) == ELSEWHERE


def test_damaged_owner_is_nobody(tmp_path):
    (tmp_path / "owner.json").write_text(json.dumps({"host": "x"}))
    with Lease() as lease:
        lease.acquire(tmp_path)
        assert replace(Process.current()) == Process.owner_of(tmp_path)
