# %% [markdown]
# # A network of PyTorch on live images
# The quickstart's task (24,613 events in 50³ cells, δC₉ from −2 to 1.1) with a network of a few lines, which never sees an
# image twice. Every image is new, so nothing can be learned by heart, and no file is written but the figure. It sees 64,000 images, half as
# many as the quickstart's network.
#
# With `--quick` a small version of it runs in a minute or so.

# %%
import sys
import time
from pathlib import Path

import matplotlib

if __name__ == "__main__":
    matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn

import humboldt as hb

QUICK = "--quick" in sys.argv
OUT = Path(next((word for word in sys.argv[1:] if not word.startswith("-")), "."))
STEPS, BATCH = (150, 32) if QUICK else (1000, 64)
WINDOW = (0.1, 19.2)
# The range of the quickstart, with a fifth of it beyond each end: a network that knows where a range ends draws its
# predictions inwards there.
RANGE = (-2.0 - 0.62, 1.1 + 0.62)
BANDS = torch.tensor([0.0, 0.5, 1.5, 3.5, 6.0, 9.0, 13.0, 19.0])

# %% [markdown]
# An image of 50³ cells becomes 5³ cells, and for each of eight bands of q² the number of finer cells whose q² lies in it: the rate
# is smooth in the angles. Four of five cells are empty, so the others are counted one by one. Mean and spread of the counts over
# first batches scale the inputs.

# %%
COARSE, FINE = 5, 50
block = torch.arange(FINE) * COARSE // FINE
#: The coarse cell of each fine one.
CELL = ((block[:, None, None] * COARSE + block[:, None]) * COARSE + block).flatten()


def bands(images):
    """[n, 50, 50, 50] mean q2 -> [n, 5^3 cells times bands]."""
    q2 = images.flatten()
    occupied = q2.nonzero()[:, 0]
    image, fine = occupied // FINE**3, occupied % FINE**3
    place = (image * COARSE**3 + CELL[fine]) * len(BANDS) + torch.bucketize(q2[occupied], BANDS) - 1
    size = COARSE**3 * len(BANDS)
    return torch.bincount(place, minlength=len(images) * size).view(-1, size).float()


class Network(nn.Module):
    """Sums of the counts, each with its own weights, as a score is a sum over events; then layers that combine them."""

    def __init__(self, images):
        super().__init__()
        inputs = bands(images)
        self.register_buffer("mean", inputs.mean(0))
        self.register_buffer("spread", inputs.std(0) + 1e-3)
        sums, width = 16, 64
        self.layers = nn.Sequential(
            nn.Linear(inputs.shape[1], sums),
            nn.Linear(sums, width),
            nn.GELU(),
            nn.Linear(width, width),
            nn.GELU(),
            nn.Linear(width, width),
            nn.GELU(),
            nn.Linear(width, 1),
        )
        # The mean of the labels, and their spread.
        self.offset, self.scale = 0.5 * (RANGE[0] + RANGE[1]), (RANGE[1] - RANGE[0]) / 12**0.5

    def forward(self, images):
        return self.offset + self.scale * self.layers((bands(images) - self.mean) / self.spread)


# %%
torch.manual_seed(1)
live = hb.torch.LiveImages(delta_c9=RANGE, events=24_613, bins=50, batch=BATCH, seed=1, q2=WINDOW)
stream = iter(live)
first = torch.cat([next(stream)[0] for _ in range(4)])
network = Network(first)
optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=0.3)
schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=3e-3, total_steps=STEPS)
started, losses = time.perf_counter(), []
for step, (images, labels) in zip(range(1, STEPS + 1), stream):
    loss = nn.functional.mse_loss(network(images), labels)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    schedule.step()
    losses.append(loss.item())
    if step % (STEPS // 10) == 0:
        rate = step * BATCH / (time.perf_counter() - started)
        print(f"step {step:4}: RMSE {np.sqrt(np.mean(losses[-50:])):.3f}, {rate:.0f} images/s", flush=True)

# %% [markdown]
# Images that the network has never seen, of the values by which the quickstart is judged, and the linearity plot.

# %%
truths = np.union1d(np.round(np.arange(-2.0, 0.0, 0.15), 2), [-1.75, -1.5, -1.0, -0.75, -0.25, 0.0])
count = 16 if QUICK else 60
found = []
network.eval()
for i, truth in enumerate(truths):
    events = hb.generate(count * 24_613, seed=100 + i, delta_c9=truth, q2=WINDOW)
    with torch.no_grad():
        found.append(network(torch.from_numpy(hb.voxelize(events, 24_613))).numpy()[:, 0])
means = np.array([one.mean() for one in found])
slope = np.polyfit(truths, means, 1)[0]
rmse = np.sqrt(np.mean([(one - truth) ** 2 for one, truth in zip(found, truths, strict=True)]))
baseline = np.std(truths)
print(f"slope {slope:.3f}, RMSE {rmse:.4f}, over that of always the mean {rmse / baseline:.4f} (the quickstart: 1.00, 0.1168)")
figure, ax = plt.subplots(figsize=(5, 4.4), layout="constrained")
hb.plots.linearity(list(zip(truths, found, strict=True)), ax=ax)
ax.set_title(f"slope {slope:.2f}, RMSE {rmse:.2f}")
figure.savefig(OUT / "python-train.png", dpi=120)
