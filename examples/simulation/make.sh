#!/bin/sh
# Makes simulation.root (accepted simulated signal with its truth, at delta C9 = -0.5), sideband.root (background) and data.root
# (30 % background, delta C9 = -1.1) beside this script: small samples of what an experiment has.
set -eu
cd "$(dirname "$0")"
humboldt=${HUMBOLDT:-humboldt}
card() { sed "s/^combinatorial = .*/combinatorial = $1/" generate.toml > "$2"; }
card 0.0 signal-only.toml
card 0.99 background-only.toml
"$humboldt" generate --card signal-only.toml --events 600000 --delta-c9 -0.5 --seed 1 --force --quiet --out simulation.root
"$humboldt" generate --card background-only.toml --events 200000 --delta-c9 -0.5 --seed 2 --force --quiet --out sideband.root
"$humboldt" generate --card generate.toml --events 20000 --delta-c9 -1.1 --seed 3 --force --quiet --out data.root
rm signal-only.toml background-only.toml
