"""Wrong calls: exceptions that name the argument and what is allowed; no file is left."""

import os

import numpy as np
import pytest

import humboldt as hb

VALUES = {"q2": 3.0, "cos_theta_l": 0.5, "cos_theta_k": 0.5, "chi": 0.5, "m_kpi": 0.895}
SAMPLE = {name: np.full(100, value, "float32") for name, value in VALUES.items()}
LIVE = {"delta_c9": (-2.0, 1.1), "events": 100, "bins": 5}

WRONG = [
    (lambda: hb.generate("many"), TypeError, "n_events.*whole number"),
    (lambda: hb.generate(1.5), TypeError, "n_events.*whole number"),
    (lambda: hb.generate(0), ValueError, "n_events.*1 to"),
    (lambda: hb.generate(-5), ValueError, "n_events.*1 to"),
    (lambda: hb.generate(10, seed=-1), ValueError, "seed.*0 or more"),
    (lambda: hb.generate(10, delta_c9="big"), TypeError, "delta_c9.*a number"),
    (lambda: hb.generate(10, delta_c9=float("nan")), ValueError, "delta_c9.*finite"),
    (lambda: hb.generate(10, wc={"c11": 1.0}), ValueError, "wc.*c10_prime"),
    (lambda: hb.generate(10, wc={"c9": "x"}), TypeError, r"wc\['c9'\].*a number"),
    (lambda: hb.generate(10, wc=[1.0]), TypeError, "wc.*a dict"),
    (lambda: hb.generate(10, delta_c9=1.0, wc={"c9": 1.0}), ValueError, "wc c9.*each coefficient once"),
    (lambda: hb.generate(10, q2=(6, 1.1)), ValueError, "q2.*min < max"),
    (lambda: hb.generate(10, q2=5), TypeError, r"q2.*\(low, high\)"),
    (lambda: hb.generate(10, q2=(30, 40)), ValueError, "q2"),
    (lambda: hb.generate(10, flavour="D0"), ValueError, "flavour.*B0bar"),
    (lambda: hb.generate(10, lepton="tau"), ValueError, "lepton.*e, mu"),
    (lambda: hb.generate(10, model="best"), ValueError, "model.*npr"),
    (lambda: hb.generate(10, line_shape=3), TypeError, "line_shape.*a text"),
    (lambda: hb.generate(10, inputs={"v_cx": 1.0}), ValueError, "v_cx"),
    (lambda: hb.generate(10, charmonium={"j_psi": 1.0}), TypeError, "j_psi.*phase"),
    (lambda: hb.generate(10, score=["c12"]), ValueError, "score"),
    (lambda: hb.generate(10, card="none.toml"), FileNotFoundError, "none.toml"),
    (lambda: hb.generate(10, progress=3), TypeError, "progress.*function"),
    (lambda: hb.load("none.parquet"), FileNotFoundError, "none.parquet"),
    (lambda: hb.load(__file__), ValueError, "Parquet"),
    (lambda: hb.Events(5), TypeError, "data.*__arrow_c_stream__"),
    (lambda: hb.Events({"q2": [1.0], "chi": [1.0, 2.0]}), ValueError, "length of chi = 2.*1, as of q2"),
    (lambda: hb.Events({"q2": ["a"]}), TypeError, "column q2.*float32"),
    (lambda: hb.Events(SAMPLE).save("events.csv"), ValueError, r"path = events.csv.*\.parquet"),
    (lambda: hb.Events(SAMPLE).save("no/folder/events.parquet"), FileNotFoundError, "no/folder"),
    (lambda: hb.Events(SAMPLE)["q3"], KeyError, "q3.*cos_theta_l"),
    (lambda: hb.Events(SAMPLE).q3, AttributeError, "q3.*cos_theta_l"),
    (lambda: hb.Events(SAMPLE)[np.ones(3, bool)], ValueError, "3.*100, as of the events"),
    (lambda: hb.voxelize(SAMPLE, 0), ValueError, "events_per_image.*1"),
    (lambda: hb.voxelize(SAMPLE, 101), ValueError, "events_per_image = 101.*1 to 100"),
    (lambda: hb.voxelize(SAMPLE, 10, bins=1000), ValueError, "bins = 1000.*2 to 256"),
    (lambda: hb.voxelize({**SAMPLE, "chi": SAMPLE["chi"] * 100}, 10), ValueError, "chi.*row 0"),
    (lambda: hb.voxelize({"q2": SAMPLE["q2"]}, 10), ValueError, "cos_theta_l"),
    (lambda: hb.fit({**SAMPLE, "q2": SAMPLE["q2"] * np.nan}, q2=(1, 6)), ValueError, "q2.*row 0"),
    (lambda: hb.fit(SAMPLE), ValueError, "q2 is missing"),
    (lambda: hb.fit(SAMPLE, q2=(1, 6), free=["c77"]), ValueError, "free.*c77"),
    (lambda: hb.fit(SAMPLE, q2=(1, 6), events_per_fit=1000), ValueError, "events_per_fit = 1000.*1 to 100"),
    (lambda: hb.fit(SAMPLE, q2=(1, 6), background=SAMPLE), ValueError, "background_fraction"),
    (lambda: hb.fit(SAMPLE, q2=(1, 6), select="yes"), TypeError, "select.*True or False"),
    (lambda: hb.moments(SAMPLE, bins=[(1, 3), (2, 4)], q2=(1, 6)), ValueError, "bins.*without overlap"),
    (lambda: hb.fit(SAMPLE, q2=(1, 6), free=[]), ValueError, "free.*at least one"),
    (lambda: hb.fit(SAMPLE, q2=(1, 6), simulation={"q2": SAMPLE["q2"]}), ValueError, "simulation.*cos_theta_l"),
    (lambda: hb.fit(SAMPLE, q2=(1, 6), s_wave_card="none.toml"), ValueError, "s_wave"),
    (lambda: hb.fit(SAMPLE, q2=(1, 6), m_kpi=(1.0, 0.8)), ValueError, "m_kpi.*GeV"),
    (lambda: hb.moments(SAMPLE, [(1, 6)], simulation=3), TypeError, "simulation.*__arrow_c_stream__"),
    (lambda: hb.bound(effects="none.toml"), FileNotFoundError, "none.toml"),
    (lambda: hb.bound(s_wave=0.1), ValueError, "s_wave.*with simulation"),
    (lambda: hb.voxelize(SAMPLE, 10, q2=(6, 1)), ValueError, "q2.*min < max"),
    (lambda: hb.voxelize(SAMPLE, 10, layout="atlas"), ValueError, "layout.*basf2"),
    (lambda: hb.check(SAMPLE, q2=(1, 6)), ValueError, "events = 100.*at least 500"),
    (lambda: hb.check(SAMPLE, truth="yes"), TypeError, "truth.*True or False"),
    (lambda: hb.sweights(SAMPLE, mass="m", range=(5, 6), signal=3, background=3), TypeError, "signal.*parameters"),
    (lambda: hb.acceptance(SAMPLE), ValueError, "q2 is missing"),
    (lambda: hb.acceptance(SAMPLE, orders=(1, 2)), ValueError, "orders.*four numbers"),
    (lambda: hb.export(SAMPLE, "out.parquet", layout="basf2"), ValueError, "source.*decay"),
    (lambda: hb.evaluate("none"), (ValueError, FileNotFoundError), "none"),
    (lambda: hb.compare("none", values="many"), ValueError, "values"),
    (lambda: hb.global_chi2(polynomial=(1, 2)), TypeError, r"polynomial.*\(a0, a1, a2\)"),
    (lambda: hb.global_scan(x="c9"), ValueError, "x.*NAME=MIN:MAX"),
    (lambda: hb.global_compare(()), ValueError, "other_data"),
    (lambda: hb.inputs("beauty"), ValueError, "beauty"),
    (lambda: hb.bound(ignore_m_kpi=True), ValueError, "line_shape"),
    (lambda: hb.bound(nuisances=["luck"]), ValueError, "nuisances.*form-factors"),
    (lambda: hb.infer(SAMPLE, model="none"), ValueError, "model = none.*builtin"),
    (lambda: hb.infer(SAMPLE, background_fraction=0.4), ValueError, "background_fraction is not allowed with this network"),
    (lambda: hb.infer(SAMPLE, device="abacus"), ValueError, "device.*cpu"),
    (lambda: hb.observe([(1, 6)], observables=["beauty"]), ValueError, "observables.*beauty"),
    (lambda: hb.observe([(1, 6)], uncertainty=1), ValueError, "uncertainty.*2 to"),
    (lambda: hb.reweight(hb.generate(10), delta_c9=1.0, q2=(1, 6)), ValueError, "q2 = a density.*says itself"),
    (lambda: hb.smear(SAMPLE, detector="lhcb", source="none.toml"), FileNotFoundError, "none.toml"),
    (lambda: hb.reweight(SAMPLE, unweight=True, with_rate=True), ValueError, "with_rate|unweight"),
    (lambda: hb.smear(SAMPLE, detector="none"), (ValueError, FileNotFoundError), "none"),
    (lambda: hb.global_chi2(data="nobody"), (ValueError, FileNotFoundError), "nobody"),
    (lambda: hb.global_fit(free=["c9"], c9=1.0), ValueError, "c9.*not in free"),
    (lambda: hb.run("none.toml", "out"), FileNotFoundError, "none.toml"),
    (lambda: hb.Campaign("none"), FileNotFoundError, "folder = none"),
    (lambda: hb.Model.load("none"), ValueError, "folder = none.*builtin"),
    (lambda: hb.Model.load().predict(np.zeros((2, 3))), ValueError, r"images = float64 \[2, 3\]"),
    (lambda: hb.Model.load().predict(np.zeros((1, 3, 3, 3))), ValueError, "shape of images"),
    (lambda: hb.LiveImages(), ValueError, "delta_c9 is missing"),
    (lambda: hb.LiveImages(delta_c9=-1.0), TypeError, r"delta_c9.*\(low, high\)"),
    (lambda: hb.LiveImages(delta_c9=(1.0, -1.0)), ValueError, "delta_c9.*low < high"),
    (lambda: hb.LiveImages(parameters={"c11": (0, 1)}), ValueError, "c11"),
    (lambda: hb.LiveImages(**LIVE, batch=0), ValueError, "batch = 0.*1 or more"),
    (lambda: hb.LiveImages(**LIVE, rank=2, world_size=2), ValueError, "rank = 2.*0 to 1"),
    (lambda: hb.LiveImages(**{**LIVE, "bins": 1}), ValueError, "bins"),
    (lambda: hb.StoredImages([]), ValueError, "source.*at least one"),
    (lambda: hb.StoredImages("none.h5"), FileNotFoundError, "none.h5"),
    (lambda: hb.StoredImages(__file__), ValueError, "HDF5"),
    (lambda: hb.set_threads(0), ValueError, "threads = 0.*1 to"),
    (lambda: hb.plots.linearity([]), ValueError, "at least one"),
    (lambda: hb.plots.image(np.zeros((2, 2))), ValueError, "three axes"),
]


@pytest.mark.parametrize("place", range(len(WRONG)))
def test_wrong_call(place, tmp_path, monkeypatch, capfd):
    call, kind, words = WRONG[place]
    monkeypatch.chdir(tmp_path)
    with pytest.raises(kind, match=words) as caught:
        call()
    assert "--" not in str(caught.value), caught.value
    assert "fault in humboldt" not in str(caught.value)
    assert os.listdir(tmp_path) == []
    assert capfd.readouterr() == ("", "")
