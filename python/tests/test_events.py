"""Events: the bits of the command line, shared with NumPy, Arrow, pandas, polars and DuckDB."""

import pickle

import numpy as np
import pytest

import humboldt as hb

COLUMNS = ["q2", "cos_theta_l", "cos_theta_k", "chi", "m_kpi"]


@pytest.mark.parametrize(
    ("words", "keywords"),
    [
        (["--delta-c9=-0.5"], {"delta_c9": -0.5}),
        (
            ["--wc=c10=0.5+0.1i,c7=-0.05", "--q2=1.1:6,14:", "--flavour=B0", "--lepton=e", "--score=c9,c10_im"],
            {"wc": {"c10": 0.5 + 0.1j, "c7": -0.05}, "q2": [(1.1, 6), (14, None)], "flavour": "B0", "lepton": "e",
             "score": ["c9", "c10_im"]},
        ),
        (
            ["--model=full", "--line-shape=narrow", "--inputs=v_cb=0.041", "--charmonium=j_psi=1:3.14", "--veto=8:11"],
            {"model": "full", "line_shape": "narrow", "inputs": {"v_cb": 0.041}, "charmonium": {"j_psi": (1, 3.14)},
             "veto": (8, 11)},
        ),
    ],
)
def test_generate_has_the_bits_of_the_command_line(program, tmp_path, words, keywords):
    out = tmp_path / "events.arrow"
    program("generate", "--events=300000", "--seed=7", *words, f"--out={out}")
    of_program, own = hb.load(out), hb.generate(300_000, seed=7, **keywords)
    assert own.columns == of_program.columns
    assert own.provenance == of_program.provenance
    for name in own.columns:
        assert own[name].tobytes() == of_program[name].tobytes(), name


def test_effects_of_a_card_come_with_their_columns(program, tmp_path, card):
    card.write_text(card.read_text() + "[s_wave]\nfraction = 0.05\n")
    out = tmp_path / "events.parquet"
    program("generate", "--card", card, "--events=5000", f"--out={out}")
    own = hb.generate(5000, card=card)
    for name, column in hb.load(out).to_numpy().items():
        assert column.tobytes() == own[name].tobytes(), name


def test_columns_are_views_that_nobody_writes_to(events):
    assert events.columns == COLUMNS
    assert len(events) == 20_000
    q2 = events.q2
    assert q2.dtype == np.float32 and not q2.flags.writeable
    assert np.shares_memory(q2, events["q2"])
    with pytest.raises(ValueError, match="read-only"):
        q2[0] = 1.0
    own = events.to_numpy(copy=True)
    own["q2"][0] = 1.0
    assert events.q2[0] != 1.0
    # The array keeps the events.
    alone = hb.generate(1000, seed=1).chi
    assert np.abs(alone).max() <= np.float32(np.pi)
    assert set(COLUMNS) <= set(dir(events))


def test_events_are_cut_and_chosen(events):
    part = events[5:10]
    assert part.q2.tolist() == events.q2[5:10].tolist()
    assert np.shares_memory(part.q2, events.q2)
    keep = events.q2 > 3
    assert events[keep].chi.tolist() == events.chi[keep].tolist()
    assert events[keep].provenance == events.provenance


@pytest.mark.parametrize("ending", ["parquet", "arrow", "root"])
def test_files_round_trip_with_what_they_say(events, tmp_path, ending, json_of):
    path = tmp_path / f"events.{ending}"
    events.save(path)
    loaded = hb.Events.load(path)
    assert loaded.provenance == events.provenance
    for name in COLUMNS:
        assert loaded[name].tobytes() == events[name].tobytes()
    with pytest.raises(FileExistsError, match="force=True"):
        events.save(path)
    events.save(path, force=True)
    # The program reads it too, and knows the window.
    assert json_of("fit", path, "--no-intervals")[0]["events"] == 20_000


def test_pickle_keeps_everything(events):
    again = pickle.loads(pickle.dumps(events))
    assert again.provenance == events.provenance
    assert again.q2.tobytes() == events.q2.tobytes()


def test_numpy_takes_columns_by_dlpack(events):
    if np.lib.NumpyVersion(np.__version__) < "2.1.0":
        pytest.skip("NumPy below 2.1 exchanges no read-only arrays by DLPack")
    shared = np.from_dlpack(events.q2)
    assert np.shares_memory(shared, events.q2)


def test_pyarrow_takes_events_without_a_copy(events):
    pa = pytest.importorskip("pyarrow", exc_type=ImportError)
    table = events.to_arrow()
    assert table.column_names == COLUMNS and table.num_rows == len(events)
    assert b"humboldt" in table.schema.metadata and table.schema.metadata[b"angle_convention"] == b"LHCb"
    assert np.shares_memory(table["q2"].chunk(0).to_numpy(), events.q2)
    assert pa.schema(events) == table.schema
    # And gives them back.
    back = hb.Events(table)
    assert back.provenance == events.provenance and np.shares_memory(back.q2, events.q2)


def test_pandas(events):
    pandas = pytest.importorskip("pandas")
    frame = events.to_pandas()
    assert list(frame.columns) == COLUMNS and frame.q2.dtype == np.float32
    frame.loc[0, "q2"] = 1.0
    assert events.q2[0] != 1.0
    assert frame.attrs["humboldt"]["seed"] == 3
    if hasattr(pandas.DataFrame, "from_arrow"):
        pytest.importorskip("pyarrow", exc_type=ImportError)
        assert pandas.DataFrame.from_arrow(events).chi.tolist() == events.chi.tolist()


def test_polars_and_duckdb(events):
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame(events)
    assert frame["q2"].to_numpy().tolist() == events.q2.tolist()
    assert hb.Events(frame).q2.tolist() == events.q2.tolist()
    duckdb = pytest.importorskip("duckdb")
    sample = events
    for _ in range(2):
        assert duckdb.sql("select count(*), max(q2) from sample").fetchall() == [(len(sample), sample.q2.max())]


def test_arrays_of_others_become_events(events):
    arrays = {name: events[name].astype("float64") for name in COLUMNS}
    own = hb.Events({**arrays, "run": np.arange(len(events))})
    assert own.columns == [*COLUMNS, "run"] and own.provenance is None
    assert own.q2.tolist() == events.q2.tolist()


def test_reprs(events):
    assert repr(events) == "Events(20000, columns: q2, cos_theta_l, cos_theta_k, chi, m_kpi)"
    assert events._repr_html_().count("<tr>") == 6
