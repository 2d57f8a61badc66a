"""Commands as functions: what the program prints with `--json`, from events in memory."""

import numpy as np
import pytest

import humboldt as hb


def test_fit(events, file, json_of):
    found = hb.fit(events, free=["c9", "c10"])
    assert found.to_dict() == json_of("fit", file, "--free=c9,c10")[0]
    assert abs(found.value("c9") + 0.8) < 5 * found.sigma("c9")
    low, high = found.interval("c9")
    assert low < found.value("c9") < high
    assert found.goodness["p_value"] > 1e-3 and "c10" in found._repr_html_() and "events=20000" in repr(found)
    # A path and others' tables do as well.
    assert hb.fit(file, free=["c9", "c10"]) == found
    arrays = hb.fit(events.to_numpy(), free=["c9", "c10"], q2=(1.1, 6.0), line_shape="narrow")
    assert [one["value"] for one in arrays.coefficients] == [one["value"] for one in found.coefficients]


def test_fits_of_samples_are_a_list(events, json_of, file):
    found = hb.fit(events, events_per_fit=5000, intervals=False)
    assert [one.to_dict() for one in found] == json_of("fit", file, "--events=5000", "--no-intervals")
    pull = np.array([(one.value() + 0.8) / one.sigma() for one in found])
    assert np.abs(pull).max() < 5


def test_fit_with_simulation_and_background(events, json_of, file, tmp_path):
    simulation = hb.generate(60_000, seed=11, q2=(1.1, 6.0), line_shape="narrow")
    background = hb.generate(4000, seed=12, q2=(1.1, 6.0), line_shape="narrow", wc={"c10": 3.0})
    simulation.save(tmp_path / "simulation.parquet")
    background.save(tmp_path / "background.parquet")
    with pytest.warns(hb.HumboldtWarning):
        found = hb.fit(
            events, intervals=False, simulation=simulation, background=background, background_fraction=0.05
        )
    assert found.to_dict() == json_of(
        "fit", file, "--no-intervals", f"--simulation={tmp_path}/simulation.parquet",
        f"--background={tmp_path}/background.parquet", "--background-fraction=0.05",
    )[0]  # fmt: skip


def test_doubts_are_warnings(events):
    with pytest.warns(hb.HumboldtWarning, match="flavour"):
        found = hb.fit(events, flavour="B0", intervals=False)
    assert found.warnings


def test_moments(events, file, json_of):
    found = hb.moments(events, bins=[(1.1, 2.5), (4, 6)], free=["c9"])
    assert found.to_dict() == json_of("moments", file, "--bins=1.1:2.5,4:6", "--free=c9")
    assert found.fit.value("c9") == found.to_dict()["fit"]["coefficients"][0]["value"]
    assert found.fit.events > 0


def test_bound(json_of):
    found = hb.bound(events=1000, delta_c9=-0.5, also=["c10"], q2=(1.1, 6), sample=20_000)
    assert found.to_dict() == json_of(
        "bound", "--events=1000", "--delta-c9=-0.5", "--also=c10", "--q2=1.1:6", "--sample=20000"
    )
    assert 0 < found.sigma < found.covariance[0][0] ** 0.5
    network = hb.bound(model="builtin", delta_c9=-0.5, events=1000)
    assert network.coefficients[0]["sigma"] > 0.1 and network.events == 1000


def test_infer(json_of, tmp_path):
    sample = hb.generate(24_613, seed=9, delta_c9=-0.5, q2=(0.1, 19.2))
    sample.save(tmp_path / "sample.arrow")
    found = hb.infer(sample)
    assert found.to_dict() == json_of("infer", tmp_path / "sample.arrow")
    low, high = found.interval("c9")
    assert abs(found.value("c9") + 0.5) < 5 * (high - low)
    model = hb.Model.load("builtin")
    assert hb.infer(sample, model=model) == found
    predicted = model.predict(sample)
    assert predicted.value()[0] == found.value("c9") and len(predicted) == 1
    assert "c9" in model.coefficients and "builtin" in repr(model)


def test_observe(json_of):
    found = hb.observe([(1.1, 2.5), (4, 6)], observables=["F_L", "P5p"], delta_c9=-1.0, uncertainty=20)
    assert found.values == json_of(
        "observe", "--bins=1.1:2.5,4:6", "--observables=F_L,P5p", "--delta-c9=-1.0", "--uncertainty=20"
    )
    assert 0 < found.value("F_L", 1) < 1


def test_reweight(events, program, tmp_path, file):
    out = tmp_path / "weighted.arrow"
    program("reweight", file, "--delta-c9=-1.2", "--wc=c10=0.3", f"--out={out}")
    weighted = hb.reweight(events, delta_c9=-1.2, wc={"c10": 0.3})
    assert weighted.weight.tobytes() == hb.load(out).weight.tobytes()
    assert weighted.provenance == hb.load(out).provenance
    assert abs(weighted.weight.mean() - 1) < 0.02
    kept = hb.reweight(events, delta_c9=-1.2, unweight=True, seed=2)
    assert 0 < len(kept) < len(events) and "weight" not in kept


def test_smear(events, program, tmp_path, file):
    out = tmp_path / "measured.parquet"
    program("smear", file, "--detector=lhcb", "--seed=4", f"--out={out}")
    measured = hb.smear(events, detector="lhcb", seed=4)
    of_program = hb.load(out)
    assert measured.columns == of_program.columns and "true_q2" in measured
    for name in measured:
        assert measured[name].tobytes() == of_program[name].tobytes()


@pytest.mark.filterwarnings("ignore::humboldt.HumboldtWarning")
def test_global(json_of):
    chi2 = hb.global_chi2(c9=-1.0, data="lhcb-2025-s", theory_errors=False)
    assert chi2.to_dict() == json_of("global", "chi2", "--c9=-1.0", "--data=lhcb-2025-s")
    fit = hb.global_fit(free=["c9"], data=["lhcb-2025-s"])
    assert fit.to_dict() == json_of("global", "fit", "--free=c9", "--data=lhcb-2025-s")
    assert fit.value("c9") < 0 and fit.chi2 < fit.chi2_at_zero
    # The data's own errors and correlations count, unless they are left out.
    assert hb.global_chi2(theory_errors=False, correlations=False).chi2 != hb.global_chi2().chi2


def test_run_and_its_figures(card, tmp_path):
    seen = []
    run = hb.run(card, tmp_path / "run", device="cpu", progress=lambda *work: seen.append(work))
    # Short stages may pass between two calls.
    assert {label for label, *_ in seen} & {"images", "train", "evaluate"}
    assert all(done <= total for _, done, total, _ in seen)
    assert [one["truth"] for one in run.ensembles] == [-1.0, 0.0, 1.0]
    assert run.to_dict()["summary"]["name"] == "small" and "slope" in run._repr_html_()
    model = hb.Model.load(tmp_path / "run")
    images, labels = hb.StoredImages(hb.Campaign(tmp_path / "run" / "images"), split="test").read(range(18))
    found = model.predict(images).value()
    assert found.shape == (18,) and np.isfinite(found).all()
    # The network is the one that was evaluated.
    means = [found[labels[:, 0] == truth].mean() for truth in (-1.0, 0.0, 1.0)]
    np.testing.assert_allclose(means, [one["mean"] for one in run.ensembles], atol=1e-5)
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    assert hb.plots.linearity(run).get_xlabel() == "true δC₉"
    assert hb.plots.image(images[0]).get_ylabel()


def test_other_commands_as_words():
    assert '"name": "m_b_meson"' in hb.command("inputs", "m_b_meson", "--json") or hb.command("inputs", "--json")
