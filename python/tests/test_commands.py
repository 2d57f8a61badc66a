"""Commands as functions: what the program prints with `--json`, from events in memory."""

import json

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


@pytest.fixture(scope="module")
def wide():
    """Events with the line shape of the K*."""
    return hb.generate(20_000, seed=5, delta_c9=-0.5, q2=(1.1, 6.0))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Events as a file, by which the program reads them."""
    folder = tmp_path_factory.mktemp("saved")
    numbers = iter(range(100))

    def save(events):
        path = folder / f"{next(numbers)}.parquet"
        events.save(path)
        return path

    return save


@pytest.fixture
def effects(card):
    """A card with effects."""
    effects = "[s_wave]\nfraction = 0.1\n[acceptance.formula]\nq2 = [1.0, 0.05]\ncos_theta_k = [1.0, -0.3]\n"
    card.write_text(card.read_text() + effects)
    return card


def test_fit_in_a_window_of_masses_with_an_s_wave(wide, saved, json_of, effects):
    found = hb.fit(wide, m_kpi=(0.796, 0.996), select=True, s_wave="free", s_wave_card=effects, intervals=False)
    assert found.s_wave["m_kpi"] == [0.796, 0.996]
    assert found.to_dict() == json_of(
        "fit", saved(wide), "--m-kpi=0.796:0.996", "--select", "--s-wave=free", f"--s-wave-card={effects}", "--no-intervals"
    )[0]


@pytest.mark.filterwarnings("ignore::humboldt.HumboldtWarning")
def test_a_shift_of_zero_takes_the_place_of_the_events_own(events, file, json_of):
    zero = hb.fit(events, free=["c10"], delta_c9=0.0, intervals=False)
    assert "the file says c9 -0.8, 0 is assumed" in zero.warnings
    assert zero.to_dict() == json_of("fit", file, "--free=c10", "--delta-c9=0", "--no-intervals")[0]
    assert zero.value("c10") != hb.fit(events, free=["c10"], intervals=False).value("c10")


def test_doubts_are_warnings(events):
    with pytest.warns(hb.HumboldtWarning, match="flavour"):
        found = hb.fit(events, flavour="B0", intervals=False)
    assert found.warnings


def test_moments(events, file, json_of):
    found = hb.moments(events, bins=[(1.1, 2.5), (4, 6)], free=["c9"])
    assert found.to_dict() == json_of("moments", file, "--bins=1.1:2.5,4:6", "--free=c9")
    assert found.fit.value("c9") == found.to_dict()["fit"]["coefficients"][0]["value"]
    assert found.fit.events > 0


def test_moments_with_simulation(wide, saved, json_of):
    simulation = hb.generate(40_000, seed=6, q2=(1.1, 6.0))
    found = hb.moments(
        wide, bins=[(1.1, 6)], simulation=simulation, simulation_wc={"c9": 0.0}, m_kpi=(0.796, 0.996), select=True
    )
    assert found.to_dict() == json_of(
        "moments", saved(wide), "--bins=1.1:6", f"--simulation={saved(simulation)}", "--simulation-wc=c9=0",
        "--m-kpi=0.796:0.996", "--select",
    )  # fmt: skip


def test_bound_with_effects(saved, json_of, effects):
    more = {"q2": (1.1, 6), "line_shape": True, "events": 1000}
    words = ["bound", "--q2=1.1:6", "--line-shape", "--events=1000"]
    found = hb.bound(effects=effects, sample=20_000, **more)
    assert found.to_dict() == json_of(*words, f"--effects={effects}", "--sample=20000")
    simulation = hb.generate(40_000, seed=7, q2=(1.1, 6.0))
    background = hb.generate(4000, seed=8, q2=(1.1, 6.0), wc={"c10": 3.0})
    found = hb.bound(
        simulation=simulation, m_kpi=(0.796, 0.996), s_wave=0.1, background=background, background_fraction="0.2+-0.02",
        background_order=2, **more,
    )  # fmt: skip
    assert found.to_dict() == json_of(
        *words, f"--simulation={saved(simulation)}", "--m-kpi=0.796:0.996", "--s-wave=0.1",
        f"--background={saved(background)}", "--background-fraction=0.2+-0.02", "--background-order=2",
    )  # fmt: skip


def test_check(events, file, json_of):
    found = hb.check(events)
    assert found.follows and found.to_dict() == json_of("check", file)
    other = hb.check(events, delta_c9=1.0, truth=True)
    assert not other.follows and [one["kind"] for one in other.deviations] == ["coefficients"]
    assert other.to_dict() == json_of("check", file, "--delta-c9=1", "--truth") and "coefficients" in other._repr_html_()


def test_sweights(events, saved, program, tmp_path):
    random = np.random.default_rng(1)
    signal = random.random(len(events)) < 0.6
    mass = np.where(signal, random.normal(5.28, 0.02, len(events)), 5.17 + random.exponential(0.2, len(events)))
    table = hb.Events({**events.to_numpy(), "mass": mass})
    shapes = {"signal": ("gaussian", {"mean": 5.28, "width": 0.02}), "background": ("exponential", {"slope": -5.0})}
    found = hb.sweights(table, mass="mass", range=(5.17, 5.5), free=["mean", "width", "slope"], **shapes)
    out = tmp_path / "weighted.arrow"
    printed = program(
        "sweights", saved(table), "--mass=mass", "--range=5.17:5.5", "--signal=gaussian:mean=5.28,width=0.02",
        "--background=exponential:slope=-5", "--free=mean,width,slope", f"--out={out}", "--json",
    )  # fmt: skip
    assert found.to_dict() == json.loads(printed.stdout)
    assert found.weighted.weight.tobytes() == hb.load(out).weight.tobytes()
    assert abs(found.yields[0]["value"] / signal.sum() - 1) < 0.05
    assert hb.moments(found.weighted, bins=[(1.1, 6)], q2=(1.1, 6), line_shape="narrow").bins[0]["weights"]["sum"] > 0


def test_acceptance_and_a_card_that_takes_it(events, saved, program, tmp_path):
    accepted = hb.smear(events, detector="lhcb")
    found = hb.acceptance(accepted, orders=(2, 2, 2, 1))
    out = tmp_path / "acceptance.json"
    program("acceptance", saved(accepted), "--orders=2,2,2,1", f"--out={out}")
    assert found.to_dict() == json.loads(out.read_text())
    with pytest.raises(ValueError, match="out = .* is there already; allowed: a new name, or force"):
        hb.acceptance(accepted, out=out)


def test_background_and_a_card_that_draws_from_it(saved, program, tmp_path):
    events = hb.generate(20_000, seed=3, delta_c9=-0.8, q2=(1.1, 6.0))
    out = tmp_path / "sideband.json"
    # Signal, which is no polynomial of order 1, stands for a background here.
    with pytest.warns(hb.HumboldtWarning, match="not that of its sample"):
        found = hb.background(events, m_kpi=(0.796, 0.996), select=True, order=1)
    printed = program(
        "background", saved(events), "--m-kpi=0.796:0.996", "--select", "--order=1", f"--out={out}", "--json"
    ).stdout
    assert found.to_dict() == json.loads(printed)
    assert found.density == json.loads(out.read_text()) and len(found.agreement) == 15
    with pytest.raises(ValueError, match="out = .* is there already; allowed: a new name, or force"):
        hb.background(events, m_kpi=(0.796, 0.996), select=True, out=out)
    with pytest.raises(ValueError, match="order"):
        hb.background(events, order=9)
    low, high = found.density["windows"][0]
    card = tmp_path / "card.toml"
    card.write_text(
        f'[generator]\nq2 = ["{low}:{high}"]\n[detector]\nbase = "lhcb"\nselection = {{ m_kpi = [0.8, 0.99], m_b = [5.2, 5.36] }}\n'
        '[background]\ncombinatorial = 0.5\ndensity = "sideband.json"\n'
    )
    drawn = hb.generate(4000, card=card, seed=1)
    assert 0.45 < (drawn.component == 1).mean() < 0.55


def test_export(events, saved, program, tmp_path):
    out = tmp_path / "one.parquet"
    program("export", saved(events), "--layout=basf2", "--seed=3", f"--out={out}")
    hb.export(events, tmp_path / "other.parquet", layout="basf2", seed=3)
    assert out.read_bytes() == (tmp_path / "other.parquet").read_bytes()
    both = tmp_path / "both.parquet"
    hb.export([events, saved(events)], both, layout="basf2", seed=3)
    assert hb.moments(both, [(1.1, 6)], layout="basf2", q2=(1.1, 6)).bins[0]["events"] == 2 * len(events)


def test_inputs(json_of):
    assert hb.inputs("m_b").inputs == json_of("inputs", "m_b")
    assert 5.2 < hb.inputs().value("m_b_meson_charged") < 5.3


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
    with pytest.raises(ValueError, match="outside q2 .* or select to leave"):
        model.predict(hb.generate(24_700, seed=9))
    assert "c9" in model.coefficients and "builtin" in repr(model)


def test_observe(json_of):
    found = hb.observe([(1.1, 2.5), (4, 6)], observables=["F_L", "P5p"], delta_c9=-1.0, uncertainty=20)
    assert found.values == json_of(
        "observe", "--bins=1.1:2.5,4:6", "--observables=F_L,P5p", "--delta-c9=-1.0", "--uncertainty=20"
    )
    assert 0 < found.value("F_L", 1) < 1


def test_reweight(events, program, tmp_path, file, card):
    out = tmp_path / "weighted.arrow"
    program("reweight", file, "--delta-c9=-1.2", "--wc=c10=0.3", f"--out={out}")
    weighted = hb.reweight(events, delta_c9=-1.2, wc={"c10": 0.3})
    assert weighted.weight.tobytes() == hb.load(out).weight.tobytes()
    assert weighted.provenance == hb.load(out).provenance
    assert abs(weighted.weight.mean() - 1) < 0.02
    arrays = hb.reweight({**events.to_numpy()}, delta_c9=-1.2, q2=(1.1, 6.0), source=card)
    assert arrays.columns[-1] == "weight" and len(arrays) == len(events)
    kept = hb.reweight(events, delta_c9=-1.2, unweight=True, seed=2)
    assert 0 < len(kept) < len(events) and "weight" not in kept


def test_events_of_others(wide, tmp_path):
    source = tmp_path / "source.toml"
    source.write_text('[generator]\nq2 = ["1.1:6"]\nwilson = { c9 = -0.5 }\n')
    theirs = wide.to_numpy()
    ours = hb.smear(wide, detector="lhcb", seed=4).to_numpy()
    others = hb.smear(theirs, detector="lhcb", seed=4, source=source).to_numpy()
    assert all(np.array_equal(ours[name], others[name]) for name in ours)
    weights = [
        hb.reweight(wide, delta_c9=-1.0).to_numpy()["weight"],
        hb.reweight(theirs, delta_c9=-1.0, source=source).to_numpy()["weight"],
    ]
    np.testing.assert_array_equal(*weights)
    orders = (1, 1, 0, 1)
    described = hb.acceptance(theirs, orders=orders, source=source)
    assert described.to_dict() == hb.acceptance(wide, orders=orders).to_dict()
    with pytest.raises(ValueError, match="q2 is missing"):
        hb.acceptance(theirs, orders=orders)
    with pytest.raises(ValueError, match="source"):
        hb.smear(wide, detector="lhcb", source=source)


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


@pytest.mark.filterwarnings("ignore::humboldt.HumboldtWarning")
def test_other_global_fits(json_of, tmp_path):
    few = {"data": "lhcb-2025-s", "only": ["S5"], "theory_errors": False}
    words = ["--data=lhcb-2025-s", "--only=S5"]
    cubic = (0.0, 0.01, -0.001)
    found = hb.global_predict(c9=-1.0, polynomial=cubic, **few)
    assert found.values == json_of("global", "predict", "--c9=-1", "--polynomial=0:0.01:-0.001", *words)
    chi2 = hb.global_chi2(polynomial={"S5": cubic}, **few)
    assert chi2.to_dict() == json_of("global", "chi2", "--polynomial=S5=0:0.01:-0.001", *words)
    found = hb.global_compare("cms-2024", free=["c9"], data="lhcb-2025-s", theory_errors=False)
    assert found.to_dict() == json_of("global", "compare", "--with=cms-2024", "--free=c9", "--data=lhcb-2025-s")
    found = hb.global_sample(free=["c9"], steps=50, burn_in=20, seed=2, **few)
    assert found.to_dict() == json_of("global", "sample", "--free=c9", "--steps=50", "--burn-in=20", "--seed=2", *words)
    scan = hb.global_scan(("c9", (-2, 0)), ("c10", (-1.0, 1.0)), points=5, **few)
    assert scan.names == ["c9", "c10"] and scan.x.tolist() == [-2, -1.5, -1, -0.5, 0] and scan.chi2.shape == (5, 5)
    assert scan.chi2[2, 4] == hb.global_chi2(**few).chi2
    assert "smallest chi2" in scan._repr_html_()


def test_run_and_its_figures(card, tmp_path, json_of):
    # Of a network that has hardly begun, it depends on rounding whether its estimates change with the shift at all.
    trained = 'epochs = 20\noptimiser = "adamw"\nlearning_rate = 0.01'
    card.write_text(card.read_text().replace("test = 6", "test = 20").replace("epochs = 2", trained))
    seen = []
    run = hb.run(card, tmp_path / "run", device="cpu", progress=lambda *work: seen.append(work))
    # Short stages may pass between two calls.
    assert {label for label, *_ in seen} & {"images", "train", "evaluate"}
    assert all(done <= total for _, done, total, _ in seen)
    assert [one["truth"] for one in run.ensembles] == [-1.0, 0.0, 1.0]
    assert run.to_dict()["summary"]["name"] == "small" and "slope" in run._repr_html_()
    model = hb.Model.load(tmp_path / "run")
    images, labels = hb.StoredImages(hb.Campaign(tmp_path / "run" / "images"), split="test").read(range(60))
    found = model.predict(images).value()
    assert found.shape == (60,) and np.isfinite(found).all()
    # The network is the one that was evaluated.
    means = [found[labels[:, 0] == truth].mean() for truth in (-1.0, 0.0, 1.0)]
    np.testing.assert_allclose(means, [one["mean"] for one in run.ensembles], atol=1e-5)
    test = hb.Campaign(tmp_path / "run" / "images").files("test")[0]
    calibrated = run.predict(test)
    assert calibrated == json_of("predict", tmp_path / "run", test)
    assert [one["raw"] for one in calibrated] == found.tolist()
    assert hb.evaluate(run) == run.ensembles
    compared = hb.compare(run, images=3, calibration_images=20, values=[-0.5], estimators=["network"], device="cpu")
    again = ["--images=3", "--calibration-images=20", "--values=-0.5", "--estimators=network", "--device=cpu"]
    of_program = hb.CompareResult(json_of("compare", tmp_path / "run", *again))
    for result in (compared, of_program):
        result.estimators[0].pop("milliseconds")
    assert compared == of_program
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    assert hb.plots.linearity(run).get_xlabel() == "true δC₉"
    assert hb.plots.image(images[0]).get_ylabel()


def test_other_commands_as_words():
    assert '"name": "m_b_meson_charged"' in hb.command("inputs", "m_b_meson", "--json")
    assert hb.command("model", "show", "--help").startswith("Print what a network takes")
    with pytest.raises(ValueError, match="unrecognized subcommand 'dream'"):
        hb.command("dream")
