"""What uproot sees in events.root of a folder; the same events as trees of uproot's, in every compression, and as an RNTuple."""

import json
import sys
from pathlib import Path

import numpy as np
import uproot

folder = Path(sys.argv[1])
file = uproot.open(folder / "events.root")
tree = file["events"]
columns = tree.arrays(library="np")
print(
    json.dumps(
        {
            "entries": tree.num_entries,
            "types": tree.typenames(),
            "maxima": {name: float(column.max()) for name, column in columns.items()},
            "provenance": json.loads(file["humboldt"].member("fTitle")),
            "convention": file["angle_convention"].member("fTitle"),
        }
    )
)
doubles = {name: column.astype("f8") for name, column in columns.items()}
# Columns that are no numbers, of other types, and not in the order of a table of events.
others = {"run": np.arange(tree.num_entries, dtype="i4"), "trigger": np.arange(tree.num_entries) % 2 == 0}
rows = dict(reversed((others | doubles).items()))
compressions = {"none": None, "zlib": uproot.ZLIB(1), "lzma": uproot.LZMA(1), "lz4": uproot.LZ4(1), "zstd": uproot.ZSTD(1)}
for name, compression in compressions.items():
    with uproot.recreate(folder / f"{name}.root", compression=compression) as file:
        out = file.mktree("data/tuple", {name: column.dtype for name, column in rows.items()})
        for start in range(0, tree.num_entries, 700):
            out.extend({name: column[start : start + 700] for name, column in rows.items()})
with uproot.recreate(folder / "rntuple.root") as file:
    file["tuple"] = rows
with uproot.recreate(folder / "pairs.root") as file:
    file.mktree("tuple", {"q2": ("f8", (2,)), "chi": "f8"}).extend({"q2": np.ones((1, 2)), "chi": np.ones(1)})
