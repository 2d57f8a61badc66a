#!/bin/sh
# Training steps here and in PyTorch, in turn on the same machine: CPU time an image and peak memory.
# PyTorch goes into a virtual environment of its own: pytorch_step.sh [FOLDER], target/pytorch if none is given.
set -eu
cd "$(dirname "$0")/../.."
environment=${1:-target/pytorch}
threads=${RAYON_NUM_THREADS:-2}
export RAYON_NUM_THREADS="$threads"
# Threads that wait by spinning would count as work where other programs use the cores too.
export OMP_WAIT_POLICY=passive
if ! "$environment/bin/python" -c 'import torch' 2>/dev/null; then
    python3 -m venv "$environment"
    "$environment/bin/pip" install --quiet --index-url https://download.pytorch.org/whl/cpu torch ||
        "$environment/bin/pip" install --quiet torch
fi
# preset, bins, batch, micro-batch, steps
while read -r preset bins batch part steps; do
    cargo bench --quiet --bench step -- "$preset" "$bins" "$batch" "$part" "$steps" </dev/null
    "$environment/bin/python" benches/peers/pytorch_step.py "$preset" "$bins" "$batch" "$threads" "$steps" </dev/null
done <<TABLE
resnet34 50 4 4 4
resnet34 50 16 8 3
resnet34 50 16 16 3
resnet34 25 4 4 4
resnet10 50 4 4 20
resnet10 50 16 8 10
resnet10 50 16 16 10
resnet10 25 4 4 40
resnet10 25 16 8 20
TABLE
