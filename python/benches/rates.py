"""Rates of the Python package beside those of the program and of what one writes without it, in one run.

python python/benches/rates.py [--seconds S] [--images N] [--wheel humboldt-*.whl]
"""

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

import humboldt as hb

EVENTS, BINS, BATCH = 24_613, 50, 64
N = 10_000_000


def program(row):
    """A row of `humboldt bench`."""
    return json.loads(hb.command("bench", row, "--json"))[0]["value"]


def import_time():
    """Seconds that `import humboldt` takes in a fresh interpreter, the shortest of five."""
    code = "import time; start = time.perf_counter(); import humboldt; print(time.perf_counter() - start)"
    return min(float(subprocess.check_output([sys.executable, "-c", code])) for _ in range(5))


def generation(threads):
    """Events a second into NumPy arrays, the best of several."""
    hb.set_threads(threads)
    best = 0.0
    for seed in range(5):
        start = time.perf_counter()
        columns = hb.generate(N, seed=seed, delta_c9=-0.87).to_numpy()
        best = max(best, N / (time.perf_counter() - start))
        assert len(columns["q2"]) == N
    hb.set_threads(None)
    return best


def rate(batches, seconds, work=0.0):
    """Images a second of a loop that takes `work` seconds for each image; set-up is not counted."""
    batches = iter(batches)
    next(batches)
    images, start = 0, time.perf_counter()
    for x, y in batches:
        assert x.shape[1:] == (BINS,) * 3 and len(y) == len(x)
        time.sleep(work * len(x))
        images += len(x)
        if time.perf_counter() - start > seconds:
            break
    return images / (time.perf_counter() - start)


def memory():
    """Memory of this process in MB."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6


def memory_of_a_stream(live, images, points=6):
    """Images taken and memory in MB at several points of a stream; the first is behind a tenth of it."""
    stream, taken, found = iter(live), 0, []
    for end in np.linspace(images / 10, images, points):
        while taken < end:
            taken += len(next(stream)[0])
        found.append((taken, memory()))
    return found


class Histograms:
    """Images of stored events by NumPy."""

    def __init__(self):
        self.events = hb.generate(40 * EVENTS, seed=1).to_numpy(copy=True)

    def image(self, i):
        part = slice(i * EVENTS, (i + 1) * EVENTS)
        sample = np.stack([self.events[name][part] for name in ("cos_theta_l", "cos_theta_k", "chi")], axis=1)
        ranges = [(-1, 1), (-1, 1), (-np.pi, np.pi)]
        counts, _ = np.histogramdd(sample, bins=BINS, range=ranges)
        sums, _ = np.histogramdd(sample, bins=BINS, range=ranges, weights=self.events["q2"][part])
        return np.divide(sums, counts, out=np.zeros_like(sums), where=counts > 0).astype("float32")

    def __iter__(self):
        while True:
            for i in range(0, 40, 4):
                yield torch.from_numpy(np.stack([self.image(j) for j in range(i, i + 4)])), torch.zeros(4, 1)


class Gzipped(Dataset):
    """Images of h5py, compressed one by one."""

    def __init__(self, path):
        self.path, self.file = path, None
        with h5py.File(path) as file:
            self.count = len(file["images"])

    def __len__(self):
        return 100_000

    def __getitem__(self, i):
        if self.file is None:
            self.file = h5py.File(self.path)
        return torch.from_numpy(self.file["images"][i % self.count]), torch.zeros(1)


def main():
    read = argparse.ArgumentParser()
    read.add_argument("--seconds", type=float, default=20.0, help="time of each loop over images")
    read.add_argument("--images", type=int, default=100_000, help="images over which memory is looked at")
    read.add_argument("--wheel", type=Path, help="wheel whose size is printed")
    given = read.parse_args()
    cores = len(os.sched_getaffinity(0))
    print(f"{cores} cores, load {os.getloadavg()[0]:.1f}, NumPy {np.__version__}, PyTorch {torch.__version__}")

    size = f", wheel {given.wheel.stat().st_size / 1e6:.1f} MB" if given.wheel else ""
    print(f"import: {import_time():.3f} s{size}", flush=True)

    # The program's loop is one core's; the machine may be slower before it or behind it.
    peer = program("generate")
    all_cores, one = generation(None), generation(1)
    peer = max(peer, program("generate"))
    print(f"generate, 10 million events into NumPy: {all_cores / 1e6:.1f} M/s, on one thread {one / 1e6:.1f} M/s; bench generate, "
          f"one core: {peer / 1e6:.1f} M/s: ratios {all_cores / peer:.2f}, {one / peer:.2f}", flush=True)  # fmt: skip

    # What a loop gets that computes nothing, and what the program's own trainer gets for such a network; then a network of 2 ms an
    # image, for which both only have to be fast enough.
    live = hb.torch.LiveImages(delta_c9=(-2.0, 1.1), events=EVENTS, bins=BINS, batch=BATCH, seed=1)
    own = program("live")
    free = rate(live, given.seconds)
    own = max(own, program("live"))
    print(f"live images, as many as can be made: {free:.0f}/s; bench live {own:.0f}/s: ratio {free / own:.2f}", flush=True)
    busy, stream = rate(live, given.seconds, work=0.002), program("stream")
    print(f"live images, 2 ms of work for each: {busy:.0f}/s; bench stream {stream:.0f}/s: ratio {busy / stream:.2f}", flush=True)

    histograms = rate(Histograms(), given.seconds)
    print(f"NumPy's histogramdd of stored events: {histograms:.1f}/s: ratio {free / histograms:.1f}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "images.h5"
        with h5py.File(path, "w") as file:
            images = hb.voxelize(hb.generate(500 * EVENTS, seed=2), EVENTS, BINS)
            file.create_dataset("images", data=images, chunks=(1, BINS, BINS, BINS), compression="gzip")
            del images
        gzipped = rate(DataLoader(Gzipped(path), batch_size=BATCH, num_workers=2), given.seconds)
    print(f"DataLoader of two workers over gzip by h5py: {gzipped:.0f}/s: ratio {free / gzipped:.1f}", flush=True)

    if given.images:
        found = memory_of_a_stream(live, given.images)
        print("memory: " + ", ".join(f"{used:.0f} MB after {taken}" for taken, used in found))
        growth, batch = found[-1][1] - found[0][1], BATCH * BINS**3 * 4 / 1e6
        print(f"growth from {found[0][0]} to {found[-1][0]} images: {growth:+.0f} MB; of batches of {batch:.0f} MB up to three lie ready")


if __name__ == "__main__":
    main()
