#!/bin/sh
# pyarrow 26.0.1: a view of a NumPy array whose axes are rotated does not come back from a column of tensors.
#
# Input: float32 images (2, 3, 4, 5), and views of them with each order of the last three axes, as (0, 2, 3, 1), channels first to channels
# last. Each view goes through pyarrow.FixedShapeTensorArray.from_numpy_ndarray and to_numpy_ndarray.
# Guess: all six come back. Axes that are exchanged in pairs do.
# Behaviour: the two rotations come back with their axes rotated the other way: (2, 4, 5, 3) goes in, (2, 5, 3, 4) comes out. The column holds
# the inverse of the permutation that its type means (Arrow: logical axis i is stored axis permutation[i]), so files hold it too. No error;
# of a cube, whose axes are equally long, the shape is right and the numbers stand in other cells. numpy.ascontiguousarray before
# from_numpy_ndarray avoids it. humboldt writes tensors without a permutation and refuses to read one.
# Seen on 2026-12-01, Linux, Python 3.11. Ends with 1 where the behaviour is another.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install pyarrow==26.0.1 numpy==2.4.6
cat > "$folder/rotate.py" <<'PY'
from itertools import permutations

import numpy
import pyarrow


def back(view):
    column = pyarrow.FixedShapeTensorArray.from_numpy_ndarray(view)
    path = "tensors.arrow"
    table = pyarrow.table({"images": column})
    with pyarrow.ipc.new_file(path, table.schema) as file:
        file.write_table(table)
    read = pyarrow.ipc.open_file(path).read_all()["images"].combine_chunks()
    return read.to_numpy_ndarray(), read.type.permutation


images = numpy.arange(120, dtype="float32").reshape(2, 3, 4, 5)
same = {}
for order in permutations((1, 2, 3)):
    view = images.transpose(0, *order)
    result, permutation = back(view)
    same[order] = numpy.array_equal(view, result)
    print(f"order {order}: {view.shape} in, {result.shape} out, permutation {permutation}, the same: {same[order]}")
assert [order for order, yes in same.items() if not yes] == [(2, 3, 1), (3, 1, 2)], same

cubes = numpy.arange(54, dtype="float32").reshape(2, 3, 3, 3).transpose(0, 2, 3, 1)
result, _ = back(cubes)
moved = int((result != cubes).sum())
print(f"cubes: {cubes.shape} in, {result.shape} out, {moved} of {cubes.size} numbers elsewhere")
assert result.shape == cubes.shape and moved == 48
assert numpy.array_equal(back(numpy.ascontiguousarray(cubes))[0], cubes)
PY
cd "$folder"
"$folder/venv/bin/python" rotate.py
