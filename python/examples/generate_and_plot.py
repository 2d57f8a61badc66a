# %% [markdown]
# # Events and images
# Events of two values of C9 as NumPy arrays, what tells them apart, and one image of them. No file is written but the figure.

# %%
import sys
from pathlib import Path

import matplotlib

if __name__ == "__main__":
    matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

import humboldt as hb

OUT = Path(sys.argv[1] if len(sys.argv) > 1 else ".")

# %% [markdown]
# A million events of each, in the time that it takes to read this line.

# %%
samples = {shift: hb.generate(1_000_000, seed=1, delta_c9=shift, q2=(1.1, 6.0)) for shift in (0.0, -1.0)}

# %% [markdown]
# The angle between the planes and the lepton's angle, with statistical errors; and A_FB as the moments give it.

# %%
figure, (left, middle, right) = plt.subplots(1, 3, figsize=(13, 3.8), layout="constrained")
for ax, name, label in ((left, "cos_theta_l", "cos θₗ"), (middle, "q2", "q² [GeV²]")):
    for shift, events in samples.items():
        counts, edges = np.histogram(events[name], bins=50)
        centres, width = 0.5 * (edges[1:] + edges[:-1]), np.diff(edges)
        density = counts / (counts.sum() * width)
        ax.errorbar(centres, density, density / np.sqrt(counts), fmt=".", markersize=3, label=f"δC₉ = {shift}")
    ax.set(xlabel=label, ylabel="density")
    ax.legend(frameon=False)

for shift, events in samples.items():
    moments = hb.moments(events, bins=[(1.1, 6.0)]).to_pandas().set_index("observable")
    print(f"delta C9 = {shift:4}: A_FB = {moments.value['A_FB']:+.4f} +- {moments.sigma['A_FB']:.4f}")

# %% [markdown]
# An image as a network sees it: mean q² in cells of the three angles, seen along χ.

# %%
images = hb.voxelize(samples[-1.0], events_per_image=24_613)
print(f"{len(images)} images of {images.shape[1:]} cells, {np.count_nonzero(images[0]) / images[0].size:.0%} occupied")
hb.plots.image(images[0], ax=right)
figure.savefig(OUT / "python-generate.png", dpi=120)
