#!/bin/sh
# Unbinned fits of delta C9 here and by iminuit, of the same samples on one thread: values, intervals, time of a fit.
# iminuit goes into a virtual environment of its own: iminuit_fit.sh [FOLDER], target/iminuit if none is given.
# HUMBOLDT is the program, target/release/humboldt if not set.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
humboldt=${HUMBOLDT:-$here/../../target/release/humboldt}
environment=${1:-$here/../../target/iminuit}
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1
events=24613 samples=${SAMPLES:-100}
if ! "$environment/bin/python" -c 'import iminuit, pyarrow' 2>/dev/null; then
    python3 -m venv "$environment"
    "$environment/bin/pip" install --quiet numpy iminuit pyarrow
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
generate() {
    "$humboldt" generate --quiet --q2 0.1:19.2 --line-shape narrow --score c9 "$@"
}
generate --delta-c9 -0.87 --events $((events * samples)) --seed 1 --out "$work/events.parquet"
generate --delta-c9 0 --events 100 --seed 2 --out "$work/anchor.parquet"
generate --delta-c9 -0.87 --events $((events)) --seed 1 --out "$work/one.parquet"
fit() {
    "$humboldt" fit --quiet --threads 1 --events $events --json "$@"
}
fit "$work/events.parquet" >"$work/fits.json"
"$environment/bin/python" "$here/iminuit_fit.py" "$work/events.parquet" "$work/anchor.parquet" "$work/fits.json" |
    tee "$work/peer.txt"
# CPU time of all samples less that of one, the least of five: no start of the program in it, but reading, a, b, c and the
# chi-square of each fit; without the intervals to see what those take.
"$environment/bin/python" - "$humboldt" "$work" $events $samples <<'PY'
import resource, subprocess, sys
humboldt, work, events, samples = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])

def seconds(name, *options):
    command = [humboldt, "fit", "--quiet", "--threads", "1", "--events", events, "--json", *options, f"{work}/{name}"]
    def used():
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime
    def one():
        before = used()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return used() - before
    return min(one() for _ in range(5))

def milliseconds(*options):
    return (seconds("events.parquet", *options) - seconds("one.parquet", *options)) / (samples - 1) * 1e3

ours, bare = milliseconds(), milliseconds("--no-intervals")
theirs = float(open(f"{work}/peer.txt").read().split()[-1])
print(f"humboldt fit, CPU time of a sample: {ours:.3f} ms with reading, a, b, c and chi-square, of it {ours - bare:.3f} ms the interval")
print(f"iminuit, given a, b, c, over all of this: {theirs / ours:.3f}")
PY
