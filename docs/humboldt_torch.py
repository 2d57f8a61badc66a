"""Networks of humboldt in PyTorch, with all that belongs to their weights.

    network = load("weights.safetensors")          # of `humboldt model export RUN/model --out weights.safetensors`
    delta_c9 = network.estimate(network(images))   # images [n, 50, 50, 50]: mean q2 [GeV^2], 0 where empty
    save(network, "tuned.safetensors")             # for `humboldt model import CARD tuned.safetensors --out MODEL`

`network.info` is what the file's metadata say under `humboldt`: layers, what is taken out of inputs, scores and target,
the calibration. Needs PyTorch 1.13 or newer and nothing else.
"""

import json
import math
import struct

import torch
from torch import nn


def read(path):
    """Tensors and metadata of a SafeTensors file."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header, data = json.loads(file.read(length)), bytearray(file.read())
    metadata, tensors = header.pop("__metadata__", {}), {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        tensors[name] = torch.frombuffer(data[begin:end], dtype=torch.float32).reshape(entry["shape"])
    return tensors, metadata


def load(path):
    """The network of an exported file, ready to predict."""
    tensors, metadata = read(path)
    info = json.loads(metadata["humboldt"])
    network = (ResNet if "channels" in info["architecture"] else SetNetwork)(info)
    network.load_state_dict(tensors, strict=False)
    missing = [name for name in network.state_dict() if name not in tensors and "num_batches_tracked" not in name]
    if missing or set(tensors) - set(network.state_dict()):
        raise ValueError(f"{path}: other tensors than the network's: {missing}")
    return network.eval()


def save(network, path):
    """Writes a network with its metadata."""
    header, data = {"__metadata__": {"format": "pt", "humboldt": json.dumps(network.info)}}, b""
    for name, tensor in network.state_dict().items():
        if "num_batches_tracked" not in name:
            begin, data = len(data), data + tensor.detach().to("cpu", torch.float32).contiguous().numpy().tobytes()
            header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [begin, len(data)]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


class Estimates:
    """What outputs mean, by a network's description."""

    def estimate(self, outputs):
        """Shifts [n, coefficients], in the order of `network.info["parameters"]`. A network of scores or single events puts out a statistic, of which only
        its calibration (`network.info["calibration"]`) makes a shift."""
        info = self.info
        if info["architecture"].get("references") or info["architecture"].get("supervision") == "event":
            raise ValueError("the outputs are a statistic: `humboldt model import` it, then `humboldt infer`")
        each, value = {"gaussian": (2, 0), "quantile": (3, 1)}.get(info["loss"], (1, 0))
        scale, mean = (torch.tensor([p["target"][key] for p in info["parameters"]]) for key in ("scale", "mean"))
        return mean + scale * outputs[:, value::each]


class Convolution(nn.Conv3d):
    """A convolution padded by half its kernel; where chi is circular it goes on at its other end."""

    def __init__(self, channels, filters, kernel, stride, circular_chi):
        half = kernel // 2
        super().__init__(channels, filters, kernel, stride, (half, half, 0 if circular_chi else half), bias=False)
        self.around = half if circular_chi else 0

    def forward(self, x):
        return super().forward(continued_in_chi(x, self.around))


def continued_in_chi(x, cells):
    return nn.functional.pad(x, (cells, cells, 0, 0, 0, 0), mode="circular") if cells else x


class Block(nn.Module):
    def __init__(self, channels, filters, stride, circular_chi=False):
        super().__init__()
        self.conv1 = Convolution(channels, filters, 3, stride, circular_chi)
        self.norm1 = nn.BatchNorm3d(filters)
        self.conv2 = Convolution(filters, filters, 3, 1, circular_chi)
        self.norm2 = nn.BatchNorm3d(filters)
        self.shortcut = nn.Sequential()
        if stride != 1 or channels != filters:
            conv = Convolution(channels, filters, 1, stride, circular_chi)
            self.shortcut = nn.Sequential(conv, nn.BatchNorm3d(filters))

    def forward(self, x):
        y = torch.relu(self.norm1(self.conv1(x)))
        return torch.relu(self.norm2(self.conv2(y)) + self.shortcut(x))


class ResNet(nn.Module, Estimates):
    """The 3D residual network of `humboldt model show`."""

    def __init__(self, info):
        super().__init__()
        self.info = info
        a = info["architecture"]
        circular, width = a.get("circular_chi", False), a["stem_filters"]
        self.stem = Convolution(self.input_channels(), width, a["stem_kernel"], a["stem_stride"], circular)
        self.stem_norm = nn.BatchNorm3d(width)
        self.blocks = nn.ModuleList()
        for stage, (count, filters) in enumerate(zip(a["blocks"], a["filters"])):
            for block in range(count):
                self.blocks.append(Block(width, filters, 2 if stage > 0 and block == 0 else 1, circular))
                width = filters
        self.dense = nn.Linear(width, a["dense"]) if a["dense"] else None
        self.dropout = nn.Dropout(a["dropout"])
        labels = len(info["parameters"])
        outputs = len(a.get("references", [])) or labels * {"gaussian": 2, "quantile": 3}.get(info["loss"], 1)
        self.output = nn.Linear(a["dense"] or width, outputs)
        behind = [a["stem_filters"], *a["filters"][:-1]] if a.get("score_pyramid") else []
        self.maps = nn.ModuleList(nn.Linear(filters, outputs) for filters in behind)

    def forward(self, images, events=None):
        """Outputs [n, outputs] of images [n, cos_theta_l, cos_theta_k, chi] of so many events each."""
        return self.of_channels(self.channels(images, events))

    def of_channels(self, x):
        """Outputs of what `channels` makes of images."""
        a = self.info["architecture"]
        x = torch.relu(self.stem_norm(self.stem(x)))
        heads, found = iter(self.maps), []

        def mapped(x):
            # Sums over all cells in units of their spread: those of a finer map count for more.
            found.extend((x[0, 0].numel(), head(x.mean(dim=(2, 3, 4)))) for head in [next(heads, None)] if head)

        mapped(x)
        kernel, stride = a["pool_kernel"], a["pool_stride"]
        if kernel > 1:
            half = kernel // 2
            around = half if a.get("circular_chi") else 0
            padding = (half, half, half - around)
            x = nn.functional.max_pool3d(continued_in_chi(x, around), kernel, stride, padding)
        for block in self.blocks:
            if block.conv1.stride[0] > 1:
                mapped(x)
            x = block(x)
        last = x[0, 0].numel()
        x = x.mean(dim=(2, 3, 4))
        if self.dense is not None:
            x = torch.relu(self.dense(x))
        return self.output(self.dropout(x)) + sum(map_ * math.sqrt(cells / last) for cells, map_ in found)

    def input_channels(self):
        a = self.info["architecture"]
        return sum({"q2_bands": len(a["q2_bands"]), "coordinates": 4}.get(c, 1) for c in a["channels"])

    def channels(self, images, events=None):
        """Input [n, channels, l, k, c]: cells are merged, what the training images had is taken out."""
        a = self.info["architecture"]
        merged, bins = a["downsample"], images.shape[1]
        size = -(-bins // merged)
        told = torch.as_tensor(self.info["events"] if events is None else events, dtype=torch.float32)
        told = told.clamp(min=1).expand(len(images)) / self.info["events"] if "events" in a["channels"] else None
        counted = torch.ones(len(images)) if told is None else told

        def merge(x):
            if merged == 1:
                return x
            beyond = size * merged - bins
            x = nn.functional.pad(x, (0, beyond) * 3).reshape(-1, size, merged, size, merged, size, merged)
            return x.sum(dim=(2, 4, 6)) / (counted * merged**3).reshape(-1, 1, 1, 1)

        found = []
        for channel in a["channels"]:
            if channel == "mean_q2":
                found.append(merge(images / a["q2_scale"]))
            elif channel == "occupancy":
                found.append(merge((images > 0).float()))
            elif channel == "q2_bands":
                found += [merge(band) for band in bands(images, a["q2_bands"])]
            elif channel == "events":
                found.append(counted.log().reshape(-1, 1, 1, 1).expand(-1, size, size, size))
        x = torch.stack(found, dim=1)
        for i, spread in enumerate(self.info["input"]):
            x[:, i] = (x[:, i] - spread["mean"]) / spread["deviation"]
        if "coordinates" in a["channels"]:
            centre = (2 * torch.arange(size, dtype=torch.float64) + 1) * merged / bins - 1
            l, k, c = torch.meshgrid(centre, centre, centre, indexing="ij")
            places = torch.stack([l, k, (math.pi * c).cos(), (math.pi * c).sin()]).float()
            x = torch.cat([x, places.expand(len(images), -1, -1, -1, -1)], dim=1)
        return x


def bands(images, nodes):
    """Occupied cells by their q2: between two nodes a cell counts for both, in proportion."""
    for i, node in enumerate(nodes):
        share = torch.ones_like(images)
        if i > 0:
            share = torch.minimum(share, (images - nodes[i - 1]) / (node - nodes[i - 1]))
        if i + 1 < len(nodes):
            share = torch.minimum(share, (nodes[i + 1] - images) / (nodes[i + 1] - node))
        yield share.clamp(min=0) * (images > 0)


class SetNetwork(nn.Module, Estimates):
    """Layers for each element of a set, a mean, and a head where labels of sets are learned."""

    def __init__(self, info):
        super().__init__()
        self.info = info
        a = info["architecture"]
        widths = [7 if a.get("m_kpi") else 6, *a["layers"]]
        self.layers = nn.ModuleList(nn.Linear(*pair) for pair in zip(widths, widths[1:]))
        self.pooled = nn.Linear(widths[-1], a["pooled"])
        self.head = None
        if a["supervision"] == "set":
            labels = len(info["parameters"])
            self.head = nn.Module()
            self.head.dense = nn.Linear(a["pooled"] + 1, a["dense"]) if a["dense"] else None
            outputs = labels * {"gaussian": 2, "quantile": 3}.get(info["loss"], 1)
            self.head.output = nn.Linear(a["dense"] or a["pooled"] + 1, outputs)

    def forward(self, sets):
        """Outputs [n, outputs], or the statistic [n, pooled], of a list of sets [elements, features] as `of_events` makes them."""
        means = torch.stack([self.of_elements(elements).mean(dim=0) for elements in sets])
        if self.head is None:
            return means
        sizes = torch.tensor([[math.log(max(len(elements), 1) / self.info["events"])] for elements in sets])
        x = torch.cat([means, sizes], dim=1)
        if self.head.dense is not None:
            x = torch.relu(self.head.dense(x))
        return self.head.output(x)

    def of_elements(self, elements):
        x = elements
        for layer in self.layers:
            x = torch.relu(layer(x))
        return self.pooled(x)


def of_events(q2, cos_theta_l, cos_theta_k, chi, m_kpi=None):
    """A set of events: q2 [GeV^2], LHCb angles and, for a network that is told it, the K pi mass [GeV], each [events]."""
    q2_terms = [0.1 * q2 - 1, 0.5 * q2.clamp(min=1e-6).log()]
    mass = [] if m_kpi is None else [10 * (m_kpi - 0.9)]
    return torch.stack([*q2_terms, cos_theta_l, cos_theta_k, chi.cos(), chi.sin(), *mass], dim=1)
