"""Events in memory: columns that NumPy, Arrow and pandas share."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from . import _core
from ._call import own_words, table_of

if TYPE_CHECKING:
    import numpy
    import pandas
    import pyarrow
    from numpy.typing import NDArray


class Events:
    """Events as a table with a column for each variable.

    Columns are attributes and read-only NumPy arrays without a copy: `events.q2`, `events.cos_theta_l`,
    `events.cos_theta_k`, `events.chi` and `events.m_kpi` (float32; q2 in GeV^2, chi in radians from -pi to pi, m_kpi in GeV,
    angles as LHCb defines them), and whatever else the table has, such as `weight` or `score_c9` (float64). An array can be
    handed on by DLPack (`torch.from_dlpack(events.q2)`); PyTorch does not know of read-only memory, so what it changes in
    place is changed here too.

    The table itself speaks Arrow's protocol (`__arrow_c_stream__`): `pyarrow.table(events)`, `polars.DataFrame(events)`,
    `pandas.DataFrame.from_arrow(events)` and DuckDB's `select ... from events` take it as it is.

    Parameters
    ----------
    data
        Events, a dict of arrays, or anything with `__arrow_c_stream__`, as a pandas, PyArrow or polars table.
    """

    __slots__ = ("_table",)
    _table: _core.Table

    def __init__(self, data: Any) -> None:
        table = table_of(data, "data")
        if isinstance(table, str):
            raise TypeError(f"data = {table!r} is not allowed; allowed: a table in memory, or Events.load(path)")
        self._table = table

    @classmethod
    def _of(cls, table: _core.Table) -> Events:
        events = cls.__new__(cls)
        events._table = table
        return events

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, layout: str | None = None) -> Events:
        """Read a file of events, Parquet, Arrow or ROOT (`FILE.root:TREE`) by its content.

        Parameters
        ----------
        path
            The file; patterns and lists separated by commas are one table.
        layout
            Layout of the columns: basf2, lhcb, cms, or a file of your own (docs/ntuples.md); humboldt's own by default.

        Raises
        ------
        FileNotFoundError, ValueError
            Where there is no such file, or it is none of events.
        """
        with own_words():
            return cls._of(_core.Table.read(os.fspath(path), layout))

    def save(self, path: str | os.PathLike[str], *, force: bool = False) -> None:
        """Write the events with what they say of themselves: `.parquet`, `.arrow` or `.root` by the name.

        The file appears when it is whole, or not at all.

        Raises
        ------
        FileExistsError
            Where there is a file of this name, unless `force`.
        """
        with own_words():
            self._table.write(os.fspath(path), force=force)

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return self._table.columns

    @property
    def provenance(self) -> dict[str, Any] | None:
        """Program, seed, and decay, model, windows and shifts that the events were made with; None of others' events."""
        text = self._table.provenance
        return None if text is None else json.loads(text)

    def to_numpy(self, *, copy: bool = False) -> dict[str, NDArray[Any]]:
        """Columns by name: read-only views of the events, or with `copy` arrays of your own."""
        arrays = {name: self._table.column(name) for name in self.columns}
        return {name: array.copy() for name, array in arrays.items()} if copy else arrays

    def to_pandas(self) -> pandas.DataFrame:
        """A DataFrame with columns of its own; its `attrs` hold the provenance."""
        import pandas

        frame = pandas.DataFrame(self.to_numpy(copy=True), copy=False)
        if (made := self.provenance) is not None:
            frame.attrs["humboldt"] = made
        return frame

    def to_arrow(self) -> pyarrow.Table:
        """A PyArrow table without a copy; its metadata hold the provenance."""
        import pyarrow

        return pyarrow.table(self)

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self._table.__arrow_c_stream__(requested_schema)

    def __arrow_c_schema__(self) -> Any:
        return self._table.__arrow_c_schema__()

    def __len__(self) -> int:
        return len(self._table)

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __contains__(self, name: object) -> bool:
        return name in self.columns

    def __getitem__(self, key: Any) -> Any:
        """A column by its name; events of a slice without a copy, or of an array of booleans."""
        if isinstance(key, str):
            return self._table.column(key)
        if isinstance(key, slice):
            start, stop, step = key.indices(len(self))
            if step != 1:
                raise ValueError(f"step of the slice = {step} is not allowed; allowed: 1")
            return self._of(self._table.slice(start, max(stop - start, 0)))
        import numpy

        keep = numpy.asarray(key)
        if keep.dtype != bool or keep.ndim != 1:
            raise TypeError(
                f"index = {type(key).__name__} is not allowed; allowed: a column's name, a slice, an array of booleans"
            )
        return self._of(self._table.filter(keep))

    def __getattr__(self, name: str) -> numpy.ndarray[Any, Any]:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self._table.column(name)
        except KeyError:
            raise AttributeError(f"events have no column `{name}`; they have {', '.join(self.columns)}") from None

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.columns]

    def __reduce__(self) -> tuple[Any, ...]:
        return _of_bytes, (self._table.to_bytes(),)

    def __repr__(self) -> str:
        return f"Events({len(self)}, columns: {', '.join(self.columns)})"

    def _repr_html_(self) -> str:
        import html

        def cell(value: Any) -> str:
            return f"{value:.5g}" if isinstance(value, float) else str(value)

        shown = self[:5]
        names = [name for name in self.columns if _is_number(self._table, name)]
        head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
        rows = zip(*(shown[name].tolist() for name in names), strict=True)
        body = "".join("<tr>" + "".join(f"<td>{cell(value)}</td>" for value in row) + "</tr>" for row in rows)
        return f"<table><caption>{len(self)} events</caption><tr>{head}</tr>{body}</table>"


def _is_number(table: _core.Table, name: str) -> bool:
    try:
        table.column(name)
    except (TypeError, ValueError):
        return False
    return True


def _of_bytes(data: bytes) -> Events:
    return Events._of(_core.Table.from_bytes(data))
