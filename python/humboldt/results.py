"""What commands answer: their fields as attributes, as a dict, and as a table in a notebook."""

from __future__ import annotations

import html
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._call import Progress, result

if TYPE_CHECKING:
    import numpy
    import pandas
    from numpy.typing import NDArray

    from .events import Events


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return html.escape(str(value))


def _table(rows: list[dict[str, Any]], caption: str = "") -> str:
    """Rows as a table, with the fields that are plain numbers and words."""
    names = [name for name, value in rows[0].items() if not isinstance(value, (list, dict))] if rows else []
    names = [name for name in names if any(row.get(name) is not None for row in rows)]
    head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
    cells = ("".join(f"<td>{_shown(row.get(name, ''))}</td>" for name in names) for row in rows)
    body = "".join(f"<tr>{row}</tr>" for row in cells)
    return f"<table><caption>{html.escape(caption)}</caption><tr>{head}</tr>{body}</table>"


class Result:
    """An answer of humboldt, whose fields are attributes; `to_dict()` has what the command prints with `--json`."""

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values

    def to_dict(self) -> dict[str, Any]:
        """All fields, as plain dicts, lists and numbers."""
        return json.loads(json.dumps(self._values))

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["_values"][name]
        except KeyError:
            fields = ", ".join(self.__dict__.get("_values", {}))
            raise AttributeError(f"{type(self).__name__} has no field `{name}`; it has {fields}") from None

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._values]

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other._values == self._values  # type: ignore[attr-defined]

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shown = (f"{name}={value!r}" for name, value in self._values.items() if not isinstance(value, (list, dict)))
        return f"{type(self).__name__}({', '.join(shown)})"

    def _rows(self) -> list[dict[str, Any]]:
        """The rows of its table."""
        return [self._values]

    def _repr_html_(self) -> str:
        doubts = "".join(f"<li>{html.escape(reason)}</li>" for reason in self.doubts())
        return _table(self._rows(), type(self).__name__) + (f"<ul>{doubts}</ul>" if doubts else "")

    def doubts(self) -> list[str]:
        """Reasons to doubt it."""
        one = self._values.get("warning")
        return [*self._values.get("warnings", []), *([one] if one else [])]


class _OfCoefficients(Result):
    """A result with values of coefficients."""

    _field = "coefficients"

    def _rows(self) -> list[dict[str, Any]]:
        return self._values[self._field]

    def _one(self, name: str) -> dict[str, Any]:
        rows = self._rows()
        for row in rows:
            if row["name"] == name:
                return row
        names = ", ".join(row["name"] for row in rows)
        raise KeyError(f"coefficient = {name} is not allowed; allowed: {names}")

    def value(self, name: str = "c9") -> float:
        """The shift of a coefficient."""
        return self._one(name)["value"]

    def interval(self, name: str = "c9") -> tuple[float | None, float | None]:
        """Lower and upper end of its 68.3 % interval; None where it is open or was not asked for."""
        row = self._one(name)
        value, minus, plus = row["value"], row.get("minus"), row.get("plus")
        return (None if minus is None else value - minus, None if plus is None else value + plus)


class FitResult(_OfCoefficients):
    """Coefficients of an unbinned fit: `coefficients` (name, value, sigma, minus, plus), `correlation`, `goodness`
    (chi2, degrees_of_freedom, p_value), `events`, `assumed`, `failure`, `warnings`."""

    def sigma(self, name: str = "c9") -> float | None:
        """Standard deviation of a coefficient; None where it has none."""
        return self._one(name)["sigma"]


class InferResult(_OfCoefficients):
    """Coefficients by a network: `parameters` (name, value, minus, plus), `delta_c9`, `minus`, `plus`, `p_value`,
    `correlation`, `events`, `assumed`, `warning`."""

    _field = "parameters"


class GlobalFitResult(_OfCoefficients):
    """A fit to measurements: `parameters` (name, value, sigma, minus, plus), `chi2`, `degrees_of_freedom`, `p_value`,
    `chi2_at_zero`, `sigmas_from_zero`, `correlation`, `contributions`, `left_out`, `warnings`."""

    _field = "parameters"

    def sigma(self, name: str = "c9") -> float | None:
        """Standard deviation of a parameter; None where it has none."""
        return self._one(name)["sigma"]


class GlobalSampleResult(Result):
    """A posterior density: `parameters` (name, mean, sigma, median, low, high), `walkers`, `steps`, `acceptance`."""

    def _rows(self) -> list[dict[str, Any]]:
        return self._values["parameters"]


class GlobalCompareResult(Result):
    """Fits to two sets of measurements: `fits` (data, n, chi2, p_value, parameters) of the first, the second and both; `rise` of
    chi-square by fitting both at once, `free`, `p_value`."""

    def _rows(self) -> list[dict[str, Any]]:
        return self._values["fits"]


class GlobalScanResult(Result):
    """Chi-square on a grid: `names` of both shifts, arrays `x` [points], `y` [points] and `chi2` [points of y, points of x]."""

    @classmethod
    def _read(cls, folder: str | os.PathLike[str]) -> GlobalScanResult:
        import numpy

        with (Path(folder) / "scan.csv").open() as file:
            *names, _ = file.readline().strip().split(",")
            x, y, chi2 = numpy.loadtxt(file, delimiter=",", unpack=True)
        columns = int((y == y[0]).sum())
        grid = {"x": x[:columns], "y": y[::columns], "chi2": chi2.reshape(-1, columns)}
        return cls({"names": names, **{name: array.tolist() for name, array in grid.items()}})

    def _array(self, name: str) -> NDArray[numpy.float64]:
        import numpy

        return numpy.array(self._values[name])

    @property
    def x(self) -> NDArray[numpy.float64]:
        """Values of the first shift."""
        return self._array("x")

    @property
    def y(self) -> NDArray[numpy.float64]:
        """Values of the second shift."""
        return self._array("y")

    @property
    def chi2(self) -> NDArray[numpy.float64]:
        """Chi-square at each of them."""
        return self._array("chi2")

    def _rows(self) -> list[dict[str, Any]]:
        grid = self._values
        row, best = min(enumerate(grid["chi2"]), key=lambda place: min(place[1]))
        x, y = grid["names"]
        return [{x: grid["x"][best.index(min(best))], y: grid["y"][row], "smallest chi2": min(best)}]


class GlobalChi2Result(Result):
    """Measurements against predictions: `chi2`, `n`, `p_value`, `contributions`, `left_out`, `warnings`."""

    def _rows(self) -> list[dict[str, Any]]:
        return self._values["contributions"]


class BoundResult(Result):
    """The information bound: `sigma` of C9 with all else known, `covariance` of `coefficients`, `sigma_profiled`, ...; of a
    network `coefficients` (name, value, sigma, sigma_fitted, ...), `covariance`."""


class CheckResult(Result):
    """Events beside a density: `follows`, `p_value`, `events`, `assumed`, `deviations` (kind, words, q2, coefficients)."""

    def _rows(self) -> list[dict[str, Any]]:
        return self._values["deviations"] or [self._values]


class SWeightsResult(Result):
    """sWeights: `yields` (name, value, sigma, closure), `correlation`, `parameters` of the shapes, `sum_of_squares`, and number of
    `events` in the range; `weighted` are those with their weights."""

    def __init__(self, values: dict[str, Any], weighted: Events) -> None:
        super().__init__(values)
        #: The events in the range, with columns `weight` and `sweight_background`.
        self.weighted = weighted

    def _rows(self) -> list[dict[str, Any]]:
        return self._values["yields"]


class AcceptanceResult(Result):
    """An efficiency by Legendre polynomials, as a card's acceptance.file: `orders`, `coefficients`, `events`, ..."""


class BackgroundResult(Result):
    """A background's smoothed `density` (windows, m_kpi, order, factors, events, ...), as a card's background.density, and its
    `agreement` with the sample (variables, chi2, dof, p_value) in bins of each variable and of each two; `warnings`."""

    def _rows(self) -> list[dict[str, Any]]:
        return self._values["agreement"]


class CompareResult(Result):
    """Estimators of a run on the same samples, as RUN/results/compare has them; of learned ratios a list, `comparisons`."""


class InputsResult(Result):
    """Physical inputs: `inputs` (name, value, uncertainty, unit, source)."""

    def _rows(self) -> list[dict[str, Any]]:
        return self._values["inputs"]

    def value(self, name: str) -> float:
        """The value of an input."""
        found = {row["name"]: row["value"] for row in self._rows()}
        if name not in found:
            raise KeyError(f"input = {name} is not allowed; allowed: {', '.join(found)}")
        return found[name]


class MomentsResult(Result):
    """Observables by moments: `bins` (q2_min, q2_max, events, observables), `fit` where one was asked for, `warnings`."""

    def _rows(self) -> list[dict[str, Any]]:
        return [
            {"q2_min": one["q2_min"], "q2_max": one["q2_max"], "observable": name, "value": value, "sigma": sigma}
            for one in self._values["bins"]
            for name, value, sigma in one["observables"]
        ]

    @property
    def fit(self) -> FitResult | None:
        """Coefficients of a chi-square fit to the observables."""
        fit = self._values.get("fit")
        return None if fit is None else FitResult(fit)

    def doubts(self) -> list[str]:
        fit = self.fit
        return [*super().doubts(), *(fit.doubts() if fit else [])]

    def to_pandas(self) -> pandas.DataFrame:
        """A row for each observable in each bin."""
        import pandas

        return pandas.DataFrame(self._rows())


class ObserveResult(Result):
    """Predictions: `values` (process, observable, q2_min, q2_max, value, uncertainty, correlation, caution)."""

    def _rows(self) -> list[dict[str, Any]]:
        return self._values["values"]

    def doubts(self) -> list[str]:
        return list(dict.fromkeys(row["caution"] for row in self._rows() if row.get("caution")))

    def value(self, observable: str, bin: int = 0) -> float:
        """An observable in a bin, counted from 0 in the order asked for."""
        found = [row["value"] for row in self._rows() if row["observable"] == observable]
        if not found:
            names = dict.fromkeys(row["observable"] for row in self._rows())
            raise KeyError(f"observable = {observable} is not allowed; allowed: {', '.join(names)}")
        return found[bin]

    def to_pandas(self) -> pandas.DataFrame:
        """A row for each observable in each bin."""
        import pandas

        return pandas.DataFrame(self._rows())


class Predictions(Result):
    """Coefficients of images: `values`, for each image a list of (value, minus, plus), and `p_values`."""

    def _rows(self) -> list[dict[str, Any]]:
        return [
            {"image": image, "coefficient": name, **one}
            for image, row in enumerate(self._values["values"])
            for name, one in zip(self._values["coefficients"], row, strict=True)
        ]

    def __len__(self) -> int:
        return len(self._values["values"])

    def value(self, name: str | None = None) -> Any:
        """The shifts of a coefficient, the first by default, as a NumPy array [image]."""
        import numpy

        names = self._values["coefficients"]
        if name is not None and name not in names:
            raise KeyError(f"coefficient = {name} is not allowed; allowed: {', '.join(names)}")
        place = 0 if name is None else names.index(name)
        return numpy.array([row[place]["value"] for row in self._values["values"]])

    def to_pandas(self) -> pandas.DataFrame:
        """A row for each coefficient of each image."""
        import pandas

        return pandas.DataFrame(self._rows())


class Run:
    """The folder of a run that was evaluated.

    Parameters
    ----------
    folder
        As `humboldt run --out` made it.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        if not (self.folder / "card.toml").is_file():
            raise FileNotFoundError(f"folder = {self.folder} is not allowed; allowed: the folder of a run (no card.toml in it)")

    def _json(self, name: str) -> Any:
        path = self.folder / "results" / name
        if not path.is_file():
            raise FileNotFoundError(f"{path}: is not there; `humboldt evaluate {self.folder}` makes it")
        return json.loads(path.read_text())

    @property
    def summary(self) -> dict[str, Any]:
        """Slope, bias, RMSE and widths over the range that is quoted."""
        return self._json("summary.json")

    @property
    def ensembles(self) -> list[dict[str, Any]]:
        """Mean, widths and bias of the predictions at each true value."""
        return self._json("ensembles.json")

    def predictions(self) -> Any:
        """Every prediction with its truth, a PyArrow table."""
        import pyarrow.parquet

        return pyarrow.parquet.read_table(self.folder / "results" / "predictions.parquet")

    def predict(
        self, images: str | os.PathLike[str], *, device: str = "auto", progress: Progress = False
    ) -> list[dict[str, Any]]:
        """The coefficients of a file of images by the run's network, with calibrated 68.3 % and 95 % intervals.

        Parameters
        ----------
        images
            Images, .h5 or .arrow, of the same kind as the run's.
        device
            Device to compute on: auto, cpu, cuda:N, vulkan:N, metal.

        Returns
        -------
        list of dict
            Of each image and coefficient: image, coefficient, label, raw, value, low_68, high_68, low_95, high_95, range.
        """
        given = {"run": self.folder, "images": images, "device": device, "progress": progress}
        return result("predict", given, operands=["run", "images"], network=True)

    def to_dict(self) -> dict[str, Any]:
        """Summary and ensembles."""
        return {"folder": str(self.folder), "summary": self.summary, "ensembles": self.ensembles}

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r})"

    def _repr_html_(self) -> str:
        return _table([self.summary], f"Run {self.folder}") + _table(self.ensembles, "ensembles")


__all__ = [
    "AcceptanceResult", "BackgroundResult", "BoundResult", "CheckResult", "CompareResult", "FitResult", "GlobalChi2Result", "GlobalCompareResult",
    "GlobalFitResult", "GlobalSampleResult", "GlobalScanResult", "InferResult", "InputsResult", "MomentsResult",
    "ObserveResult", "Predictions", "Result", "Run", "SWeightsResult",
]
