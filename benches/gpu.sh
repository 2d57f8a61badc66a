#!/bin/sh
# What a GPU does, in at most eight minutes: its name, tests/gpu.rs, training steps of two networks in three precisions.
#
#     benches/gpu.sh [PROGRAM TESTS]
#
# Nothing is fetched. Needed are
# - the Vulkan loader (Debian: libvulkan1) and the GPU's driver with its file in /usr/share/vulkan/icd.d or /etc/vulkan/icd.d;
#   a bare machine gets the loader as a file from elsewhere: apt-get download libvulkan1, there dpkg -i libvulkan1_*.deb;
# - PROGRAM and TESTS, built with the feature vulkan, here or on a machine with Rust and the same or an older C library:
#   cargo test --release --features vulkan --test integration --no-run
#   makes target/release/humboldt and names target/release/deps/integration-HASH. With neither given, cargo does that here first.
#
# Without an NVIDIA GPU a software driver (Debian: mesa-vulkan-drivers) computes tiny images: figures of no machine.
set -eu
cd "$(dirname "$0")/.."
program=${1:-target/release/humboldt}
tests=${2:-}
if [ -z "$tests" ]; then
    command -v cargo >/dev/null || { echo "gpu.sh: no cargo here; give PROGRAM and TESTS, built elsewhere (see the head of this file)" >&2; exit 2; }
    built=$(cargo test --release --features vulkan --test integration --no-run 2>&1) || { echo "$built" >&2; exit 1; }
    tests=$(echo "$built" | sed -n 's/.*Executable tests.main.rs (\(.*\))/\1/p')
fi
for file in "$program" "$tests"; do
    [ -x "$file" ] || { echo "gpu.sh: $file is not a program; allowed: what cargo built with the feature vulkan" >&2; exit 2; }
done
if gpu=$(nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>/dev/null); then
    bins=50 batch=64 seconds=50
else
    driver=/usr/share/vulkan/icd.d/lvp_icd.x86_64.json
    [ -e "$driver" ] || { echo "gpu.sh: no GPU (nvidia-smi) and no software driver ($driver, of mesa-vulkan-drivers)" >&2; exit 2; }
    export VK_DRIVER_FILES=$driver VK_ICD_FILENAMES=$driver
    gpu="none: a software driver, $driver"
    bins=16 batch=4 seconds=20
fi
echo "GPU: $gpu"

status=0
timeout 150 "$tests" gpu:: --ignored --nocapture --test-threads=1 || status=$?

rows=0
printf '\n%-10s %-8s %12s %24s\n' network numbers images/s "of a matrix product"
for network in resnet10 resnet34; do
    for precision in single f16 bf16; do
        row=$(timeout $seconds "$program" bench train --json --device vulkan:0 --network $network --bins $bins --batch $batch \
            --precision $precision 2>&1) || true
        line=$(echo "$row" | awk -F': |,' -v name="$network" -v precision="$precision" '
            /"value"/ { value = $2 } /"ratio"/ { ratio = $2 } { last = $0 }
            END {
                if (ratio) printf "%-10s %-8s %12.1f %24.3f\n", name, precision, value, ratio
                else printf "%-10s %-8s none: %s\n", name, precision, last ? last : "not done in time"
            }')
        echo "$line"
        case $line in *none:*) ;; *) rows=$((rows + 1)) ;; esac
    done
done
if [ $rows -eq 0 ] && [ "$bins" -eq 50 ]; then
    echo "gpu.sh: no step was done on this GPU" >&2
    [ $status -ne 0 ] || exit 1
fi
[ $status -eq 0 ] || echo "gpu.sh: tests/gpu.rs failed ($status): results on this device are not the CPU's" >&2
exit $status
