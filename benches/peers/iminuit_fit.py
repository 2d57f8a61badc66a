"""The fit of delta C9 in iminuit, of the same events and the same density: the peer of `humboldt fit`.

    iminuit_fit.py EVENTS ANCHOR FITS

EVENTS and ANCHOR are tables of `humboldt generate --score c9` at different delta C9 (read from their metadata), FITS the
output of `humboldt fit EVENTS --events N --json`. |A|^2 = a + b x + c x^2 of each event, x counted from the sample's own
delta C9. The score column is d ln p/dx = b/a - B/A at x = 0, so that any row says B/A exactly, with A + B x + C x^2 the rate
over the window; the anchor's rows say the same at another x, and so C/A. Nothing is sampled.

Prints value and interval of the first sample here and there, the largest differences of all, and the CPU time of MIGRAD and
MINOS; a, b, c are columns of the file and cost nothing here.
"""

import json
import sys
import time

import numpy as np
import pyarrow.parquet as pq
from iminuit import Minuit


def load(path):
    table = pq.read_table(path)
    point = json.loads(table.schema.metadata[b"humboldt"])["generator"].get("wilson", {}).get("c9", 0.0)
    a, b, c, score = (table[name].to_numpy() for name in ("a_c9", "b_c9", "c_c9", "score_c9"))
    # B/A: the same number in each row, up to rounding.
    return point, a, b, c, b / a - score


def normalisation(here, anchor, distance):
    """B/A and C/A at x = 0 from the logarithmic derivatives of the rate there and at a distance."""
    slope = (here - anchor - anchor * here * distance) / (anchor * distance**2 - 2 * distance)
    return here, slope


def minuit(u, v, big_b, big_c, gradient):
    n = len(u)

    def cost(x):
        return -np.log(1 + x * (u + x * v)).sum() + n * np.log(1 + x * (big_b + x * big_c))

    def slope(x):
        inside = (u + 2 * x * v) / (1 + x * (u + x * v))
        return [-inside.sum() + n * (big_b + 2 * x * big_c) / (1 + x * (big_b + x * big_c))]

    m = Minuit(cost, x=0.1, **({"grad": slope} if gradient else {}))
    m.errordef = Minuit.LIKELIHOOD
    m.errors["x"] = 0.05
    # The default stops 3e-4 from the minimum; a tighter one costs no call more.
    m.tol = 1e-4
    return m


def fit(m):
    m.migrad()
    m.minos()
    assert m.valid and m.merrors["x"].is_valid
    return m


def main():
    events, anchor, fits = sys.argv[1:4]
    point, a, b, c, here = load(events)
    other, *_, there = load(anchor)
    spread = max(np.ptp(here), np.ptp(there))
    big_b, big_c = normalisation(np.median(here), np.median(there), other - point)
    print(f"B/A = {big_b:.9f}, C/A = {big_c:.9f} at delta C9 = {point}; rows agree to {spread:.1e}")
    distance, length, pull = 0.0, 0.0, 0.0
    times = {False: [], True: []}
    with open(fits) as file:
        ours = json.load(file)
    for i, one in enumerate(ours):
        rows = slice(one["first_row"], one["first_row"] + one["events"])
        u, v = np.ascontiguousarray(b[rows] / a[rows]), np.ascontiguousarray(c[rows] / a[rows])
        for gradient, ms in times.items():
            start = time.process_time()
            m = fit(minuit(u, v, big_b, big_c, gradient))
            ms.append((time.process_time() - start) * 1e3)
            value, error = point + m.values["x"], m.merrors["x"]
            theirs = one["coefficients"][0]
            distance = max(distance, abs(value - theirs["value"]))
            length = max(length, abs(-error.lower / theirs["minus"] - 1), abs(error.upper / theirs["plus"] - 1))
            if i == 0:
                if not gradient:
                    print(
                        f"humboldt {theirs['value']:.6f} +- {theirs['sigma']:.6f}, "
                        f"profile -{theirs['minus']:.6f} +{theirs['plus']:.6f}"
                    )
                kind = "analytic" if gradient else "numerical"
                print(
                    f"iminuit  {value:.6f} +- {m.errors['x']:.6f}, MINOS {error.lower:.6f} {error.upper:+.6f}, "
                    f"{kind} gradient: {m.nfcn} values, {m.ngrad} gradients"
                )
    print(f"{len(ours)} samples: values agree to {distance:.1e}, interval lengths to {length:.1e}")
    for gradient, ms in times.items():
        kind = "analytic" if gradient else "numerical"
        print(
            f"iminuit  MIGRAD + MINOS, {kind} gradient, CPU time of a sample: median {np.median(ms):.3f}, "
            f"mean {np.mean(ms):.3f}, least {min(ms):.3f} ms"
        )
    print(f"ms {min(np.mean(ms) for ms in times.values()):.4f}")
    assert distance < 1e-3 and length < 0.01


main()
