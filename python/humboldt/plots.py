"""Figures with Matplotlib."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from .results import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_AXES = ("cos θₗ", "cos θ_K", "χ [rad]")
_ENDS = ((-1.0, 1.0), (-1.0, 1.0), (-3.141592653589793, 3.141592653589793))


def _axes(ax: Axes | None) -> Axes:
    if ax is None:
        import matplotlib.pyplot

        _, ax = matplotlib.pyplot.subplots()
    return ax


def linearity(run: Run | str | os.PathLike[str] | Any, *, label: str = "δC₉", ax: Axes | None = None) -> Axes:
    """Predicted against true values: mean and standard deviation of the predictions at each true value, and the diagonal.

    Parameters
    ----------
    run
        A `Run`, its folder, or pairs (truth, predictions [n]).
    label
        Name of the coefficient.
    ax
        Axes to draw on; new ones by default.
    """
    import numpy

    if isinstance(run, (str, os.PathLike)):
        run = Run(run)
    if isinstance(run, Run):
        points = [(one["truth"], one["mean"], one["sigma"] or 0.0, one["trained"]) for one in run.ensembles]
    else:
        pairs = [(float(truth), numpy.asarray(found, dtype=float)) for truth, found in run]
        points = [(truth, found.mean(), found.std(ddof=1) if found.size > 1 else 0.0, None) for truth, found in pairs]
    if not points:
        raise ValueError("run = [] is not allowed; allowed: at least one true value with its predictions")
    ax = _axes(ax)
    # Nobody says which values pairs were trained at.
    for trained, marker, name in ((None, "o", "mean and spread"), (True, "o", "trained on"), (False, "s", "not trained on")):
        some = [point[:3] for point in points if point[3] is trained]
        if some:
            truth, mean, sigma = zip(*some, strict=True)
            ax.errorbar(truth, mean, yerr=sigma, fmt=marker, capsize=2, markersize=4, label=name)
    ends = [min(point[0] for point in points), max(point[0] for point in points)]
    ax.plot(ends, ends, color="black", linewidth=1, label="diagonal")
    ax.set_xlabel(f"true {label}")
    ax.set_ylabel(f"predicted {label}")
    ax.legend(frameon=False)
    return ax


def image(volume: Any, *, along: int = 2, ax: Axes | None = None) -> Axes:
    """An image seen along an axis: mean q2 [GeV^2] over its occupied cells.

    Parameters
    ----------
    volume
        [cos_theta_l, cos_theta_k, chi], an array or a tensor.
    along
        The axis: 0, 1 or 2 (chi).
    ax
        Axes to draw on; new ones by default.
    """
    import numpy

    volume = numpy.asarray(volume)
    if volume.ndim != 3:
        raise ValueError(f"shape of volume = {list(volume.shape)} is not allowed; allowed: three axes")
    if along not in (0, 1, 2):
        raise ValueError(f"along = {along!r} is not allowed; allowed: 0, 1, 2")
    occupied = (volume > 0).sum(axis=along)
    mean = numpy.where(occupied > 0, volume.sum(axis=along) / numpy.maximum(occupied, 1), numpy.nan)
    ax = _axes(ax)
    x, y = (axis for axis in range(3) if axis != along)
    shown = ax.imshow(mean.T, origin="lower", aspect="auto", extent=(*_ENDS[x], *_ENDS[y]))
    ax.locator_params(nbins=5)
    ax.set_xlabel(_AXES[x])
    ax.set_ylabel(_AXES[y])
    ax.figure.colorbar(shown, ax=ax, label="mean q² [GeV²]")
    return ax
