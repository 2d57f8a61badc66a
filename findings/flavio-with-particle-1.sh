#!/bin/sh
# flavio 2.7.1 (PyPI) with particle 1.1.0 (PyPI), seen on 2026-11-29 with Python 3.11.
#
# Guess: `pip install flavio` gives a package that can be imported: its metadata say which `particle` it needs.
# Seen: they name no upper limit, pip takes particle 1.1.0, and `import flavio` fails with FileNotFoundError for
# particle/data/particle2022.csv: flavio reads a table of 2022 by its path, and particle 1.x ships those of 2025 and 2026 only. With
# particle 0.26.1 it works.
set -e
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install flavio==2.7.1 particle==1.1.0
if "$folder/venv/bin/python" -c "import flavio" 2>"$folder/error"; then
    echo "flavio 2.7.1 works with particle 1.1.0 now"
    exit 1
fi
tail -n 1 "$folder/error"
grep -q "FileNotFoundError.*particle2022.csv" "$folder/error"
"$folder/venv/bin/pip" -q install particle==0.26.1
"$folder/venv/bin/python" -W ignore -c "import flavio; print('with particle 0.26.1 flavio', flavio.__version__, 'is imported')"
