"""What tests share: the program as the package installs it, and small samples."""

import json
import subprocess
import sys

import pytest

import humboldt as hb

CARD = """
name = "small"
seed = 5
[generator]
line_shape = "narrow"
q2 = ["1:8"]
[images]
events = 500
bins = 20
[[dataset.groups]]
delta_c9 = [-1.0, 0.0, 1.0]
train = 12
validation = 4
test = 6
[network]
preset = "resnet10"
downsample = 2
stem_filters = 4
blocks = [1]
filters = [4]
[training]
batch_size = 8
epochs = 2
"""


@pytest.fixture(scope="session")
def program():
    """The program `humboldt` of this package, as a function of its arguments."""

    def run(*arguments, check=True):
        words = [sys.executable, "-m", "humboldt._cli", *map(str, arguments)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=300)
        assert not check or done.returncode == 0, done.stderr
        return done

    return run


@pytest.fixture(scope="session")
def json_of(program):
    """What the program prints with `--json`."""
    return lambda *arguments: json.loads(program(*arguments, "--json").stdout)


@pytest.fixture(scope="session")
def events():
    return hb.generate(20_000, seed=3, delta_c9=-0.8, q2=(1.1, 6.0), line_shape="narrow")


@pytest.fixture(scope="session")
def file(events, tmp_path_factory):
    """The same events in a file."""
    path = tmp_path_factory.mktemp("events") / "events.parquet"
    events.save(path)
    return path


@pytest.fixture
def card(tmp_path):
    path = tmp_path / "card.toml"
    path.write_text(CARD)
    return path
