# %% [markdown]
# # A fit and its intervals
# C9 and C10 from events, by the exact density; how well any method could do; and whether intervals hold what they promise.

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
TRUTH, WINDOW, EVENTS = -0.8, (1.1, 6.0), 2000

# %%
events = hb.generate(20_000, seed=1, delta_c9=TRUTH, q2=WINDOW, line_shape="narrow")
both = hb.fit(events, free=["c9", "c10"])
for name in ("c9", "c10"):
    low, high = both.interval(name)
    print(f"{name:>3}: {both.value(name):+.3f}, 68.3 % from {low:+.3f} to {high:+.3f}")
print(f"goodness of fit: p = {both.goodness['p_value']:.2f}")

# %% [markdown]
# A hundred samples of 2000 events each: their pulls, and their spread beside the information bound.

# %%
many = hb.generate(100 * EVENTS, seed=2, delta_c9=TRUTH, q2=WINDOW, line_shape="narrow")
fits = hb.fit(many, events_per_fit=EVENTS)
values = np.array([fit.value("c9") for fit in fits])
ends = np.array([fit.interval("c9") for fit in fits], dtype=float)
covered = np.mean((ends[:, 0] <= TRUTH) & (TRUTH <= ends[:, 1]))
limit = hb.bound(events=EVENTS, delta_c9=TRUTH, q2=WINDOW).sigma
print(f"spread {values.std(ddof=1):.3f}, bound {limit:.3f}; {covered:.0%} of the intervals hold the truth")

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
order = np.argsort(values)
rows = np.arange(len(values))
left.hlines(rows, ends[order, 0], ends[order, 1], color="tab:blue", linewidth=1)
left.plot(values[order], rows, ".", color="tab:blue", markersize=3)
left.axvline(TRUTH, color="black", linewidth=1)
left.set(xlabel="δC₉ with its interval", ylabel="sample")
pulls = (values - TRUTH) / np.array([fit.sigma("c9") for fit in fits])
x = np.linspace(-4, 4, 200)
right.hist(pulls, bins=16, range=(-4, 4), density=True, histtype="step", label="pulls")
right.plot(x, np.exp(-0.5 * x**2) / np.sqrt(2 * np.pi), color="black", linewidth=1, label="unit Gaussian")
right.set(xlabel="(δC₉ − truth) / σ", ylabel="density")
right.legend(frameon=False)
figure.savefig(OUT / "python-fit.png", dpi=120)
