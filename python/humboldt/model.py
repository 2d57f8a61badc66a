"""Trained networks."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from . import _core
from ._call import Progress, flag, own_words, table_of, text, told, warn, whole
from .results import Predictions


class Model:
    """A trained network; `Model.load` opens one."""

    def __init__(self, network: _core.Network, folder: str) -> None:
        self._network = network
        #: The folder that it was read from, or "builtin".
        self.folder = folder

    @classmethod
    def load(cls, folder: str | os.PathLike[str] = "builtin", *, device: str = "auto") -> Model:
        """Open the network of a folder (`RUN/model`, or RUN itself), or one that comes with humboldt: "builtin", "builtin:full", "builtin:six".

        Parameters
        ----------
        folder
            Where it is.
        device
            Device to compute on: auto, cpu, cuda:N, vulkan:N, metal.
        """
        path = text(folder, "folder")
        of_run = Path(path) / "model"
        with own_words():
            network = _core.Network.load(path, text(device, "device"))
        return cls(network, str(of_run) if (of_run / "network.json").exists() else path)

    @property
    def info(self) -> dict[str, Any]:
        """Architecture, loss, bins and events of its images, coefficients with their ranges, and the card of its training."""
        return json.loads(self._network.info())

    @property
    def coefficients(self) -> list[str]:
        """The coefficients that it learned."""
        return [parameter["coefficient"] for parameter in self.info["parameters"]]

    def predict(
        self,
        images_or_events: Any,
        *,
        events_per_image: int | None = None,
        layout: str | os.PathLike[str] | None = None,
        select: bool = False,
        progress: Progress = False,
    ) -> Predictions:
        """Coefficients of images, or of one sample of events: then what `infer` answers, from a network that is open already.

        Parameters
        ----------
        images_or_events
            Images, float32 [n, bins, bins, bins] or one of them [bins, bins, bins], as NumPy array or tensor; or events: one
            sample, of any kind that `fit` takes.
        events_per_image
            Events of each image, for networks that were trained on several numbers.
        layout
            Of events: layout of their columns, as of `fit`.
        select
            Of events: leave out those outside the windows that the network learned from; without it they are refused.
        progress
            True for tqdm where it is installed, or a function of (label, done, total, unit).

        Returns
        -------
        Predictions
            `value("c9")` is an array [image]; intervals where the network knows them.
        """
        import numpy

        is_array = hasattr(images_or_events, "ndim") and not hasattr(images_or_events, "__arrow_c_stream__")
        with own_words():
            if is_array:
                images = numpy.asarray(images_or_events)
                if images.ndim == 3:
                    images = images[None]
                if images.ndim != 4 or images.dtype.kind not in "fiu":
                    raise ValueError(
                        f"images = {images.dtype} {list(images.shape)} is not allowed; allowed: numbers "
                        "[n, bins, bins, bins], or [bins, bins, bins]"
                    )
                number = None if events_per_image is None else int(whole(events_per_image, "events_per_image"))
                images = numpy.ascontiguousarray(images, dtype=numpy.float32)
                found = self._network.images(images, events_per_image=number, progress=told(progress))
                estimates = json.loads(found)
            else:
                table = table_of(images_or_events, "events")
                found = self._network.events(
                    table if isinstance(table, str) else ("events", table),
                    layout=None if layout is None else text(layout, "layout"),
                    select=flag(select, "select") is True,
                )
                answer = json.loads(found)
                values = [{name: value for name, value in one.items() if name != "name"} for one in answer["parameters"]]
                estimates = [{"p_value": None, "correlation": [], **answer, "values": values}]
                warn(filter(None, [answer.get("warning")]))
        return Predictions(
            {
                "coefficients": self.coefficients,
                "values": [estimate["values"] for estimate in estimates],
                "p_values": [estimate["p_value"] for estimate in estimates],
                "correlations": [estimate["correlation"] for estimate in estimates],
            }
        )

    def __repr__(self) -> str:
        return f"Model({self.folder!r}, coefficients={self.coefficients})"
