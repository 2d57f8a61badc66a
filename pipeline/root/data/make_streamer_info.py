"""Writes streamer_info.bin: what ROOT says of the classes of a flat TTree, as in a file of its own.

Needs `pip install root==0.1a12` (ROOT 6.40.00): python3 make_streamer_info.py [FOLDER]
"""

import array
import struct
import sys
import tempfile
from pathlib import Path

import ROOT

with tempfile.TemporaryDirectory() as folder:
    path = f"{folder}/types.root"
    file = ROOT.TFile(path, "RECREATE", "", 109)
    tree = ROOT.TTree("tree", "")
    for letter in "FDBSILGO":
        tree.Branch(letter, array.array("d", [0]), f"{letter}/{letter}")
    tree.Fill()
    tree.Write()
    ROOT.TNamed("name", "title").Write()
    file.Close()
    content = Path(path).read_bytes()

# Bytes 37 and 41 of a file below 2 GB: place and size of the record; its header has 16 bits of its own size at 14.
at, size = struct.unpack(">ii", content[37:45])
header = struct.unpack(">h", content[at + 14 : at + 16])[0]
out = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent) / "streamer_info.bin"
out.write_bytes(content[at + header : at + size])
