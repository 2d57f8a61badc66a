#!/bin/sh
# DuckDB 2.0.1 on Parquet files of pyarrow 26.0.1 and polars 2.1.0: rows with NaN are skipped by the statistics of a row group.
#
# Input: 1,000 rows in four row groups, x = 0, 1, 2 ..., two of them NaN, in groups whose other rows are numbers. pyarrow leaves
# NaN out of a group's minimum and maximum.
# Behaviour: DuckDB orders NaN above all numbers, in tables and in files. In a table, isnan(x) finds 2 rows and x > 998 finds 3.
# In the file, isnan(x) finds none and x > 998 finds 2: groups are skipped by their statistics. max(x) is 999 of pyarrow's
# file, and NaN of a table and of polars' file. polars finds both NaN in both files. So a check for NaN before an analysis passes
# on a file that holds some; asked of a table made from the file, it does not.
# Seen on 2026-11-29, Linux, Python 3.11. Ends with 1 where the behaviour is another.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet duckdb==2.0.1 polars==2.1.0 pyarrow==26.0.1 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

x = np.arange(1000.0)
x[[5, 900]] = np.nan
table = pa.table({"x": x})
pq.write_table(table, "pyarrow.parquet", row_group_size=250)
pl.from_arrow(table).write_parquet("polars.parquet", row_group_size=250)


def one(question):
    return duckdb.sql(question).fetchall()[0][0]


print("duckdb", duckdb.__version__, "pyarrow", pa.__version__, "polars", pl.__version__)
seen = {}
for file in ("pyarrow.parquet", "polars.parquet"):
    duckdb.sql(f"create or replace table loaded as select * from '{file}'")
    for source in (f"'{file}'", "loaded"):
        seen[file, source == "loaded"] = found = (
            one(f"select count(*) from {source} where isnan(x)"),
            one(f"select count(*) from {source} where x > 998"),
            one(f"select max(x) from {source}"),
        )
        print(f"{source:18} isnan(x): {found[0]}  x > 998: {found[1]}  max(x): {found[2]}")
    lazy = pl.scan_parquet(file).filter(pl.col("x").is_nan()).select(pl.len()).collect().item()
    print(f"{'polars, ' + file:24} is_nan: {lazy}")
    seen[file, "polars"] = lazy

wrong = all(seen[file, False][:2] == (0, 2) for file in ("pyarrow.parquet", "polars.parquet"))
right = all(seen[file, True][:2] == (2, 3) and seen[file, "polars"] == 2 for file in ("pyarrow.parquet", "polars.parquet"))
largest = seen["pyarrow.parquet", False][2] == 999 and np.isnan(seen["polars.parquet", False][2])
if not (wrong and right and largest):
    sys.exit("the behaviour is another than the one described")
print("as described")
PYTHON
