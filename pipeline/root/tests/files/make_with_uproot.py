"""Files of uproot for the tests: python3 make_with_uproot.py [FOLDER]. Needs `pip install uproot==5.7.7`."""

import sys

import numpy as np
import uproot

FOLDER = sys.argv[1] if len(sys.argv) > 1 else "."
ROWS = 500
TYPES = {"f32": "f4", "f64": "f8", "i8": "i1", "u8": "u1", "i16": "i2", "u16": "u2", "i32": "i4", "u32": "u4", "i64": "i8", "u64": "u8", "flag": "?"}
COMPRESSIONS = {"none": None, "zlib": uproot.ZLIB(1), "lzma": uproot.LZMA(1), "lz4": uproot.LZ4(1), "zstd": uproot.ZSTD(1)}


def column(name, start, end):
    """What rows of a branch hold; the tests compute the same."""
    rows = np.arange(start, end)
    if name == "flag":
        return rows % 3 == 0
    if name.startswith("f"):
        return (rows * 0.37 - 50).astype(TYPES[name])
    return (rows.astype("u8") * np.uint64(0x9E3779B97F4A7C15)).astype(TYPES[name])


for name, compression in COMPRESSIONS.items():
    with uproot.recreate(f"{FOLDER}/uproot_{name}.root", compression=compression) as file:
        tree = file.mktree("events", TYPES)
        for start, end in [(0, 120), (120, 121), (121, ROWS)]:
            tree.extend({name: column(name, start, end) for name in TYPES})

# One basket of 16.8 MB and more, which takes two blocks; the blocks' border is not one of numbers.
for name in ["zlib", "lz4", "zstd", "lzma"]:
    with uproot.recreate(f"{FOLDER}/uproot_large_{name}.root", compression=COMPRESSIONS[name]) as file:
        file.mktree("events", {"x": "f8"}).extend({"x": np.arange(2_200_000) // 10_000 + 0.5})

with uproot.recreate(f"{FOLDER}/uproot_rntuple.root") as file:
    file["events"] = {"x": np.arange(10.0), "n": np.arange(10)}

with uproot.recreate(f"{FOLDER}/uproot_empty.root") as file:
    file.mktree("events", {"x": "f8", "pairs": ("f8", (2,))})
