"""The commands of humboldt as functions: arguments and defaults as on the command line, results as classes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from . import _core
from ._call import (
    Progress,
    call,
    fraction,
    logger,
    number,
    own_words,
    ranges,
    resonances,
    result,
    shifts,
    table_of,
    text,
    texts,
    values,
    warn,
    whole,
)
from .events import Events
from .results import (
    BoundResult,
    FitResult,
    GlobalChi2Result,
    GlobalFitResult,
    InferResult,
    MomentsResult,
    ObserveResult,
    Run,
)

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    from .model import Model

Window = tuple[float | None, float | None] | Sequence[Any] | str
Shifts = Mapping[str, complex] | str
EventsLike = Any

_EVENTS = {"events": "n_events"}


def _process(delta_c9: Any, wc: Any, inputs: Any, charmonium: Any, **named: Any) -> dict[str, tuple[Any, Any]]:
    """Options of a decay, those of all functions alike."""
    # A shift of 0 is none.
    c9 = None if isinstance(delta_c9, (int, float)) and not isinstance(delta_c9, bool) and delta_c9 == 0 else delta_c9
    windows: dict[str, tuple[Any, Any]] = {
        name: (named.pop(name), ranges) for name in ("q2", "veto") if name in named
    }
    return {
        "delta_c9": (c9, number),
        "wc": (wc or None, shifts),
        "inputs": (inputs or None, values),
        "charmonium": (charmonium, resonances),
        **{name: (value, text) for name, value in named.items()},
        **windows,
    }


def generate(
    n_events: int,
    *,
    seed: int = 1,
    delta_c9: float = 0.0,
    wc: Shifts | None = None,
    q2: Window | None = None,
    veto: Window | None = None,
    flavour: str | None = None,
    lepton: str | None = None,
    model: str | None = None,
    line_shape: str | None = None,
    inputs: Mapping[str, float] | None = None,
    charmonium: Mapping[str, tuple[float, float]] | bool | None = None,
    score: Sequence[str] = (),
    card: str | os.PathLike[str] | None = None,
    progress: Progress = False,
) -> Events:
    """Draw unweighted B -> K* l l events: the bits of `humboldt generate` with the same arguments.

    Parameters
    ----------
    n_events
        Number of events.
    seed
        The same seed and arguments give the same events, for any number of threads.
    delta_c9
        Shift of C9, short for `wc={"c9": x}`.
    wc
        Shifts of Wilson coefficients, real or complex: c7, c9, c10, c7_prime, c9_prime, c10_prime, c_s, c_p.
    q2
        Window (low, high) in GeV^2, or a list of them; None for an open end; all of phase space by default.
    veto
        Windows that are left out.
    flavour
        B0bar (default), B0, B-, B+.
    lepton
        mu (default), e.
    model
        Amplitudes: npr (default), bare, nnlo, full.
    line_shape
        K pi mass: breit-wigner (default), or narrow for the pole.
    inputs
        Physical inputs other than the built-in ones, as {"v_cb": 0.041}.
    charmonium
        Resonances in place of the charm loop: True, or scale and phase [rad] as {"j_psi": (1.0, 3.14)}.
    score
        Shifts whose exact scores become columns score_X, a_X, b_X, c_X.
    card
        Run card in place of the decay's arguments, with its effects of S-wave, acceptance, detector, background.
    progress
        True for tqdm where it is installed, or a function of (label, done, total, unit).

    Returns
    -------
    Events
        q2 [GeV^2], cos_theta_l, cos_theta_k, chi [rad], m_kpi [GeV] as float32; scores as float64.

    Raises
    ------
    ValueError, TypeError
        Where an argument is not allowed; the message names it and what is.
    """
    options = _process(
        delta_c9, wc, inputs, charmonium, q2=q2, veto=veto, flavour=flavour, lepton=lepton, model=model, line_shape=line_shape
    )
    options |= {
        "card": (card, text),
        "events": (n_events, lambda value, _: whole(value, "n_events")),
        "seed": (seed, whole),
        "score": (score or None, texts),
    }
    _, table = call(["generate"], options=options, renamed=_EVENTS, output=True, progress=progress)
    assert table is not None
    return Events._of(table)


def load(path: str | os.PathLike[str], *, layout: str | None = None) -> Events:
    """Read a file of events; see `Events.load`."""
    return Events.load(path, layout=layout)


def voxelize(
    events: EventsLike, events_per_image: int, bins: int = 50, *, layout: str | None = None
) -> NDArray[numpy.float32]:
    """Bin events into images of mean q2, in their order; a remainder at the end is dropped.

    Parameters
    ----------
    events
        Events, a path, a dict of arrays, or a table with `__arrow_c_stream__`.
    events_per_image
        Events of one image.
    bins
        Cells of each of cos_theta_l, cos_theta_k and chi, 2 to 256.
    layout
        Layout of the columns (docs/ntuples.md).

    Returns
    -------
    numpy.ndarray
        float32 [image, cos_theta_l, cos_theta_k, chi]: mean q2 [GeV^2], 0 in empty cells.
    """
    counts = {"events_per_image": events_per_image, "bins": bins}
    counts = {name: int(whole(value, name)) for name, value in counts.items()}
    for name, value in counts.items():
        if value < 1:
            allowed = "2 to 256" if name == "bins" else "1 or more"
            raise ValueError(f"{name} = {value} is not allowed; allowed: {allowed}")
    with own_words():
        images, notes = _core.voxelize(table_of(events), layout=layout, **counts)
    for note in notes:
        logger.info(note)
    return images


def _sample(
    delta_c9: Any, wc: Any, inputs: Any, charmonium: Any, select: Any, unweighted: Any, **named: Any
) -> dict[str, tuple[Any, Any]]:
    """Options of events that are measured."""
    options = _process(delta_c9, wc, inputs, charmonium, **named)
    return options | {"select": (select, None), "unweighted": (unweighted, None)}


def fit(
    events: EventsLike,
    *,
    free: Sequence[str] = ("c9",),
    events_per_fit: int | None = None,
    intervals: bool = True,
    delta_c9: float | None = None,
    wc: Shifts | None = None,
    q2: Window | None = None,
    veto: Window | None = None,
    flavour: str | None = None,
    lepton: str | None = None,
    model: str | None = None,
    line_shape: str | None = None,
    inputs: Mapping[str, float] | None = None,
    charmonium: Mapping[str, tuple[float, float]] | bool | None = None,
    select: bool = False,
    unweighted: bool = False,
    layout: str | None = None,
    simulation: EventsLike | None = None,
    simulation_wc: Shifts | None = None,
    s_wave: float | str | None = None,
    m_kpi: Window | None = None,
    background: EventsLike | None = None,
    background_fraction: float | str | None = None,
    background_order: int | None = None,
    background_method: str | None = None,
    progress: Progress = False,
) -> Any:
    """Fit Wilson coefficients by unbinned maximum likelihood in q2, both cosines and chi (and m_kpi).

    Parameters
    ----------
    events
        Events, a path, a dict of arrays, or a table with `__arrow_c_stream__`. What they say of their decay, model and
        windows is taken, unless an argument says otherwise.
    free
        Coefficients to fit, as ["c9", "c10", "c7_im"].
    events_per_fit
        Cut the events into samples and fit each; all in one fit by default.
    intervals
        Profile intervals too.
    delta_c9, wc
        Shifts of coefficients that stay fixed.
    q2, veto
        Windows [GeV^2] that the events were selected in, required where they do not say it.
    flavour, lepton, model, line_shape, inputs, charmonium
        As `generate`.
    select
        Leave events outside the windows out; without it they are refused.
    unweighted
        Count each event once, although there is a column `weight`.
    layout
        Layout of the columns (docs/ntuples.md).
    simulation
        Accepted simulated events that the density is normalised over.
    simulation_wc
        Shifts at which they were simulated.
    s_wave
        S-wave under the K*: its part F_S of the Standard Model's rate (a number, "free", or as "0.10+-0.03"), or "card".
    m_kpi
        Window in the K pi mass [GeV] that the events were selected in.
    background
        A sample of background, whose smoothed density is part of the fit, or which is subtracted.
    background_fraction
        Its part of the events: a number, "free", or as "0.44+-0.02".
    background_order
        Highest order of its polynomials, 1 to 6.
    background_method
        "density", or "subtraction", which needs a known fraction; by default the density unless that is not the sample's and the
        fraction is known.

    Returns
    -------
    FitResult or list of FitResult
        A list with `events_per_fit`.
    """
    operand = table_of(events)
    options = _sample(
        delta_c9, wc, inputs, charmonium, select, unweighted, q2=q2, veto=veto, flavour=flavour, lepton=lepton, model=model,
        line_shape=line_shape, layout=layout,
    )
    options |= {
        "free": (free, texts),
        "events": (events_per_fit, lambda value, _: whole(value, "events_per_fit")),
        "no_intervals": (not intervals, None),
        "simulation_wc": (simulation_wc or None, shifts),
        "background_fraction": (background_fraction, fraction),
        "background_order": (background_order, whole),
        "background_method": (background_method, text),
        "s_wave": (s_wave, fraction),
        "m_kpi": (m_kpi, ranges),
        "json": (True, None),
    }
    files: list[Any] = []
    for name, table in (("simulation", simulation), ("background", background)):
        if table is not None:
            files += [f"--{name}", table_of(table, name)]
    found = result(["fit"], operand, *files, options=options, renamed={"events": "events_per_fit"}, progress=progress)
    results = [FitResult(one) for one in found]
    warn(reason for one in results for reason in one.doubts())
    return results if events_per_fit is not None else results[0]


def moments(
    events: EventsLike,
    bins: Window,
    *,
    free: Sequence[str] = (),
    delta_c9: float | None = None,
    wc: Shifts | None = None,
    q2: Window | None = None,
    veto: Window | None = None,
    flavour: str | None = None,
    lepton: str | None = None,
    model: str | None = None,
    line_shape: str | None = None,
    inputs: Mapping[str, float] | None = None,
    charmonium: Mapping[str, tuple[float, float]] | bool | None = None,
    select: bool = False,
    unweighted: bool = False,
    layout: str | None = None,
) -> MomentsResult:
    """Angular observables of events in bins of q2 by the method of moments, and coefficients from them.

    Parameters
    ----------
    events
        As of `fit`, with the arguments that are the same.
    bins
        Bins in q2 [GeV^2], as [(1.1, 2.5), (4, 6)].
    free
        Coefficients to fit to the observables; none by default.
    """
    options = _sample(
        delta_c9, wc, inputs, charmonium, select, unweighted, q2=q2, veto=veto, flavour=flavour, lepton=lepton, model=model,
        line_shape=line_shape, layout=layout,
    )
    options |= {"bins": (bins, ranges), "free": (free or None, texts), "json": (True, None)}
    found = MomentsResult(result(["moments"], table_of(events), options=options))
    warn(found.doubts())
    return found


def bound(
    *,
    events: float = 24_613,
    delta_c9: float = 0.0,
    wc: Shifts | None = None,
    also: Sequence[str] = (),
    q2: Window | None = None,
    veto: Window | None = None,
    flavour: str | None = None,
    lepton: str | None = None,
    model: str | None = None,
    inputs: Mapping[str, float] | None = None,
    charmonium: Mapping[str, tuple[float, float]] | bool | None = None,
    with_rate: bool = False,
    line_shape: bool = False,
    ignore_m_kpi: bool = False,
    nuisances: Sequence[str] = (),
    background_fraction: float | str | None = None,
    sample: int = 100_000,
    seed: int = 1,
) -> BoundResult:
    """The smallest error on C9 (and other coefficients) that any unbiased method can have: the information bound.

    Parameters
    ----------
    events
        Number of events; with `with_rate`, that is expected at the point.
    delta_c9, wc
        The point.
    also
        Further coefficients that are measured with C9.
    q2, veto, flavour, lepton, model, inputs, charmonium
        As `generate`. A network in the place of `model`, its folder or `builtin:NAME`, gives what its own statistic leaves of all
        coefficients that it learned: `coefficients` (name, value, sigma, sigma_error, sigma_fitted, expected), `covariance`.
    with_rate
        The number of events counts as well.
    line_shape
        K pi masses follow the line shape of the K*; all are at the pole otherwise.
    ignore_m_kpi
        Of the line shape, only q2 and the angles are looked at.
    nuisances
        Parameters that are profiled with their uncertainty: form-factors, charm.
    background_fraction
        Of a network of learned ratios: background's part of the events, a number, "free", or as in "0.44+-0.02".
    sample, seed
        Generated events for the mean squared score.
    """
    options = _process(delta_c9, wc, inputs, charmonium, q2=q2, veto=veto, flavour=flavour, lepton=lepton, model=model)
    options |= {
        "events": (events, number),
        "also": (also or None, texts),
        "with_rate": (with_rate, None),
        "line_shape": (line_shape, None),
        "ignore_m_kpi": (ignore_m_kpi, None),
        "nuisances": (nuisances or None, texts),
        "background_fraction": (background_fraction, fraction),
        "sample": (sample, whole),
        "seed": (seed, whole),
        "json": (True, None),
    }
    return BoundResult(result(["bound"], options=options))


def infer(
    events: EventsLike,
    *,
    model: str | os.PathLike[str] | Model = "builtin",
    select: bool = False,
    background_fraction: float | str | None = None,
    layout: str | None = None,
    device: str = "auto",
) -> InferResult:
    """Coefficients of events by a trained network: value and interval in seconds.

    Parameters
    ----------
    events
        As of `fit`.
    model
        The network: "builtin", "builtin:full", "builtin:six", a folder, or a `Model`.
    select
        Leave out events outside the windows that the network learned from; without it they are refused.
    background_fraction
        Of learned ratios: background's part of the events, a number, "free" or as in "0.44+-0.02"; by default as their card says.
    layout
        Layout of the columns (docs/ntuples.md).
    device
        Device to compute on: auto, cpu, cuda:N, vulkan:N, metal.
    """
    options = {
        "model": (getattr(model, "folder", model), text),
        "select": (select, None),
        "background_fraction": (background_fraction, fraction),
        "layout": (layout, text),
        "device": (device, text),
        "json": (True, None),
    }
    found = InferResult(result(["infer"], table_of(events), options=options, network=True))
    warn(found.doubts())
    return found


def observe(
    bins: Window,
    *,
    observables: Sequence[str] = (),
    delta_c9: float = 0.0,
    wc: Shifts | None = None,
    flavour: str | None = None,
    hadron: str | None = None,
    lepton: str | None = None,
    model: str | None = None,
    inputs: Mapping[str, float] | None = None,
    charmonium: Mapping[str, tuple[float, float]] | bool | None = None,
    convention: str | None = None,
    uncertainty: int | None = None,
    seed: int = 1,
    progress: Progress = False,
) -> ObserveResult:
    """Predict F_L, A_FB, S_i, A_i, P_i, P_i', Q_i, R_K and rates in bins of q2.

    Parameters
    ----------
    bins
        Bins in q2 [GeV^2], as [(1.1, 2.5), (4, 6)]; None for an open end.
    observables
        Only these, as ["F_L", "P5p"]; all by default.
    delta_c9, wc
        Shifts of muons; with _e behind the name of electrons.
    flavour
        B0 (default), B0bar, B-, B+, averaged with the antiparticle.
    hadron
        K* (default), K.
    lepton
        mu (default), e.
    model
        full (default), npr, bare, nnlo.
    convention
        Signs and factors: lhcb (default), theory.
    uncertainty
        Theory uncertainties from this many draws of all inputs.
    seed
        Of the draws.
    """
    options = _process(
        delta_c9, wc, inputs, charmonium, flavour=flavour, hadron=hadron, lepton=lepton, model=model, convention=convention
    )
    options |= {
        "bins": (bins, ranges),
        "observables": (observables or None, texts),
        "uncertainty": (uncertainty, whole),
        "seed": (seed, whole),
        "json": (True, None),
    }
    found = ObserveResult({"values": result(["observe"], options=options, progress=progress)})
    warn(found.doubts())
    return found


def reweight(
    events: EventsLike,
    *,
    delta_c9: float | None = None,
    wc: Shifts | None = None,
    model: str | None = None,
    inputs: Mapping[str, float] | None = None,
    charmonium: Mapping[str, tuple[float, float]] | bool | None = None,
    with_rate: bool = False,
    unweight: bool = False,
    seed: int | None = None,
    layout: str | None = None,
    progress: Progress = False,
) -> Events:
    """Give each event of a sample the weight that it has for other coefficients, model or inputs.

    Parameters
    ----------
    events
        Events that humboldt made, in memory or a path.
    delta_c9, wc, model, inputs, charmonium
        What to go to; the sample's own model and inputs by default, no shifts.
    with_rate
        Weights carry the ratio of the rates too.
    unweight
        Keep each event with a probability of its weight over the largest one, in place of a column `weight`.
    seed
        Of `unweight`; 1 by default.
    """
    options = _process(delta_c9, wc, inputs, charmonium, model=model, layout=layout)
    options |= {"with_rate": (with_rate, None), "unweight": (unweight, None), "seed": (seed, whole)}
    _, table = call(["reweight"], table_of(events), options=options, output=True, progress=progress)
    assert table is not None
    return Events._of(table)


def smear(
    events: EventsLike,
    *,
    detector: str | os.PathLike[str],
    seed: int = 1,
    figures: str | os.PathLike[str] | None = None,
    progress: Progress = False,
) -> Events:
    """Measure the events of a sample with a detector; the truth stays beside it in columns `true_*`.

    Parameters
    ----------
    events
        Events that humboldt made, in memory or a path.
    detector
        lhcb, belle2, or a file with the keys of a card's [detector].
    seed
        The same seed and detector measure the same.
    figures
        Folder for figures of resolution and efficiency.
    """
    options = {"detector": (detector, text), "seed": (seed, whole), "figures": (figures, text)}
    _, table = call(["smear"], table_of(events), options=options, output=True, progress=progress)
    assert table is not None
    return Events._of(table)


def _comparison(data: Any, only: Any, exclude: Any, bins: Any, symmetric_errors: Any, model: Any, inputs: Any,
                charmonium: Any, theory_errors: Any, correlations: Any, draws: Any, seed: Any) -> dict[str, tuple[Any, Any]]:
    """Options of measurements and what they are compared with."""
    return {
        "data": (data, texts),
        "only": (only or None, texts),
        "exclude": (exclude or None, texts),
        "bins": (bins, ranges),
        "symmetric_errors": (symmetric_errors, None),
        "model": (model, text),
        "inputs": (inputs or None, values),
        "charmonium": (charmonium, resonances),
        "theory_errors": (theory_errors is True, None),
        "no_theory_errors": (theory_errors is False, None),
        "correlations": (correlations is True, None),
        "no_correlations": (correlations is False, None),
        "draws": (draws, whole),
        "seed": (seed, whole),
        "json": (True, None),
    }


def global_chi2(
    *,
    c9: float | None = None,
    c10: float | None = None,
    wc: Shifts | None = None,
    data: Sequence[str] | str = "default",
    only: Sequence[str] = (),
    exclude: Sequence[str] = (),
    bins: Window | None = None,
    symmetric_errors: bool = False,
    model: str | None = None,
    inputs: Mapping[str, float] | None = None,
    charmonium: Mapping[str, tuple[float, float]] | bool | None = None,
    theory_errors: bool | None = None,
    correlations: bool | None = None,
    draws: int | None = None,
    seed: int = 1,
) -> GlobalChi2Result:
    """Chi-square, p-value and pulls of measured observables at a point in the space of Wilson coefficients.

    Parameters
    ----------
    c9, c10, wc
        The point; values that are not given are those of the Standard Model. `wc` takes names with _e of electrons.
    data
        Measurements, as ["lhcb-2025-s", "cms-2024"], or files (docs/global-fit.md).
    only, exclude
        Observables, processes or both, as "P5p", "P5p(B+->K*+mumu)", "S5@4:6".
    bins
        Only these bins of q2 [GeV^2].
    symmetric_errors
        Replace upward and downward errors by their mean.
    model
        full (default), npr, bare, nnlo.
    theory_errors, correlations
        Whether they count; None as the data recommend.
    draws
        Draws of all inputs behind theory errors; each input is moved up and down by its error by default.
    seed
        Of everything random.
    """
    options = {"c9": (c9, number), "c10": (c10, number), "wc": (wc or None, shifts)}
    options |= _comparison(data, only, exclude, bins, symmetric_errors, model, inputs, charmonium, theory_errors,
                           correlations, draws, seed)
    found = GlobalChi2Result(result(["global", "chi2"], options=options))
    warn(found.doubts())
    return found


def global_fit(
    *,
    free: Sequence[str] | str | None = None,
    by_bin: str | None = None,
    polynomials: str | None = None,
    c9: float | None = None,
    c10: float | None = None,
    wc: Shifts | None = None,
    data: Sequence[str] | str = "default",
    only: Sequence[str] = (),
    exclude: Sequence[str] = (),
    bins: Window | None = None,
    symmetric_errors: bool = False,
    model: str | None = None,
    inputs: Mapping[str, float] | None = None,
    charmonium: Mapping[str, tuple[float, float]] | bool | None = None,
    theory_errors: bool | None = None,
    correlations: bool | None = None,
    draws: int | None = None,
    seed: int = 1,
) -> GlobalFitResult:
    """Fit shifts of Wilson coefficients to measured observables.

    Parameters
    ----------
    free
        Shifts that are free, as ["c9", "c10", "c9_e", "c9@1.1:6"]; c9 and c10 by default.
    by_bin
        A shift with a value of its own in each range of q2, as "c9" or "c9=1.1:2.5:4:6", in place of `free`.
    polynomials
        Add free polynomials in q2 to observables: independent, shared.
    c9, c10, wc
        Shifts that stay fixed.
    data, only, exclude, bins, symmetric_errors, model, inputs, charmonium, theory_errors, correlations, draws, seed
        As `global_chi2`.
    """
    options = {
        "free": (free, texts),
        "by_bin": (by_bin, text),
        "polynomials": (polynomials, text),
        "c9": (c9, number),
        "c10": (c10, number),
        "wc": (wc or None, shifts),
    }
    options |= _comparison(data, only, exclude, bins, symmetric_errors, model, inputs, charmonium, theory_errors,
                           correlations, draws, seed)
    found = GlobalFitResult(result(["global", "fit"], options=options))
    warn(found.doubts())
    return found


def run(
    card: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    images: str | os.PathLike[str] | None = None,
    device: str = "auto",
    progress: Progress = False,
) -> Run:
    """Generate, voxelise, train, evaluate, plot and report as a card says; goes on where it stopped.

    Parameters
    ----------
    card
        Run card, as cards/quickstart.toml.
    out
        Folder of the run, made if it does not exist.
    images
        Campaign of the same card whose images are used.
    device
        Device to compute on: auto, cpu, cuda:N, vulkan:N, metal.
    progress
        True for tqdm where it is installed, or a function of (label, done, total, unit).

    Returns
    -------
    Run
        Its folder, with `summary` and `ensembles`; `plots.linearity(run)` draws it.
    """
    options = {"out": (out, text), "images": (images, text), "device": (device, text)}
    call(["run"], text(card, "card"), options=options, network=True, progress=progress)
    return Run(out)


def command(*words: str, progress: Progress = False) -> str:
    """Any other command with the words of the command line: what it prints.

    Examples
    --------
    >>> humboldt.command("inputs", "m_b_quark", "--json")
    """
    return call([text(word, "words") for word in words], network=True, progress=progress)[0]
