"""One training step of the same networks in PyTorch on the CPU: the peer of benches/step.rs.

    pytorch_step.py PRESET BINS BATCH THREADS [STEPS]

prints CPU time an image (all threads, mean over STEPS after one to warm up), time by the clock and peak memory.
"""

import resource
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "docs"))
from humboldt_torch import ResNet  # noqa: E402

PRESETS = {
    "resnet10": ([1, 1, 1, 1], [16, 32, 64, 128]),
    "resnet34": ([3, 4, 6, 3], [64, 128, 256, 512]),
}


def network(preset):
    blocks, filters = PRESETS[preset]
    stem = {"channels": ["mean_q2"], "q2_bands": [], "stem_filters": filters[0], "stem_kernel": 7, "stem_stride": 2}
    rest = {"pool_kernel": 3, "pool_stride": 2, "blocks": blocks, "filters": filters, "dense": 1000, "dropout": 0.5}
    return ResNet({"architecture": stem | rest, "loss": "mae", "parameters": ["c9"]})


def main():
    preset, bins, batch, threads = sys.argv[1], *map(int, sys.argv[2:5])
    steps = int(sys.argv[5]) if len(sys.argv) > 5 else 4
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    model = network(preset)
    optimiser = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    shape = (batch, 1, bins, bins, bins)
    x = torch.rand(shape) * (torch.rand(shape) < 0.17)
    y = torch.rand(batch, 1)
    for step in range(steps + 1):
        if step == 1:
            cpu, clock = time.process_time(), time.time()
        optimiser.zero_grad()
        (model.of_channels(x) - y).abs().mean().backward()
        optimiser.step()
    images = steps * batch / 1e3
    cpu, clock = (time.process_time() - cpu) / images, (time.time() - clock) / images
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"pytorch  {preset} {bins}^3 batch {batch}, {threads} threads: {cpu:.1f} CPU-ms/image, "
        f"{clock:.1f} ms/image by the clock, peak {peak:.0f} MB"
    )


main()
