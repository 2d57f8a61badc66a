"""A small network in PyTorch: its state dict, its outputs, and a gradient.

Written with PyTorch 2.15.0 (CPU): python make_pytorch.py, in this folder.
"""

import json

import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, channels, filters, stride):
        super().__init__()
        self.conv1 = nn.Conv3d(channels, filters, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm3d(filters)
        self.conv2 = nn.Conv3d(filters, filters, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm3d(filters)
        self.shortcut = nn.Sequential()
        if stride != 1 or channels != filters:
            self.shortcut = nn.Sequential(nn.Conv3d(channels, filters, 1, stride, bias=False), nn.BatchNorm3d(filters))

    def forward(self, x):
        y = torch.relu(self.norm1(self.conv1(x)))
        return torch.relu(self.norm2(self.conv2(y)) + self.shortcut(x))


class ResNet(nn.Module):
    def __init__(self, channels, stem_filters, blocks, filters, dense):
        super().__init__()
        self.stem = nn.Conv3d(channels, stem_filters, 7, 2, 3, bias=False)
        self.stem_norm = nn.BatchNorm3d(stem_filters)
        self.blocks = nn.ModuleList()
        width = stem_filters
        for stage, (count, number) in enumerate(zip(blocks, filters)):
            for block in range(count):
                self.blocks.append(Block(width, number, 2 if stage > 0 and block == 0 else 1))
                width = number
        self.dense = nn.Linear(width, dense)
        self.output = nn.Linear(dense, 1)

    def forward(self, x):
        x = nn.functional.max_pool3d(torch.relu(self.stem_norm(self.stem(x))), 3, 2, 1)
        for block in self.blocks:
            x = block(x)
        return self.output(torch.relu(self.dense(x.mean(dim=(2, 3, 4)))))


torch.manual_seed(1)
model = ResNet(1, 4, [2, 1], [4, 6], 10)
for name, tensor in model.named_buffers():
    if name.endswith("running_mean"):
        tensor.uniform_(-0.2, 0.2)
    if name.endswith("running_var"):
        tensor.uniform_(0.5, 1.5)
for name, tensor in model.named_parameters():
    if "norm" in name or "shortcut.1" in name:
        tensor.data += torch.empty_like(tensor).uniform_(-0.2, 0.2)
cells = [(1 + i // 4096) * (i * 104729 % 1009) / 1009 if i * 7919 % 100 < 17 else 0.0 for i in range(4 * 4096)]
x = torch.tensor(cells).reshape(4, 1, 16, 16, 16)
torch.save(model.state_dict(), "pytorch_resnet.pt")
model.eval()
evaluation = model(x).flatten().tolist()
model.train()
loss = (model(x).flatten() - torch.tensor([0.1, 0.2, 0.3, 0.4])).abs().mean()
loss.backward()
# The gradient as a state dict of the same names; running statistics have none.
gradient = {name: torch.zeros_like(tensor) for name, tensor in model.state_dict().items()}
gradient |= {name: tensor.grad for name, tensor in model.named_parameters()}
torch.save(gradient, "pytorch_gradient.pt")
with open("pytorch_resnet.json", "w") as file:
    json.dump({"tool": f"PyTorch {torch.__version__}", "evaluation": evaluation}, file, indent=1)
    file.write("\n")
