"""Rates of the Python package beside those of the program and of what one writes without it, in one run.

python python/benches/rates.py [SECONDS]
"""

import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

import humboldt as hb

SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 20.0
EVENTS, BINS, BATCH = 24_613, 50, 64


def program(row):
    """A row of `humboldt bench`."""
    return json.loads(hb.command("bench", row, "--json"))[0]["value"]


def generation():
    """Events a second into NumPy arrays, the best of several, and the program's own loop on one core before and behind."""
    before = program("generate")
    best, n = 0.0, 10_000_000
    for seed in range(5):
        start = time.perf_counter()
        events = hb.generate(n, seed=seed, delta_c9=-0.87)
        columns = events.to_numpy()
        best = max(best, n / (time.perf_counter() - start))
        assert len(columns["q2"]) == n
    return best, max(before, program("generate"))


def rate(batches, seconds=SECONDS, work=0.0):
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
        for i in range(0, 40, 4):
            yield torch.from_numpy(np.stack([self.image(j) for j in range(i, i + 4)])), torch.zeros(4, 1)


class Gzipped(Dataset):
    """Images of h5py, compressed one by one."""

    def __init__(self, path):
        self.path, self.file = path, None
        with h5py.File(path) as file:
            self.count = len(file["images"])

    def __len__(self):
        return 10_000

    def __getitem__(self, i):
        if self.file is None:
            self.file = h5py.File(self.path)
        return torch.from_numpy(self.file["images"][i % self.count]), torch.zeros(1)


def main():
    own, peer = generation()
    print(f"generate: {own / 1e6:.1f} M events/s into NumPy, {peer / 1e6:.1f} M of bench generate: ratio {own / peer:.2f}")
    live = hb.torch.LiveImages(delta_c9=(-2.0, 1.1), events=EVENTS, bins=BINS, batch=BATCH, seed=1)
    stream = program("stream")
    busy = rate(live, work=0.002)
    print(f"live images, 2 ms of work for each: {busy:.0f}/s, bench stream {stream:.0f}/s: ratio {busy / stream:.2f}")
    free = rate(live)
    histograms = rate(Histograms())
    print(f"live images: {free:.0f}/s; NumPy's histogramdd of stored events {histograms:.1f}/s: ratio {free / histograms:.1f}")
    with tempfile.TemporaryDirectory() as folder:
        images = hb.voxelize(hb.generate(500 * EVENTS, seed=2), EVENTS, BINS)
        path = Path(folder) / "images.h5"
        with h5py.File(path, "w") as file:
            file.create_dataset("images", data=images, chunks=(1, BINS, BINS, BINS), compression="gzip")
        loader = DataLoader(Gzipped(path), batch_size=BATCH, num_workers=2)
        gzipped = rate(loader)
    print(f"DataLoader of two workers over gzip by h5py: {gzipped:.0f}/s: ratio {free / gzipped:.1f}")
    print(f"largest memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
