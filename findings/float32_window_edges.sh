#!/bin/sh
# The same cut on a column of single precision, by seventeen ways of NumPy 2.4.6, pandas 3.1.1, polars 2.1.0, DuckDB 2.0.1, pyarrow 26.0.1,
# numexpr 2.14.2, awkward 2.14.0 and uproot 5.7.7: an event on the edge of a window is in or out by the tool, and within a tool
# by how the edge is handed over.
#
# Input: five float32 numbers, 0.7, 1.1, 2.5, 8.68, 14.18, each compared with its own decimal number: <=, >=, ==. 0.7 lies below
# its decimal number in single precision, 1.1, 8.68 and 14.18 above, 2.5 is exact.
# Behaviour: the edge is taken as float32, so that all three hold of all numbers, by NumPy with a Python float, pandas (column, query
# with numexpr and without), polars (column, scan), DuckDB with the number in the text of the query, awkward, and uproot's cut. The column is taken as float64, so that 0.7 is only <=, the others only >=, and none but 2.5 ==, by NumPy with a
# numpy.float64 or an array of edges, pandas with pyarrow's types, DuckDB with the same number as a parameter, pyarrow (compute, datasets,
# filters of read_table), and numexpr by itself. So a mask by NumPy with an array of edges and a pandas query with the same edges
# select other events, where values are rounded or stand at a limit.
# Seen on 2026-12-01, Linux, Python 3.11. Ends with 1 where the behaviour is another.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numpy==2.4.6 pandas==3.1.1 polars==2.1.0 duckdb==2.0.1 pyarrow==26.0.1 numexpr==2.14.2 \
    awkward==2.14.0 uproot==5.7.7
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import operator
import sys

import awkward as ak
import duckdb
import numexpr
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import uproot

edges = [0.7, 1.1, 2.5, 8.68, 14.18]
x = np.array(edges, dtype=np.float32)
table = pa.table({"x": x})
pq.write_table(table, "x.parquet")
with uproot.recreate("x.root") as file:
    file.mktree("t", {"x": np.float32})
    file["t"].extend({"x": x})

frame = pd.read_parquet("x.parquet")
arrow_frame = frame.convert_dtypes(dtype_backend="pyarrow")
polars_frame = pl.read_parquet("x.parquet")
python = {"<=": operator.le, ">=": operator.ge, "==": operator.eq}
compute = {"<=": pc.less_equal, ">=": pc.greater_equal, "==": pc.equal}
kept = lambda values, i: float(x[i]) in [float(value) for value in values]
parquet = "'x.parquet'"

ways = {
    "single": {
        "NumPy, a Python float": lambda i, e, o: python[o](x, e)[i],
        "pandas, column": lambda i, e, o: python[o](frame.x, e)[i],
        "pandas, query": lambda i, e, o: i in frame.query(f"x {o} {e}").index,
        "pandas, query, no numexpr": lambda i, e, o: i in frame.query(f"x {o} {e}", engine="python").index,
        "polars, column": lambda i, e, o: polars_frame.select(python[o](pl.col("x"), e)).to_series()[i],
        "polars, scan": lambda i, e, o: kept(
            pl.scan_parquet("x.parquet").filter(python[o](pl.col("x"), e)).collect()["x"], i
        ),
        "DuckDB, in the text": lambda i, e, o: duckdb.sql(f"select x {o} {e} from {parquet}").fetchall()[i][0],
        "awkward": lambda i, e, o: python[o](ak.from_numpy(x), e)[i],
        "uproot, cut": lambda i, e, o: kept(
            uproot.open("x.root")["t"].arrays("x", cut=f"x {o} {e}", library="np")["x"], i
        ),
    },
    "double": {
        "NumPy, a numpy.float64": lambda i, e, o: python[o](x, np.float64(e))[i],
        "NumPy, an array of edges": lambda i, e, o: python[o](x, np.array(edges))[i],
        "pandas, pyarrow's types": lambda i, e, o: python[o](arrow_frame.x, e)[i],
        "DuckDB, a parameter": lambda i, e, o: duckdb.execute(f"select x {o} ? from {parquet}", [e]).fetchall()[i][0],
        "pyarrow, compute": lambda i, e, o: compute[o](table["x"], e)[i].as_py(),
        "pyarrow, dataset": lambda i, e, o: kept(
            ds.dataset("x.parquet").to_table(filter=python[o](pc.field("x"), e))["x"].to_pylist(), i
        ),
        "pyarrow, filters": lambda i, e, o: kept(
            pq.read_table("x.parquet", filters=[("x", o, e)])["x"].to_pylist(), i
        ),
        "numexpr": lambda i, e, o: numexpr.evaluate(f"x {o} {e}")[i],
    },
}
expected = {
    "single": [(True, True, True)] * 5,
    "double": [tuple(bool(python[o](float(v), e)) for o in python) for v, e in zip(x, edges)],
}
assert expected["double"][0] == (True, False, False) and expected["double"][3] == (False, True, False)
same = True
for precision, tools in ways.items():
    for name, way in tools.items():
        found = [tuple(bool(way(i, e, o)) for o in python) for i, e in enumerate(edges)]
        same &= found == expected[precision]
        print(f"{name:26} {precision:6}", "  ".join("".join("yn"[not b] for b in one) for one in found))
sys.exit(not same)
PYTHON
