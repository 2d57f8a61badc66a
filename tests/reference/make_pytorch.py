"""A small network of docs/humboldt_torch.py: its state dict, its outputs, and a gradient.

Written with PyTorch 2.15.0 (CPU): python make_pytorch.py, in this folder.
"""

import json
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "docs"))
from humboldt_torch import ResNet  # noqa: E402

torch.manual_seed(1)
architecture = {"channels": ["mean_q2"], "q2_bands": [], "stem_filters": 4, "stem_kernel": 7, "stem_stride": 2}
architecture |= {"pool_kernel": 3, "pool_stride": 2, "blocks": [2, 1], "filters": [4, 6], "dense": 10, "dropout": 0.0}
model = ResNet({"architecture": architecture, "loss": "mae", "parameters": ["c9"]})
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
evaluation = model.of_channels(x).flatten().tolist()
model.train()
loss = (model.of_channels(x).flatten() - torch.tensor([0.1, 0.2, 0.3, 0.4])).abs().mean()
loss.backward()
# The gradient as a state dict of the same names; running statistics have none.
gradient = {name: torch.zeros_like(tensor) for name, tensor in model.state_dict().items()}
gradient |= {name: tensor.grad for name, tensor in model.named_parameters()}
torch.save(gradient, "pytorch_gradient.pt")
with open("pytorch_resnet.json", "w") as file:
    json.dump({"tool": f"PyTorch {torch.__version__}", "evaluation": evaluation}, file, indent=1)
    file.write("\n")
