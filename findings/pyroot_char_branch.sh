#!/bin/sh
# ROOT 6.40.00 (PyPI root 0.1a12): RDataFrame.AsNumpy of a branch of Char_t, ROOT's integer of 8 bits with sign.
#
# Input: a TTree with a branch `c/B` that holds -1.
# Behaviour: AsNumpy(["c"]) ends with a TypeError of Python's own ("function takes exactly 5 arguments (1 given)" here); the same
# branch as UChar_t (`u/b`) comes as numbers, and uproot reads both.
# humboldt reads it as an integer of 8 bits.
# Seen on 2026-11-29, Linux, Python 3.11. Ends with 1 where the behaviour is another.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet root==0.1a12 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import array

import ROOT

file = ROOT.TFile("char.root", "RECREATE")
tree = ROOT.TTree("tree", "")
c, u = array.array("b", [-1]), array.array("B", [255])
tree.Branch("c", c, "c/B")
tree.Branch("u", u, "u/b")
tree.Fill()
tree.Write()
file.Close()

frame = ROOT.RDataFrame("tree", "char.root")
print("ROOT", ROOT.gROOT.GetVersion(), "u:", frame.AsNumpy(["u"])["u"])
try:
    frame.AsNumpy(["c"])
except TypeError as error:
    print("c: TypeError:", error)
else:
    raise SystemExit("AsNumpy reads Char_t now")
PYTHON
