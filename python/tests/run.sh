#!/usr/bin/env bash
# Builds the wheel, installs it into a fresh environment that sees no Rust toolchain, and runs the package's tests there;
# examples first, whose figures are left in target/python/figures. PyTorch is tested where the system has it.
set -euo pipefail
cd "$(dirname "$0")/../.."
export CARGO_TERM_COLOR=never PIP_DISABLE_PIP_VERSION_CHECK=1
folder=$PWD/target/python
mkdir -p "$folder/figures"
step() { printf '\n-- %s (%s)\n' "$1" "$(date +%H:%M:%S)"; }

step "wheel"
python3 -m venv --clear "$folder/build"
"$folder/build/bin/pip" install -q 'maturin>=1.16,<2' 'cmake>=3.26'
rm -rf "$folder/wheels"
PATH="$folder/build/bin:$PATH" maturin build --release --manifest-path python/Cargo.toml --out "$folder/wheels" ${MATURIN_ARGUMENTS:-}
wheel=$(echo "$folder"/wheels/*.whl)
size=$(stat -c %s "$wheel")
echo "$(basename "$wheel"): $((size / 1000000)) MB"
[ "$size" -lt 30000000 ] || { echo "the wheel is larger than 30 MB"; exit 1; }

step "fresh environment"
# PyTorch is Debian's where it is installed, and NumPy then as well, with which it was built.
system=/usr/bin/python3
: > "$folder/constraints"
if $system -c 'import torch, sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; then
    $system -m venv --clear --system-site-packages "$folder/test"
    $system -c 'import numpy; print(f"numpy=={numpy.__version__}")' > "$folder/constraints"
else
    echo "PyTorch: not to be had here"
    python3 -m venv --clear "$folder/test"
fi
python=$folder/test/bin/python
"$folder/test/bin/pip" install -q -r python/tests/requirements.txt -c "$folder/constraints"
"$folder/test/bin/pip" install -q --no-deps --no-index "$wheel"

# Neither a toolchain nor the sources are in sight.
cd "$(mktemp -d)"
export PATH="$folder/test/bin:/usr/bin:/bin" MPLBACKEND=Agg
! command -v cargo > /dev/null || { echo "cargo is in sight: $(command -v cargo)"; exit 1; }
step "types"
mypy --no-error-summary --ignore-missing-imports -p humboldt
python3 -m mypy.stubtest humboldt._core
step "tests"
tests=$OLDPWD/python
"$python" -m pytest -q -p no:cacheprovider --durations=5 "$tests/tests"
step "examples"
for example in generate_and_plot fit_and_intervals global_fit train_on_live_images; do
    if [ $example = train_on_live_images ] && ! "$python" -c 'import torch' 2> /dev/null; then
        echo "$example: needs PyTorch"
        continue
    fi
    echo "$example"
    "$python" "$tests/examples/$example.py" "$folder/figures" $([ $example = train_on_live_images ] && echo --quick)
done
