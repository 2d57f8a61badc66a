"""A small 3D residual network by direct summation in NumPy, double precision.

The conventions are PyTorch's: cross-correlation, symmetric padding, -infinity around a maximum, batch norm by the biased
variance of the batch. Weights and input follow from formulas that the Rust test repeats. Writes resnet.json.
"""

import json
from pathlib import Path

import numpy as np


def number(tensor: int, n: int) -> np.ndarray:
    return 0.3 * np.sin(1.7 * np.arange(n) + 0.5 * tensor + 0.1)


def windows(x, k, stride, fill):
    p = k // 2
    x = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p), (p, p)), constant_values=fill)
    w = np.lib.stride_tricks.sliding_window_view(x, (k, k, k), axis=(2, 3, 4))
    return w[:, :, ::stride, ::stride, ::stride]


class Net:
    """Tensors in the order in which the Rust network visits them."""

    def __init__(self):
        self.tensors = []

    def new(self, *shape, base=0.0):
        n = int(np.prod(shape))
        self.tensors.append((base + number(len(self.tensors), n)).reshape(shape))
        return len(self.tensors) - 1

    def conv(self, channels, filters, k, stride):
        return dict(w=self.new(filters, channels, k, k, k), k=k, s=stride)

    def norm(self, c):
        return [self.new(c, base=1.0), self.new(c), self.new(c), self.new(c, base=1.0)]

    def apply_conv(self, c, x):
        return np.einsum("ncxyzabd,fcabd->nfxyz", windows(x, c["k"], c["s"], 0.0), self.tensors[c["w"]])

    def apply_norm(self, norm, x, train):
        gamma, beta, mean, variance = (self.tensors[i] for i in norm)
        if train:
            mean, variance = x.mean((0, 2, 3, 4)), x.var((0, 2, 3, 4))
        at = lambda v: v[None, :, None, None, None]
        return (x - at(mean)) / np.sqrt(at(variance) + 1e-5) * at(gamma) + at(beta)


net = Net()
relu = lambda x: np.maximum(x, 0.0)
stem, stem_norm = net.conv(1, 2, 3, 2), net.norm(2)
blocks = []
for channels, filters, stride in [(2, 2, 1), (2, 3, 2)]:
    block = dict(conv1=net.conv(channels, filters, 3, stride), norm1=net.norm(filters))
    block |= dict(conv2=net.conv(filters, filters, 3, 1), norm2=net.norm(filters))
    if stride != 1 or channels != filters:
        block |= dict(conv=net.conv(channels, filters, 1, stride), norm=net.norm(filters))
    blocks.append(block)
dense = net.new(3, 4), net.new(4)
output = net.new(4, 1), net.new(1)


def forward(x, train):
    x = relu(net.apply_norm(stem_norm, net.apply_conv(stem, x), train))
    x = windows(x, 3, 2, -np.inf).max((5, 6, 7))
    for b in blocks:
        y = relu(net.apply_norm(b["norm1"], net.apply_conv(b["conv1"], x), train))
        y = net.apply_norm(b["norm2"], net.apply_conv(b["conv2"], y), train)
        passed = net.apply_norm(b["norm"], net.apply_conv(b["conv"], x), train) if "conv" in b else x
        x = relu(y + passed)
    x = x.mean((2, 3, 4))
    x = relu(x @ net.tensors[dense[0]] + net.tensors[dense[1]])
    return x @ net.tensors[output[0]] + net.tensors[output[1]]


images = 3
x = (2.0 * np.cos(0.9 * np.arange(images * 9**3) ** 1.1)).reshape(images, 1, 9, 9, 9)
gradients = []
h = 1e-6
for t, tensor in enumerate(net.tensors):
    for j in {0, tensor.size // 2}:
        values = []
        for sign in (1, -1):
            kept = tensor.flat[j]
            tensor.flat[j] = kept + sign * h
            values.append((forward(x, True) ** 2).sum())
            tensor.flat[j] = kept
        gradients.append(dict(tensor=t, element=j, value=(values[0] - values[1]) / (2 * h)))
result = dict(
    tool=f"NumPy {np.__version__}",
    evaluation=forward(x, False).ravel().tolist(),
    training=forward(x, True).ravel().tolist(),
    gradients=sorted(gradients, key=lambda g: (g["tensor"], g["element"])),
)
Path(__file__).with_name("resnet.json").write_text(json.dumps(result, indent=1) + "\n")
