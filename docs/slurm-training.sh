#!/bin/bash
# A training on the GPUs of one node: sbatch docs/slurm-training.sh cards/paper.toml runs/paper
#
# The program must be built on a machine with a network: cargo build --release --features cuda
# A job that ends before the training does is put back into the queue and goes on from its last checkpoint.
#SBATCH --job-name=humboldt-train
#SBATCH --nodes=1
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=16
#SBATCH --time=08:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=humboldt-train-%j.log
set -euo pipefail
card=${1:?a card, as cards/paper.toml}
run=${2:?a folder for the run}
gpus=${SLURM_GPUS_ON_NODE:-1}
devices=$(seq -f 'cuda:%g' -s , 0 $((gpus - 1)))
# Each batch is cut into micro-batches (training.micro_batch), which the GPUs share: take batch_size / GPUs.
exec target/release/humboldt run "$card" --out "$run" --device "$devices" --threads "${SLURM_CPUS_PER_TASK:-16}"
