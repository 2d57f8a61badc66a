"""Files of ROOT itself for the tests: python3 make_with_root.py [FOLDER]. Needs `pip install root==0.1a12`, which is ROOT 6.40.00."""

import array
import sys

import numpy as np
import ROOT

FOLDER = sys.argv[1] if len(sys.argv) > 1 else "."
ROWS = 500
# Branch, type of Python's array, letter of ROOT's leaf list.
SCALARS = [
    ("f32", "f", "F"), ("f64", "d", "D"), ("i8", "b", "B"), ("u8", "B", "b"), ("i16", "h", "S"), ("u16", "H", "s"),
    ("i32", "i", "I"), ("u32", "I", "i"), ("i64", "q", "L"), ("u64", "Q", "l"), ("i64g", "q", "G"), ("flag", "B", "O"),
]


def value(name, row):
    """What row `row` of a branch holds; the tests compute the same."""
    if name == "flag":
        return row % 3 == 0
    if name.startswith("f"):
        return row * 0.37 - 50.0
    bits = 8 * array.array(dict((n, c) for n, c, _ in SCALARS)[name]).itemsize
    number = row * 0x9E3779B97F4A7C15 % 2**bits
    return number - 2**bits if name.startswith("i") and number >= 2 ** (bits - 1) else number


def fill(tree, basket, rows=ROWS, names=None):
    cells = {name: array.array(code, [0]) for name, code, _ in SCALARS if names is None or name in names}
    for (name, _, letter) in SCALARS:
        if name in cells:
            # Different sizes, so that the branches' baskets end at different rows.
            tree.Branch(name, cells[name], f"{name}/{letter}", basket + 40 * len(name))
    for row in range(rows):
        for name, cell in cells.items():
            cell[0] = value(name, row)
        tree.Fill()


def scalars(name, code, basket):
    file = ROOT.TFile(f"{FOLDER}/{name}.root", "RECREATE", "", code)
    tree = ROOT.TTree("events", "of every type")
    tree.SetAutoFlush(0)
    fill(tree, basket)
    tree.Write()
    file.Close()


for name, code in [("none", 0), ("zlib", 101), ("lzma", 207), ("lz4", 404), ("zstd", 505)]:
    scalars(f"root_{name}", code, 300)

# The last basket of each branch stays in the tree: of `flag` all rows do.
file = ROOT.TFile(f"{FOLDER}/root_embedded.root", "RECREATE", "", 0)
tree = ROOT.TTree("events", "")
tree.SetAutoFlush(0)
fill(tree, 1500, names={"f64", "i32", "flag"})
# TTree::Write would flush them.
file.WriteTObject(tree, "events")
file.Close()

# Trees in folders, an older cycle, what is no flat branch, and other objects.
ROOT.gInterpreter.Declare("struct Point { float x = 1; double y = 2; };")
file = ROOT.TFile(f"{FOLDER}/root_mixed.root", "RECREATE", "", 101)
folder = file.mkdir("dir").mkdir("sub")
folder.cd()
tree = ROOT.TTree("tree", "")
fill(tree, 32000, 20, {"f64", "i32"})
tree.Write()
file.cd()
for rows in [10, 30]:
    tree = ROOT.TTree("events", "")
    fill(tree, 32000, rows, {"f64"})
    n, jagged, fixed, half = array.array("i", [0]), array.array("f", [0] * 8), array.array("d", [0] * 3), array.array("f", [0])
    vector, text, point, pair = ROOT.std.vector["float"](), ROOT.std.string("abc"), ROOT.Point(), array.array("f", [0, 1])
    tree.Branch("n", n, "n/I")
    tree.Branch("jagged", jagged, "jagged[n]/F")
    tree.Branch("fixed", fixed, "fixed[3]/D")
    tree.Branch("half", half, "half/f")
    tree.Branch("short_double", fixed, "short_double/d")
    tree.Branch("text", bytearray(b"abc\0"), "text/C")
    tree.Branch("vector", vector)
    tree.Branch("string", text)
    tree.Branch("point", point)
    tree.Branch("pair", pair, "x/F:y/F")
    for branch in tree.GetListOfBranches():
        if branch.GetName() != "f64":
            for row in range(rows):
                n[0] = row % 8
                branch.Fill()
    late = tree.Branch("late", n, "late/I")
    for row in range(5):
        late.Fill()
    tree.Write("", 0)
ntuple = ROOT.TNtuple("ntuple", "", "a:b")
for row in range(7):
    ntuple.Fill(row, row * row)
ntuple.Write()
ROOT.TNamed("note", "of a TNamed").Write()
ROOT.TObjString("of a TObjString").Write("remark")
ROOT.TH1F("histogram", "", 3, 0, 1).Write()
file.Close()
