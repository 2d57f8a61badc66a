"""Processes and threads: forks, Ctrl-C, several callers, progress, and no output of our own."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

import humboldt as hb


def python(code, **more):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, **more)


def test_import_is_quick_and_leaves_the_rest_for_later():
    code = """
import sys, time
start = time.perf_counter()
import humboldt
took = time.perf_counter() - start
for heavy in ("numpy", "torch", "matplotlib", "pandas", "pyarrow"):
    assert heavy not in sys.modules, heavy
print(took)
"""
    took = min(float(python(code).stdout) for _ in range(3))
    assert took < 0.3, took


def test_the_program_is_installed(program):
    from importlib.metadata import version

    assert program("--version").stdout == f"humboldt {version('humboldt')}\n"
    assert hb.__version__ == version("humboldt")
    wrong = program("generate", "--events=0", "--out=x.parquet", check=False)
    assert wrong.returncode == 2 and "--events" in wrong.stderr and wrong.stdout == ""
    beside = os.path.join(os.path.dirname(sys.executable), "humboldt")
    assert os.access(beside, os.X_OK)


def test_nothing_is_printed(capfd, events):
    hb.generate(300_000, seed=1)
    hb.fit(events, intervals=False)
    hb.voxelize(events, 3000, bins=10)
    assert capfd.readouterr() == ("", "")


def test_notes_are_logged(caplog, events):
    with caplog.at_level("INFO", logger="humboldt"):
        hb.voxelize(events, 3000, bins=10)
    assert "dropped the last 2000 events" in caplog.text


def test_progress_is_told_in_the_calling_thread(events):
    seen = []
    hb.generate(5_000_000, seed=1, progress=lambda *work: seen.append((*work, threading.get_ident())))
    label, done, total, unit, thread = seen[-1]
    assert (label, done, total, unit, thread) == ("generate", 5_000_000, 5_000_000, "events", threading.get_ident())

    def refuse(*_):
        raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        hb.generate(5_000_000, seed=1, progress=refuse)


def test_tqdm_shows_progress(capfd):
    pytest.importorskip("tqdm")
    hb.generate(1_000_000, seed=1, progress=True)
    assert "1.00M/1.00M" in capfd.readouterr().err


def test_threads_may_call_at_once(events):
    alone = [hb.generate(200_000, seed=seed) for seed in range(4)]
    fit = hb.fit(events, intervals=False)
    found = {}

    def work(seed):
        found[seed] = (hb.generate(200_000, seed=seed), hb.fit(events, intervals=False))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed, one in enumerate(alone):
        assert found[seed][0].q2.tobytes() == one.q2.tobytes() and found[seed][1] == fit


def test_results_do_not_depend_on_threads():
    whole = hb.generate(300_000, seed=2).q2.tobytes()
    for threads in (1, 3):
        hb.set_threads(threads)
        assert hb.generate(300_000, seed=2).q2.tobytes() == whole
    hb.set_threads(None)


def of_process(seed):
    return hb.generate(300_000, seed=seed).q2.tobytes()


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_processes_of_every_kind_work(method):
    here = [of_process(seed) for seed in (1, 2)]
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.map_async(of_process, [1, 2]).get(timeout=60) == here


INTERRUPTED = """
import os, signal, sys, threading, time
import humboldt as hb
started = time.perf_counter()
threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    {work}
except KeyboardInterrupt:
    print(time.perf_counter() - started)
"""


@pytest.mark.parametrize(
    "work",
    [
        "hb.generate(200_000_000, seed=1)",
        "hb.Campaign.make('card.toml', 'campaign')",
        "hb.command('generate', '--events=1e9', '--out=events.parquet')",
        "hb.fit(hb.generate(2_000_000, seed=1), free=['c9', 'c10', 'c7'])",
    ],
)
def test_ctrl_c_stops_work_and_leaves_nothing_half_written(work, tmp_path, card):
    text = card.read_text().replace("train = 12", "train = 100000").replace("events = 500", "events = 20000")
    card.write_text(text)
    done = python(INTERRUPTED.format(work=work), cwd=tmp_path)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert float(done.stdout) < 2.0
    for folder, _, files in os.walk(tmp_path):
        assert not [name for name in files if name.endswith(".part") or name.startswith("events")], (folder, files)


def test_ctrl_c_ends_the_program(tmp_path):
    words = [sys.executable, "-m", "humboldt._cli", "generate", "--events=1e10", "--out=events.parquet"]
    process = subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.PIPE)
    time.sleep(1.5)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert process.returncode != 0 and os.listdir(tmp_path) == []


def test_memory_stays_flat():
    code = """
import resource
import humboldt as hb
stream = iter(hb.LiveImages(delta_c9=(-2.0, 1.1), events=500, bins=20, batch=64, images=None))
peaks = []
for part in range(4):
    for _ in range(150):
        next(stream)
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
assert peaks[3] - peaks[1] < 40_000, peaks
"""
    done = python(code)
    assert done.returncode == 0, done.stderr
