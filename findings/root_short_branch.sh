#!/bin/sh
# ROOT 6.40.00 (PyPI root 0.1a12) and uproot 5.7.7: a branch that was filled for fewer rows than its tree has.
#
# Input: a TTree of 1,000 rows, and a branch that was added afterwards and filled ten times, with 0 to 9. TBranch::Fill exists
# for such additions; a job that stops early leaves this behind.
# Behaviour: RDataFrame gives 1,000 numbers for the branch, of which the last 990 repeat the one before (9), without a word.
# uproot's TTree.arrays gives arrays of unequal length, 1,000 and 10, without a word.
# humboldt refuses the branch: "it holds 10 rows of the tree's 1000".
# Seen on 2026-11-29, Linux, Python 3.11. Ends with 1 where the behaviour is another.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet root==0.1a12 uproot==5.7.7 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import array

import numpy as np
import ROOT
import uproot

file = ROOT.TFile("short.root", "RECREATE")
tree = ROOT.TTree("tree", "")
x, n = array.array("d", [0]), array.array("i", [0])
tree.Branch("x", x, "x/D")
for row in range(1000):
    x[0] = row
    tree.Fill()
late = tree.Branch("late", n, "late/I")
for row in range(10):
    n[0] = row
    late.Fill()
tree.Write()
file.Close()

print("ROOT", ROOT.gROOT.GetVersion(), "uproot", uproot.__version__)
frame = ROOT.RDataFrame("tree", "short.root").AsNumpy(["x", "late"])
print("RDataFrame:", len(frame["late"]), "numbers,", int((frame["late"] == 9).sum()), "of them 9")
arrays = uproot.open("short.root")["tree"].arrays(library="np")
print("uproot:", {name: len(column) for name, column in arrays.items()})
assert len(frame["late"]) == 1000 and (frame["late"][9:] == 9).all()
assert len(arrays["x"]) == 1000 and len(arrays["late"]) == 10
PYTHON
