# %% [markdown]
# # A global fit
# C9 and C10 of muons from measured observables, with theory errors and correlations, and what each measurement says.

# %%
import sys
import warnings
from pathlib import Path

import matplotlib

if __name__ == "__main__":
    matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

import humboldt as hb

OUT = Path(sys.argv[1] if len(sys.argv) > 1 else ".")

# %%
fit = hb.global_fit(free=["c9", "c10"])
for name in ("c9", "c10"):
    print(f"{name:>3}: {fit.value(name):+.3f} +- {fit.sigma(name):.3f}")
print(f"chi2 {fit.chi2:.1f} of {fit.degrees_of_freedom}, p = {fit.p_value:.3f}; {fit.sigmas_from_zero:.1f} sigma from zero")

# %% [markdown]
# Chi-square along C9 alone, and the pulls at the best fit. That far points do not describe the data is what a scan shows.

# %%
warnings.simplefilter("ignore", hb.HumboldtWarning)
shifts = np.linspace(-1.8, 0.4, 12)
chi2 = np.array([hb.global_chi2(c9=shift, c10=fit.value("c10")).chi2 for shift in shifts])
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
left.plot(shifts, chi2 - fit.chi2, "o-")
left.axvline(fit.value("c9"), color="black", linewidth=1)
left.set(xlabel="δC₉", ylabel="χ² − smallest χ²")
pulls = np.array([one["pull"] for one in fit.contributions])
right.hist(pulls, bins=np.linspace(-4, 4, 33), histtype="step")
right.set(xlabel="pull at the best fit", ylabel="measurements")
figure.savefig(OUT / "python-global.png", dpi=120)
