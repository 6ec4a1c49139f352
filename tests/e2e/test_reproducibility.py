"""The same bytes on one core and on two, though the run on two is killed again and again."""

import os
import signal
import subprocess
import time

from support.runs import ROOT, SMALL, assert_success, demo_call, fresh, run_demo, tables


def differing(a, b):
    return sorted(name for name in set(a) | set(b) if a.get(name) != b.get(name))


def test_two_cores_and_three_kills_give_the_bytes_of_one_core(one_core):
    folder = fresh("killed")
    call, environment = demo_call(ROOT, "--configfile", str(SMALL), "--cores", "2")
    for started_jobs in (5, 40, 90):
        run = subprocess.Popen(
            call,
            cwd=folder,
            env=environment,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while run.poll() is None and sum(1 for _ in (folder / "logs").rglob("*.log")) < started_jobs:
            time.sleep(0.2)
        assert run.poll() is None, "the run ended before it could be killed"
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
    assert_success(run_demo(folder, "--configfile", str(SMALL), "--cores", "2"))
    assert differing(tables(one_core), tables(folder)) == []
