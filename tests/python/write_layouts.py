"""Files as experiments have them, of four-momenta in HepMC3: FOLDER/{basf2,lhcb,cms}.ENDING of b0bar.hepmc and b0.hepmc.

Nothing here knows humboldt. ENDING is `root` (uproot) or `parquet` (pyarrow). Angles of CMS are computed by the
definition of arXiv:1304.6325.
"""

import sys

import numpy as np


def momenta(path):
    """l-, l+, K, pi of each event: arrays (events, 4) of E, px, py, pz [GeV]."""
    found = {3: [], 4: [], 5: [], 6: []}
    with open(path) as lines:
        for line in lines:
            if line.startswith("P "):
                words = line.split()
                if int(words[1]) in found:
                    found[int(words[1])].append([float(x) for x in (words[7], *words[4:7])])
    return [np.array(found[i]) for i in (3, 4, 5, 6)]


def boosted(p, frame):
    mass = np.sqrt(frame[:, 0] ** 2 - np.sum(frame[:, 1:] ** 2, axis=1))
    energy = (p[:, 0] * frame[:, 0] - np.sum(p[:, 1:] * frame[:, 1:], axis=1)) / mass
    along = (p[:, 0] + energy) / (frame[:, 0] + mass)
    return np.column_stack([energy, p[:, 1:] - along[:, None] * frame[:, 1:]])


def unit(v):
    return v / np.linalg.norm(v, axis=1)[:, None]


def angles(first, second, kaon, pion, sign):
    """Of the lepton `first`, which goes with the kaon: l+ of B0 (sign +1), l- of B0bar (sign -1)."""
    b = first + second + kaon + pion
    first, second, kaon, pion = (boosted(p, b) for p in (first, second, kaon, pion))
    pair, kstar = first + second, kaon + pion
    cos_l = np.sum(unit(boosted(first, pair)[:, 1:]) * unit(pair[:, 1:]), axis=1)
    cos_k = np.sum(unit(boosted(kaon, kstar)[:, 1:]) * unit(kstar[:, 1:]), axis=1)
    n_l, n_k = unit(np.cross(first[:, 1:], second[:, 1:])), unit(np.cross(kaon[:, 1:], pion[:, 1:]))
    sine = sign * np.sum(np.cross(n_l, n_k) * unit(kstar[:, 1:]), axis=1)
    return cos_l, cos_k, np.arctan2(sine, np.sum(n_l * n_k, axis=1))


def mass(p):
    return np.sqrt(p[:, 0] ** 2 - np.sum(p[:, 1:] ** 2, axis=1))


def write(path, columns):
    if path.endswith(".root"):
        import uproot

        with uproot.recreate(path) as file:
            tree = file.mktree("tree", {name: column.dtype for name, column in columns.items()})
            tree.extend(columns)
    else:
        import pyarrow
        import pyarrow.parquet

        pyarrow.parquet.write_table(pyarrow.table(columns), path)


folder, ending = sys.argv[1:]
b0bar, b0 = momenta(f"{folder}/b0bar.hepmc"), momenta(f"{folder}/b0.hepmc")
both = [np.concatenate(pair) for pair in zip(b0bar, b0)]
is_b0 = np.concatenate([np.zeros(len(b0bar[0]), bool), np.ones(len(b0[0]), bool)])
order = np.random.default_rng(1).permutation(len(is_b0))
l_minus, l_plus, kaon, pion = (p[order] for p in both)
is_b0 = is_b0[order]
# The lepton of the kaon's sign.
first = np.where(is_b0[:, None], l_plus, l_minus)
second = np.where(is_b0[:, None], l_minus, l_plus)
sign = np.where(is_b0, 1, -1)

basf2 = {"__candidate__": np.zeros(len(sign), np.int32), "__ncandidates__": np.ones(len(sign), np.int32)}
for prefix, p in {"K_p_": kaon, "pi_m_": pion, "mu_p_": first, "mu_m_": second}.items():
    for i, component in enumerate(["E", "px", "py", "pz"]):
        basf2[prefix + component] = p[:, i]
basf2["K_p_charge"] = sign.astype(np.float64)
write(f"{folder}/basf2.{ending}", basf2)
del basf2["K_p_charge"]
write(f"{folder}/blind.{ending}", basf2)

lhcb = {"K_ID": (321 * sign).astype(np.int32), "mu_plus_ID": np.where(is_b0, -13, 13).astype(np.int32)}
for prefix, p in {"K_": kaon, "Pi_": pion, "mu_plus_": first, "mu_minus_": second}.items():
    for i, component in enumerate(["PE", "PX", "PY", "PZ"]):
        lhcb[prefix + component] = 1000 * p[:, i]
write(f"{folder}/lhcb.{ending}", lhcb)

cos_l, cos_k, phi = angles(first, second, kaon, pion, sign)
cms = {"cos_theta_l": cos_l, "cos_theta_k": cos_k, "phi_kst_mumu": phi, "tagB0": is_b0.astype(np.float64)}
cms |= {"mumuMass": mass(l_minus + l_plus), "kstarmass": mass(kaon + pion)}
write(f"{folder}/cms.{ending}", cms)
