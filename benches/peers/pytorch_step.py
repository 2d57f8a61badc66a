"""One training step of the same networks in PyTorch on the CPU: the peer of benches/step.rs.

    pytorch_step.py PRESET BINS BATCH THREADS [STEPS]

prints CPU time an image (all threads, mean over STEPS after one to warm up), time by the clock and peak memory.
"""

import resource
import sys
import time

import torch
from torch import nn

PRESETS = {
    "resnet10": ([1, 1, 1, 1], [16, 32, 64, 128]),
    "resnet34": ([3, 4, 6, 3], [64, 128, 256, 512]),
}


class Block(nn.Module):
    def __init__(self, channels, filters, stride):
        super().__init__()
        self.conv1 = nn.Conv3d(channels, filters, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm3d(filters)
        self.conv2 = nn.Conv3d(filters, filters, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm3d(filters)
        self.shortcut = nn.Identity()
        if stride != 1 or channels != filters:
            conv = nn.Conv3d(channels, filters, 1, stride, bias=False)
            self.shortcut = nn.Sequential(conv, nn.BatchNorm3d(filters))

    def forward(self, x):
        y = torch.relu(self.norm1(self.conv1(x)))
        return torch.relu(self.norm2(self.conv2(y)) + self.shortcut(x))


def network(preset):
    blocks, filters = PRESETS[preset]
    width = filters[0]
    layers = [nn.Conv3d(1, width, 7, 2, 3, bias=False), nn.BatchNorm3d(width), nn.ReLU(), nn.MaxPool3d(3, 2, 1)]
    for stage, (count, channels) in enumerate(zip(blocks, filters)):
        for block in range(count):
            layers.append(Block(width, channels, 2 if stage > 0 and block == 0 else 1))
            width = channels
    layers += [nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(width, 1000), nn.ReLU(), nn.Dropout(0.5)]
    return nn.Sequential(*layers, nn.Linear(1000, 1))


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
        (model(x) - y).abs().mean().backward()
        optimiser.step()
    images = steps * batch / 1e3
    cpu, clock = (time.process_time() - cpu) / images, (time.time() - clock) / images
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"pytorch  {preset} {bins}^3 batch {batch}, {threads} threads: {cpu:.1f} CPU-ms/image, "
        f"{clock:.1f} ms/image by the clock, peak {peak:.0f} MB"
    )


main()
