"""A HepMC3 file through pyhepmc: what it says of itself, and the largest deviations from the columns, as JSON.

Angles come from energies (cosines) and from the normals of docs/conventions.md (chi), not from humboldt's code.
Usage: read_hepmc.py FILE COLUMNS.json
"""
import json, sys
import numpy as np
import pyhepmc

path, columns = sys.argv[1], json.load(open(sys.argv[2]))
worst = {}


def note(name, value):
    worst[name] = float(max(worst.get(name, 0.0), value))


def four(p):
    m = p.momentum
    return np.array([m.e, m.px, m.py, m.pz])


def mass2(p):
    return p[0] ** 2 - p[1:] @ p[1:]


def to_rest(p, frame):
    mass = np.sqrt(mass2(frame))
    e = (p[0] * frame[0] - p[1:] @ frame[1:]) / mass
    return np.array([e, *(p[1:] - (p[0] + e) / (frame[0] + mass) * frame[1:])])


def unit(v):
    return v / np.linalg.norm(v)


def momentum(m, m1, m2):
    return np.sqrt((m - m1 - m2) * (m + m1 + m2) * (m - m1 + m2) * (m + m1 - m2)) / (2 * m)


def angles(b, first, second, kaon, pion, b_quark, generated):
    first, second, kaon, pion = (to_rest(four(p), four(b)) for p in (first, second, kaon, pion))
    q2, m_kpi = mass2(first + second), np.sqrt(mass2(kaon + pion))
    k = np.linalg.norm((kaon + pion)[1:])
    q, lepton, m_k, m_pi = np.sqrt(q2), *generated
    # E = gamma (E* + beta p* cos), gamma beta = k / m.
    cos_l = (first[0] - second[0]) * q / (2 * momentum(q, lepton, lepton) * k)
    p = momentum(m_kpi, m_k, m_pi)
    cos_k = (kaon[0] * m_kpi - np.hypot(m_kpi, k) * np.hypot(m_k, p)) / (k * p)
    n_l, n_k = unit(np.cross(first[1:], second[1:])), unit(np.cross(kaon[1:], pion[1:]))
    sign = -1 if b_quark else 1
    chi = np.arctan2(sign * np.cross(n_l, n_k) @ unit((kaon + pion)[1:]), n_l @ n_k)
    return q2, cos_l, cos_k, chi, m_kpi


count, ids, b_momenta, weights, info = 0, set(), set(), [], {}
with pyhepmc.open(path) as file:
    for event in file:
        assert event.event_number == count, event.event_number
        assert event.momentum_unit == pyhepmc.Units.GEV and event.length_unit == pyhepmc.Units.MM
        if count == 0:
            run = event.run_info
            info = {
                "tools": [[t.name, t.version] for t in run.tools],
                "attributes": {name: str(value) for name, value in run.attributes.items()},
                "weight_names": list(event.weight_names),
            }
        weights.append(list(event.weights))
        b, kstar, l_minus, l_plus, kaon, pion = event.particles
        assert [p.status for p in event.particles] == [2, 2, 1, 1, 1, 1]
        assert len(event.vertices) == 2 and not b.parents
        assert [[p.id for p in v.particles_in] for v in event.vertices] == [[1], [2]]
        assert [[p.id for p in v.particles_out] for v in event.vertices] == [[2, 3, 4], [5, 6]]
        ids.add(tuple(p.pid for p in event.particles))
        b_momenta.add(tuple(four(b)))
        energy = b.momentum.e
        for v in event.vertices:
            difference = sum(map(four, v.particles_in)) - sum(map(four, v.particles_out))
            note("conservation", np.abs(difference).max() / energy)
        for p in event.particles:
            note("mass", abs(mass2(four(p)) - p.generated_mass**2) / p.momentum.e**2)
        b_quark = b.pid < 0
        first, second = (l_minus, l_plus) if b_quark else (l_plus, l_minus)
        masses = [p.generated_mass for p in (l_minus, kaon, pion)]
        found = angles(b, first, second, kaon, pion, b_quark, masses)
        for name, value in zip(["q2", "cos_theta_l", "cos_theta_k", "chi", "m_kpi"], found):
            deviation = abs(value - columns[name][count])
            note(name, min(deviation, 2 * np.pi - deviation) if name == "chi" else deviation)
        count += 1
print(json.dumps({"events": count, "ids": sorted(ids), "b": sorted(b_momenta), "weights": weights, "worst": worst, **info}))
