"""From Wilson coefficients to B -> K* l l events, to images, and back.

>>> import humboldt as hb
>>> events = hb.generate(100_000, seed=1, delta_c9=-0.5, q2=(1.1, 6.0))
>>> hb.fit(events, free=["c9"]).interval("c9")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import _core
from ._call import HumboldtWarning
from .campaign import Campaign
from .commands import (
    acceptance,
    background,
    bound,
    check,
    command,
    compare,
    evaluate,
    export,
    fit,
    generate,
    global_chi2,
    global_compare,
    global_fit,
    global_predict,
    global_sample,
    global_scan,
    infer,
    inputs,
    load,
    moments,
    observe,
    reweight,
    run,
    smear,
    sweights,
    train,
    voxelize,
)
from .events import Events
from .model import Model
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
    Predictions,
    Result,
    Run,
    SWeightsResult,
)
from .streams import LiveEvents, LiveImages, StoredImages

if TYPE_CHECKING:
    from . import plots, torch

    __version__: str

__all__ = [
    "AcceptanceResult", "BackgroundResult", "BoundResult", "Campaign", "CheckResult", "CompareResult", "Events", "FitResult",
    "GlobalChi2Result", "GlobalCompareResult", "GlobalFitResult", "GlobalSampleResult", "GlobalScanResult",
    "HumboldtWarning", "InferResult", "InputsResult", "LiveEvents", "LiveImages", "Model", "MomentsResult",
    "ObserveResult", "Predictions", "Result", "Run", "SWeightsResult", "StoredImages", "acceptance", "background", "bound", "check",
    "command", "compare", "evaluate", "export", "fit", "generate", "global_chi2", "global_compare", "global_fit",
    "global_predict", "global_sample", "global_scan", "infer", "inputs", "load", "moments", "observe", "plots",
    "reweight", "run", "set_threads", "smear", "sweights", "torch", "train", "voxelize",
]


def set_threads(threads: int | None) -> None:
    """Set the number of threads that humboldt computes on; None for as many as there are cores. Results do not depend on it."""
    if threads is not None and (isinstance(threads, bool) or not isinstance(threads, int) or not 1 <= threads <= 1024):
        raise ValueError(f"threads = {threads!r} is not allowed; allowed: 1 to 1024, or None")
    _core.set_threads(threads or 0)


def __getattr__(name: str) -> Any:
    # PyTorch, Matplotlib and what reads the version are imported when they are used.
    if name == "__version__":
        return import_module("importlib.metadata").version("humboldt")
    if name in ("plots", "torch"):
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
