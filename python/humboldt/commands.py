"""The commands of humboldt as functions: arguments and defaults as on the command line, results as classes."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import _core
from ._call import (
    Progress,
    call,
    flag,
    logger,
    number,
    own_words,
    ranges,
    result,
    shape,
    some,
    switch,
    table,
    table_of,
    text,
    warn,
    whole,
)
from .events import Events
from .results import (
    AcceptanceResult,
    BackgroundResult,
    BoundResult,
    CheckResult,
    CompareResult,
    FitResult,
    GlobalChi2Result,
    GlobalCompareResult,
    GlobalFitResult,
    GlobalSampleResult,
    GlobalScanResult,
    InferResult,
    InputsResult,
    MomentsResult,
    ObserveResult,
    Run,
    SWeightsResult,
)

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    from .model import Model

Window = tuple[float | None, float | None] | Sequence[Any] | str
Shifts = Mapping[str, complex] | str
EventsLike = Any
Polynomials = tuple[float, float, float] | Mapping[str, tuple[float, float, float]] | str
Shape = tuple[str, Mapping[str, float]] | str
Axis = tuple[str, tuple[float, float]] | str
Resonances = Mapping[str, tuple[float, float]] | bool | str
StrPath = str | os.PathLike[str]


@contextlib.contextmanager
def _folder(given: StrPath | None = None) -> Iterator[str]:
    """The folder that was given, or one for the moment."""
    if given is not None:
        yield text(given, "out")
        return
    import tempfile

    with tempfile.TemporaryDirectory(prefix="humboldt-") as folder:
        yield folder


def _doubted(found: Any) -> Any:
    """A result, of whose doubts the user is warned."""
    warn(found.doubts(), depth=4)
    return found


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
    charmonium: Resonances | None = None,
    score: Sequence[str] = (),
    card: StrPath | None = None,
    progress: Progress = False,
) -> Events:
    """Unweighted B -> K* l l events: the bits of `humboldt generate` with the same arguments.

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
    made = table("generate", {**locals(), "delta_c9": delta_c9 or None}, options={"n_events": "events"})
    return Events._of(made)


def load(path: StrPath, *, layout: str | None = None) -> Events:
    """Events of a file; see `Events.load`."""
    return Events.load(path, layout=layout)


def voxelize(
    events: EventsLike,
    events_per_image: int,
    bins: int = 50,
    *,
    layout: StrPath | None = None,
    q2: Window | None = None,
    veto: Window | None = None,
) -> NDArray[numpy.float32]:
    """Images of mean q2 from events in their order; a remainder at the end is dropped.

    Parameters
    ----------
    events
        Events, a path, a dict of arrays, or a table with `__arrow_c_stream__`.
    events_per_image
        Events of one image.
    bins
        Cells of each of cos_theta_l, cos_theta_k and chi, 2 to 256.
    layout
        Layout of the columns: basf2, lhcb, cms, or a file of your own (docs/ntuples.md); humboldt's own by default.
    q2
        Windows [GeV^2] that events are taken from; others are left out. By default all that the events were made in.
    veto
        Windows [GeV^2] whose events are left out.

    Returns
    -------
    numpy.ndarray
        float32 [image, cos_theta_l, cos_theta_k, chi]: mean q2 [GeV^2], 0 in empty cells.
    """
    counts = {name: int(whole(value, name)) for name, value in (("events_per_image", events_per_image), ("bins", bins))}
    for name, value in counts.items():
        if value < 1:
            allowed = "2 to 256" if name == "bins" else "1 or more"
            raise ValueError(f"{name} = {value} is not allowed; allowed: {allowed}")
    file = table_of(events)
    with own_words():
        images, notes = _core.voxelize(
            file if isinstance(file, str) else ("events", file),
            events_per_image=counts["events_per_image"],
            bins=counts["bins"],
            layout=None if layout is None else text(layout, "layout"),
            q2=None if q2 is None else ranges(q2, "q2"),
            veto=None if veto is None else ranges(veto, "veto"),
        )
    for note in notes:
        logger.info(note)
    return images


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
    charmonium: Resonances | None = None,
    m_kpi: Window | None = None,
    select: bool = False,
    unweighted: bool = False,
    layout: StrPath | None = None,
    simulation: EventsLike | None = None,
    simulation_wc: Shifts | None = None,
    s_wave: float | str | None = None,
    s_wave_card: StrPath | None = None,
    background: EventsLike | None = None,
    background_fraction: float | str | None = None,
    background_order: int | None = None,
    background_method: str | None = None,
    progress: Progress = False,
) -> Any:
    """Wilson coefficients by unbinned maximum likelihood in q2, both cosines and chi (and m_kpi).

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
    m_kpi
        Window in the K pi mass [GeV] that the events were selected in; all masses of the line shape by default.
    select
        Leave events outside the windows out; without it they are refused.
    unweighted
        Count each event once, although there is a column `weight`.
    layout
        Layout of the columns: basf2, lhcb, cms, or a file of your own (docs/ntuples.md); humboldt's own by default.
    simulation
        Accepted simulated events that the density is normalised over, so that any acceptance is known: measured values in the
        usual columns, true ones in true_q2, true_cos_theta_l, ... where they differ.
    simulation_wc
        Shifts at which they were simulated; by default as they say.
    s_wave
        S-wave under the K*: its part F_S of the Standard Model's rate (a number, "free", or as "0.10+-0.03"), or "card".
    s_wave_card
        Run card whose table [s_wave] says how F_S goes with q2, its K pi masses and its phase; by default the card that the events
        were made with, else the fractions of LHCb.
    background
        A sample of background, whose smoothed density is part of the fit, or which is subtracted.
    background_fraction
        Its part of the events: a number, "free", or as "0.44+-0.02".
    background_order
        Highest order of the polynomials that smooth it, 1 to 6; by default what the sample bears, at most 3.
    background_method
        "density", or "subtraction", which needs a known fraction; by default the density unless that is not the sample's and the
        fraction is known.

    Returns
    -------
    FitResult or list of FitResult
        A list with `events_per_fit`.
    """
    forms = {"free": some, "intervals": lambda value, name: None if switch(value, name) else False}
    given = {**locals(), "forms": None}
    found = result("fit", given, operands=["events"], forms=forms, options={"events_per_fit": "events"})
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
    charmonium: Resonances | None = None,
    m_kpi: Window | None = None,
    select: bool = False,
    unweighted: bool = False,
    layout: StrPath | None = None,
    simulation: EventsLike | None = None,
    simulation_wc: Shifts | None = None,
) -> MomentsResult:
    """Angular observables of events in bins of q2 by the method of moments, and coefficients from them.

    Parameters
    ----------
    events
        Events, a path, a dict of arrays, or a table with `__arrow_c_stream__`. Of events of both flavours there are CP averages
        and A_i.
    bins
        Bins in q2 [GeV^2], as [(1.1, 2.5), (4, 6)].
    free
        Coefficients to fit to the observables; none by default.
    delta_c9, wc, q2, veto, flavour, lepton, model, line_shape, inputs, charmonium, m_kpi, select, unweighted, layout
        As `fit`.
    simulation, simulation_wc
        Accepted simulated events, by which acceptance is taken out of the observables, and the shifts that they were simulated at.
    """
    return _doubted(MomentsResult(result("moments", locals(), operands=["events"])))


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
    charmonium: Resonances | None = None,
    with_rate: bool = False,
    line_shape: bool = False,
    ignore_m_kpi: bool = False,
    effects: StrPath | None = None,
    simulation: EventsLike | None = None,
    simulation_wc: Shifts | None = None,
    layout: StrPath | None = None,
    m_kpi: Window | None = None,
    s_wave: float | str | None = None,
    s_wave_card: StrPath | None = None,
    background: EventsLike | None = None,
    background_fraction: float | str | None = None,
    background_order: int | None = None,
    nuisances: Sequence[str] = (),
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
    effects
        Run card whose S-wave and acceptance, [s_wave] and [acceptance], the events have.
    simulation, simulation_wc, layout, s_wave, s_wave_card, background, background_order
        As `fit`: the bound is then that of accepted events, with S-wave and background in them.
    m_kpi
        Window in the K pi mass [GeV] that the simulated events are selected in.
    background_fraction
        Background's part of the events, a number, "free", or as in "0.44+-0.02"; of a network of learned ratios without `background`.
    nuisances
        Parameters that are profiled with their uncertainty: form-factors, charm.
    sample, seed
        Generated events for the mean squared score.
    """
    given = {**locals(), "delta_c9": delta_c9 or None}
    return BoundResult(result("bound", given, forms={"events": number, "line_shape": flag}))


def infer(
    events: EventsLike,
    *,
    model: StrPath | Model = "builtin",
    select: bool = False,
    background_fraction: float | str | None = None,
    nuisances: Sequence[str] = (),
    layout: StrPath | None = None,
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
    nuisances
        Of learned ratios: parameters that are not known and profiled with their uncertainty: "form-factors", "charm".
    layout
        Layout of the columns, as of `fit`.
    device
        Device to compute on: auto, cpu, cuda:N, vulkan:N, metal.
    """
    given = {**locals(), "model": getattr(model, "folder", model)}
    return _doubted(InferResult(result("infer", given, operands=["events"], network=True)))


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
    charmonium: Resonances | None = None,
    convention: str | None = None,
    uncertainty: int | None = None,
    seed: int = 1,
    progress: Progress = False,
) -> ObserveResult:
    """Predictions of F_L, A_FB, S_i, A_i, P_i, P_i', Q_i, R_K and rates in bins of q2.

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
    inputs, charmonium
        As `generate`.
    """
    given = {**locals(), "delta_c9": delta_c9 or None}
    return _doubted(ObserveResult({"values": result("observe", given)}))


def reweight(
    events: EventsLike,
    *,
    delta_c9: float | None = None,
    wc: Shifts | None = None,
    model: str | None = None,
    inputs: Mapping[str, float] | None = None,
    charmonium: Resonances | None = None,
    with_rate: bool = False,
    unweight: bool = False,
    seed: int | None = None,
    layout: StrPath | None = None,
    source: StrPath | None = None,
    q2: Window | None = None,
    progress: Progress = False,
) -> Events:
    """A sample with the weight that each event has for other coefficients, model or inputs.

    Parameters
    ----------
    events
        Events, a path, a dict of arrays, or a table with `__arrow_c_stream__`.
    delta_c9, wc, model, inputs, charmonium
        What to go to; the sample's own model and inputs by default, no shifts.
    with_rate
        Weights carry the ratio of the rates too.
    unweight
        Keep each event with a probability of its weight over the largest one, in place of a column `weight`.
    seed
        Of `unweight`; 1 by default.
    layout
        Layout of the columns, as of `fit`.
    source
        Card whose [generator] the events of another program follow; humboldt's own say it themselves. By default the Standard Model's
        events of model npr.
    q2
        Windows [GeV^2] that the events of another program were selected in, in place of the card's.
    """
    return Events._of(table("reweight", locals(), operands=["events"]))


def smear(
    events: EventsLike,
    *,
    detector: StrPath,
    seed: int = 1,
    layout: StrPath | None = None,
    source: StrPath | None = None,
    q2: Window | None = None,
    figures: StrPath | None = None,
    progress: Progress = False,
) -> Events:
    """Events of a sample as a detector measures them; the truth stays beside it in columns `true_*`.

    Parameters
    ----------
    events
        True events, a path, a dict of arrays, or a table with `__arrow_c_stream__`.
    detector
        lhcb, belle2, or a file with the keys of a card's [detector].
    seed
        The same seed and detector measure the same.
    layout
        Layout of the columns, as of `fit`.
    source
        Card whose [generator] the events of another program follow; humboldt's own say it themselves. By default the Standard Model's
        events of model npr.
    q2
        Windows [GeV^2] that the events of another program were selected in, in place of the card's.
    figures
        Folder for figures of resolution and efficiency.
    """
    return Events._of(table("smear", locals(), operands=["events"]))


def global_chi2(
    *,
    c9: float | None = None,
    c10: float | None = None,
    wc: Shifts | None = None,
    polynomial: Polynomials | None = None,
    data: Sequence[str] | str = "default",
    only: Sequence[str] = (),
    exclude: Sequence[str] = (),
    bins: Window | None = None,
    symmetric_errors: bool = False,
    model: str | None = None,
    inputs: Mapping[str, float] | None = None,
    charmonium: Resonances | None = None,
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
    polynomial
        a0 + a1 q2 + a2 q2^2 that is added to all observables, (a0, a1, a2), or to some, {"P5p": (0.02, 0.0, 0.0)}.
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
    inputs, charmonium
        As `generate`.
    theory_errors, correlations
        Whether they count; None as the data recommend.
    draws
        Draws of all inputs behind theory errors; each input is moved up and down by its error by default.
    seed
        Of everything random.
    """
    return _doubted(GlobalChi2Result(result("global chi2", locals())))


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
    charmonium: Resonances | None = None,
    theory_errors: bool | None = None,
    correlations: bool | None = None,
    draws: int | None = None,
    seed: int = 1,
) -> GlobalFitResult:
    """Shifts of Wilson coefficients, fitted to measured observables.

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
    return _doubted(GlobalFitResult(result("global fit", locals(), forms={"free": some})))


def global_predict(
    *,
    c9: float | None = None,
    c10: float | None = None,
    wc: Shifts | None = None,
    polynomial: Polynomials | None = None,
    data: Sequence[str] | str = "default",
    only: Sequence[str] = (),
    exclude: Sequence[str] = (),
    bins: Window | None = None,
    symmetric_errors: bool = False,
    model: str | None = None,
    inputs: Mapping[str, float] | None = None,
    charmonium: Resonances | None = None,
    theory_errors: bool | None = None,
    correlations: bool | None = None,
    draws: int | None = None,
    seed: int = 1,
) -> ObserveResult:
    """Predictions of all measured observables in LHCb's convention, rates in GeV^-2.

    Parameters
    ----------
    c9, c10, wc, polynomial
        The point, as of `global_chi2`.
    data, only, exclude, bins, symmetric_errors, model, inputs, charmonium, theory_errors, correlations, draws, seed
        As `global_chi2`.
    """
    return _doubted(ObserveResult({"values": result("global predict", locals())}))


def global_compare(
    other_data: Sequence[str] | str,
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
    charmonium: Resonances | None = None,
    theory_errors: bool | None = None,
    correlations: bool | None = None,
    draws: int | None = None,
    seed: int = 1,
) -> GlobalCompareResult:
    """Fits to two sets of measurements apart and together: whether they say the same of the free parameters.

    Parameters
    ----------
    other_data
        The second set or sets (`--with` of the command line); `data` has the first.
    free, by_bin, polynomials, c9, c10, wc
        As `global_fit`.
    data, only, exclude, bins, symmetric_errors, model, inputs, charmonium, theory_errors, correlations, draws, seed
        As `global_chi2`.
    """
    found = result("global compare", locals(), forms={"free": some}, options={"other_data": "with"})
    return _doubted(GlobalCompareResult(found))


def global_scan(
    x: Axis = ("c9", (-2.0, 0.5)),
    y: Axis = ("c10", (-1.0, 1.0)),
    *,
    points: int = 101,
    out: StrPath | None = None,
    force: bool = False,
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
    charmonium: Resonances | None = None,
    theory_errors: bool | None = None,
    correlations: bool | None = None,
    draws: int | None = None,
    seed: int = 1,
) -> GlobalScanResult:
    """Chi-square on a grid of two shifts; all other free parameters are fitted at each point.

    Parameters
    ----------
    x, y
        A shift and its range each, as ("c9", (-2.0, 0.5)).
    points
        Points along each axis, 2 to 2001.
    out
        Folder for the grid and its figures: contours of 1, 2 and 3 sigma, observables, pulls; none by default.
    force
        Replace what is there.
    free, by_bin, polynomials, c9, c10, wc
        As `global_fit`.
    data, only, exclude, bins, symmetric_errors, model, inputs, charmonium, theory_errors, correlations, draws, seed
        As `global_chi2`.

    Returns
    -------
    GlobalScanResult
        Arrays `x` [points], `y` [points], `chi2` [points of y, points of x].
    """
    with _folder(out) as folder:
        call("global scan", {**locals(), "out": folder, "folder": None}, forms={"free": some})
        return GlobalScanResult._read(folder)


def global_sample(
    *,
    steps: int = 5000,
    burn_in: int = 500,
    out: StrPath | None = None,
    force: bool = False,
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
    charmonium: Resonances | None = None,
    theory_errors: bool | None = None,
    correlations: bool | None = None,
    draws: int | None = None,
    seed: int = 1,
) -> GlobalSampleResult:
    """Posterior density of the free parameters, by an ensemble of walkers; the prior is flat.

    Parameters
    ----------
    steps
        Steps of each walker that are kept.
    burn_in
        Steps of each walker before them.
    out
        File .parquet for all points, a column a parameter; none by default.
    force
        Replace the file at `out`.
    free, by_bin, polynomials, c9, c10, wc
        As `global_fit`.
    data, only, exclude, bins, symmetric_errors, model, inputs, charmonium, theory_errors, correlations, draws, seed
        As `global_chi2`.
    """
    return _doubted(GlobalSampleResult(result("global sample", locals(), forms={"free": some})))


def check(
    events: EventsLike,
    *,
    delta_c9: float | None = None,
    wc: Shifts | None = None,
    q2: Window | None = None,
    veto: Window | None = None,
    flavour: str | None = None,
    lepton: str | None = None,
    model: str | None = None,
    line_shape: str | None = None,
    inputs: Mapping[str, float] | None = None,
    charmonium: Resonances | None = None,
    m_kpi: Window | None = None,
    select: bool = False,
    unweighted: bool = False,
    layout: StrPath | None = None,
    truth: bool = False,
) -> CheckResult:
    """Comparison of events, or the truth of simulated ones, with the density that they are said to follow, and what is off.

    Parameters
    ----------
    events
        Events, a path, a dict of arrays, or a table with `__arrow_c_stream__`.
    delta_c9, wc, q2, veto, flavour, lepton, model, line_shape, inputs, charmonium, m_kpi, select, unweighted, layout
        The density, as of `fit`.
    truth
        Look at the columns of the truth (true_q2, ...) where there are such, in place of what was measured.
    """
    return CheckResult(result("check", locals(), operands=["events"]))


def sweights(
    events: EventsLike,
    *,
    mass: str,
    range: Window,
    signal: Shape,
    background: Shape,
    free: Sequence[str] = (),
) -> SWeightsResult:
    """Weights of signal by a mass (sWeights), which `fit` and `moments` use.

    Parameters
    ----------
    events
        Events, a path, a dict of arrays, or a table with `__arrow_c_stream__`.
    mass
        Column that tells signal from background.
    range
        Range (low, high) of the mass; events outside are left out.
    signal
        Density of signal: ("gaussian", {"mean": .., "width": ..}), or "crystal-ball" with mean, width, alpha_low, n_low,
        alpha_high, n_high.
    background
        Density of background: ("exponential", {"slope": ..}).
    free
        Parameters of the shapes that are fitted, as ["mean", "width", "slope"]; none by default.

    Returns
    -------
    SWeightsResult
        Yields and parameters; its `weighted` are events with the columns `weight`, of signal, and `sweight_background`.
    """
    printed, made = call(
        "sweights", locals(), operands=["events"], forms={"background": shape}, output=True, as_json=True
    )
    assert made is not None
    return SWeightsResult(json.loads(printed), Events._of(made))


def acceptance(
    events: EventsLike,
    *,
    orders: Sequence[int] = (4, 5, 6, 5),
    layout: StrPath | None = None,
    source: StrPath | None = None,
    q2: Window | None = None,
    out: StrPath | None = None,
    figures: StrPath | None = None,
    force: bool = False,
    progress: Progress = False,
) -> AcceptanceResult:
    """Efficiency of accepted events as Legendre polynomials in q2 and the angles, from their moments.

    Parameters
    ----------
    events
        Accepted simulated events with their truth, as `smear` makes them.
    orders
        Highest orders in cos_theta_l, cos_theta_k, chi and q2.
    layout
        Layout of the columns, as of `fit`.
    source
        Card whose [generator] the events of another program follow; humboldt's own say it themselves. By default the Standard Model's
        events of model npr.
    q2
        Windows [GeV^2] that the events of another program were selected in, in place of the card's.
    out
        File .json to write, which a card takes as acceptance.file; none by default.
    figures
        Folder for a figure of the events and of the polynomials.
    force
        Replace the file at `out`.
    """
    with _folder() as folder:
        file = Path(folder) / "acceptance.json" if out is None else Path(text(out, "out"))
        call("acceptance", {**locals(), "out": file, "folder": None, "file": None}, operands=["events"])
        return AcceptanceResult(json.loads(file.read_text()))


def background(
    events: EventsLike,
    *,
    layout: StrPath | None = None,
    flavour: str | None = None,
    lepton: str | None = None,
    line_shape: str | None = None,
    q2: Window | None = None,
    veto: Window | None = None,
    m_kpi: tuple[float, float] | str | None = None,
    select: bool = False,
    unweighted: bool = False,
    order: int | None = None,
    out: StrPath | None = None,
    figures: StrPath | None = None,
    force: bool = False,
) -> BackgroundResult:
    """Density of a background, smoothed from a sample of it, as of a sideband: what a card's background is drawn from.

    Parameters
    ----------
    events
        Events of background.
    layout
        Layout of the columns, as of `fit`.
    flavour, lepton, line_shape
        The decay that they are taken for, as of `fit`.
    q2, veto
        Windows [GeV^2] that the events were selected in, and that were left out.
    m_kpi
        Window in the K pi mass [GeV]; all masses of the line shape by default.
    select
        Leave out events outside the windows; without it they are refused.
    unweighted
        Count each event once, although there is a column `weight`.
    order
        Highest order of the polynomials, 1 to 6; by default what the sample bears, at most 3.
    out
        File .json to write, which a card takes as background.density; none by default.
    figures
        Folder for a figure of the events and of the density.
    force
        Replace the file at `out`.
    """
    with _folder() as folder:
        file = Path(folder) / "background.json" if out is None else Path(text(out, "out"))
        given = {**locals(), "out": file, "folder": None, "file": None}
        found = BackgroundResult(result("background", given, operands=["events"]))
        warn(found.warnings)
        return found


def export(
    source: EventsLike | Sequence[StrPath],
    out: StrPath,
    *,
    layout: StrPath | None = None,
    storage: str | None = None,
    gzip: int = 1,
    range: tuple[int | None, int | None] | str | None = None,
    mean_b_momentum: float = 3.0,
    seed: int = 1,
    force: bool = False,
) -> None:
    """A file of events in the layout of an experiment, or of images as other programs like them.

    Parameters
    ----------
    source
        With `layout` events that humboldt made, in memory or paths, several behind each other; else a file of images.
    out
        File to write: events .parquet, .arrow or .root, images .h5 or .arrow.
    layout
        Layout of the events: humboldt, basf2, lhcb, cms, or a file of your own (docs/ntuples.md).
    storage
        Of images: dense (default), compact.
    gzip
        Level of dense HDF5, 0 (none) to 9.
    range
        Only these images, (first, end); None for an open end.
    mean_b_momentum
        Events with four-momenta: mean momentum of the B [GeV], which flies in a random direction.
    seed
        Of directions and momenta.
    force
        Replace the file at `out`.
    """
    given = {**locals(), "source": None}
    several = isinstance(source, (list, tuple))
    operands = {f"source[{i}]": one for i, one in enumerate(source)} if several else {"source": source}
    call("export", {**given, **operands}, operands=[*operands], forms=dict.fromkeys(operands, table_of))


def evaluate(
    run: StrPath | Run | None = None,
    *,
    model: StrPath | Model | None = None,
    images: int = 50,
    device: str = "auto",
    progress: Progress = False,
) -> list[dict[str, Any]]:
    """Predictions of the test ensembles of a trained run, or of fresh images by a network without its run.

    Parameters
    ----------
    run
        Folder of a trained run.
    model
        In its place: "builtin", "builtin:full", "builtin:six", a folder, or a `Model`, on images of its card's values.
    images
        With `model`: images of each value.
    device
        Device to compute on: auto, cpu, cuda:N, vulkan:N, metal.

    Returns
    -------
    list of dict
        At each true value: mean, sigma_L, sigma_R, bias, ...
    """
    given = {**locals(), "run": getattr(run, "folder", run), "model": getattr(model, "folder", model)}
    given["images"] = None if model is None else images
    return result("evaluate", given, operands=["run"], forms={"images": whole}, network=True)


def compare(
    run: StrPath | Run,
    *,
    images: int | None = None,
    calibration_images: int | None = None,
    values: Sequence[float] = (),
    estimators: Sequence[str] = (),
    networks: Sequence[StrPath] = (),
    wrong: Sequence[str] | str | None = None,
    test_model: str | None = None,
    test_form_factors: float | None = None,
    test_inputs: Mapping[str, float] | None = None,
    out: StrPath | None = None,
    device: str = "auto",
    progress: Progress = False,
) -> CompareResult:
    """All estimators of a run on the same fresh samples: bias, width over the information bound, coverage, pulls, time.

    Goes on where it was broken off.

    Parameters
    ----------
    run
        Folder of a trained run.
    images
        Samples at each value of delta C9; 200 by default, of learned ratios as many as their card tests.
    calibration_images
        Samples at each training value that the intervals are calibrated with; as many as `images` by default.
    values
        delta C9 of the samples, inside the range of the training; by default ten between the training values, of learned ratios
        the points that their card tests.
    estimators
        network, unbinned, template, moments; of learned ratios ratio, unbinned, moments; all by default.
    networks
        Of learned ratios: folders of other networks that learned from events of the same measurements.
    wrong
        Of learned ratios, what samples have that the simulation has not: resolution, background, s_wave; by default all that
        the card's events can have, "none" for none.
    test_model
        Draw the samples from another amplitude model than the run's: npr, bare, nnlo, full.
    test_form_factors
        Draw the samples with form factors moved by so many standard deviations, in the direction that matters most.
    test_inputs
        Draw the samples with other physical inputs, as {"v_cb": 0.041}.
    out
        Folder for tables and figures; RUN/results/compare by default, with what is tested behind it.
    device
        Device to compute on: auto, cpu, cuda:N, vulkan:N, metal.
    """
    given = {**locals(), "run": getattr(run, "folder", run)}
    found = result("compare", given, operands=["run"], forms={"images": whole}, network=True)
    return CompareResult({"comparisons": found} if isinstance(found, list) else found)


def train(
    card: StrPath,
    out: StrPath,
    *,
    images: StrPath | None = None,
    device: str = "auto",
    progress: Progress = False,
) -> Model:
    """The network of a card, trained on its images; goes on from the last checkpoint.

    Parameters
    ----------
    card, out, images, device, progress
        As `run`.
    """
    call("train", locals(), operands=["card"], network=True)
    from .model import Model

    return Model.load(out, device=device)


def inputs(part: str | None = None) -> InputsResult:
    """Physical inputs: `inputs`, each a name, value, uncertainty, unit and source; the argument `inputs` of others changes some.

    Parameters
    ----------
    part
        Only those whose name holds this, as "m_b" or "bsz2015".
    """
    return InputsResult({"inputs": result("inputs", locals(), operands=["part"])})


def run(
    card: StrPath,
    out: StrPath,
    *,
    images: StrPath | None = None,
    device: str = "auto",
    progress: Progress = False,
) -> Run:
    """Images, training, evaluation, figures and report as a card says; goes on where it stopped.

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
    call("run", locals(), operands=["card"], network=True)
    return Run(out)


def command(*words: str, progress: Progress = False) -> str:
    """What any other command prints, by the words of the command line.

    Examples
    --------
    >>> humboldt.command("inputs", "m_b_quark", "--json")
    """
    return call([text(word, "words") for word in words], {"progress": progress}, network=True)[0]