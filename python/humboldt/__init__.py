"""From Wilson coefficients to B -> K* l l events, to images, and back.

>>> import humboldt as hb
>>> events = hb.generate(100_000, seed=1, delta_c9=-0.5, q2=(1.1, 6.0))
>>> hb.fit(events, free=["c9"]).interval("c9")
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version as _version
from typing import TYPE_CHECKING, Any

from . import _core
from ._call import HumboldtWarning
from .campaign import Campaign
from .commands import (
    bound,
    command,
    fit,
    generate,
    global_chi2,
    global_fit,
    infer,
    load,
    moments,
    observe,
    reweight,
    run,
    smear,
    voxelize,
)
from .events import Events
from .model import Model
from .results import (
    BoundResult,
    FitResult,
    GlobalChi2Result,
    GlobalFitResult,
    InferResult,
    MomentsResult,
    ObserveResult,
    Predictions,
    Result,
    Run,
)
from .streams import LiveEvents, LiveImages, StoredImages

if TYPE_CHECKING:
    from . import plots, torch

__version__ = _version("humboldt")

__all__ = [
    "BoundResult", "Campaign", "Events", "FitResult", "GlobalChi2Result", "GlobalFitResult", "HumboldtWarning",
    "InferResult", "LiveEvents", "LiveImages", "Model", "MomentsResult", "ObserveResult", "Predictions", "Result", "Run",
    "StoredImages", "bound", "command", "fit", "generate", "global_chi2", "global_fit", "infer", "load", "moments",
    "observe", "plots", "reweight", "run", "set_threads", "smear", "torch", "voxelize",
]


def set_threads(threads: int | None) -> None:
    """Set the number of threads that humboldt computes on; None for as many as there are cores. Results do not depend on it."""
    if threads is not None and (isinstance(threads, bool) or not isinstance(threads, int) or not 1 <= threads <= 1024):
        raise ValueError(f"threads = {threads!r} is not allowed; allowed: 1 to 1024, or None")
    _core.set_threads(threads or 0)


def __getattr__(name: str) -> Any:
    # PyTorch and Matplotlib are imported when they are used.
    if name in ("plots", "torch"):
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
