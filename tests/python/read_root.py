"""What ROOT itself sees in a file of humboldt's: a tree, its leaves, sums of its columns by two ways, and the texts."""

import json
import sys

import ROOT

file = ROOT.TFile.Open(sys.argv[1])
tree = file.Get("events")
names = [leaf.GetName() for leaf in tree.GetListOfLeaves()]
frame = ROOT.RDataFrame(tree)
print(
    json.dumps(
        {
            "version": ROOT.gROOT.GetVersion(),
            "entries": tree.GetEntries(),
            "types": {leaf.GetName(): leaf.GetTypeName() for leaf in tree.GetListOfLeaves()},
            "maxima": {name: float(frame.Max(name).GetValue()) for name in names},
            "drawn": {name: tree.GetMaximum(name) for name in names},
            "provenance": json.loads(file.Get("humboldt").GetTitle()),
            "is_recovered": bool(file.TestBit(ROOT.TFile.kRecovered)),
        }
    )
)
