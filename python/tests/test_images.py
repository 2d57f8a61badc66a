"""Images of events, from the generator and from files."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import humboldt as hb


def test_voxelize_is_numpys_histogram_of_means(events):
    bins, n = 8, 5000
    images = hb.voxelize(events, n, bins)
    assert images.shape == (4, bins, bins, bins) and images.dtype == np.float32 and images.flags.writeable
    sample = np.stack([events.cos_theta_l, events.cos_theta_k, events.chi], axis=1).astype("float64")
    ranges = [(-1, 1), (-1, 1), (-np.pi, np.pi)]
    for i, image in enumerate(images):
        part = slice(i * n, (i + 1) * n)
        counts, _ = np.histogramdd(sample[part], bins=bins, range=ranges)
        sums, _ = np.histogramdd(sample[part], bins=bins, range=ranges, weights=events.q2[part].astype("float64"))
        expected = np.divide(sums, counts, out=np.zeros_like(sums), where=counts > 0)
        np.testing.assert_allclose(image, expected, rtol=2e-5)


def test_voxelize_has_the_bits_of_the_command_line(events, file, program, tmp_path):
    out = tmp_path / "images.arrow"
    program("voxelize", file, "--events-per-image=6000", "--bins=20", f"--out={out}")
    stored, images = hb.StoredImages(out), hb.voxelize(events, 6000, bins=20)
    assert len(stored) == len(images) == 3
    read, labels = stored.read([0, 1, 2])
    assert read.tobytes() == images.tobytes()
    assert labels.tolist() == [[np.float32(-0.8)]] * 3
    assert hb.voxelize(str(file), 6000, bins=20).tobytes() == images.tobytes()


def test_voxelize_takes_windows_and_layouts(file, program, tmp_path):
    out = tmp_path / "images.arrow"
    program(
        "voxelize", file, "--events-per-image=2000", "--bins=9", "--q2=1.5:6", "--veto=2:3", "--layout=humboldt", f"--out={out}"
    )  # fmt: skip
    stored = hb.StoredImages(out)
    images = hb.voxelize(file, 2000, bins=9, q2=(1.5, 6.0), veto=(2, 3), layout="humboldt")
    assert stored.read(range(len(stored)))[0].tobytes() == images.tobytes()
    assert ((images == 0) | ((images >= 1.5) & ((images < 6)))).all()


SMALL = {"delta_c9": (-2.0, 1.1), "events": 300, "bins": 6, "batch": 8, "seed": 3}


def gathered(iterator):
    return [(x.copy(), y.copy()) for x, y in iterator]


def same(one, other):
    return len(one) == len(other) and all(
        (a == c).all() and (b == d).all() for (a, b), (c, d) in zip(one, other, strict=True)
    )


def test_live_images_cover_their_range_and_repeat_by_seed_and_epoch():
    live = hb.LiveImages(**SMALL, images=203)
    first = gathered(live)
    assert len(first) == len(live) == 26 and live.labels == ["delta_c9"]
    images, labels = (np.concatenate(part) for part in zip(*first, strict=True))
    assert images.shape == (203, 6, 6, 6) and labels.shape == (203, 1)
    assert images.dtype == labels.dtype == np.float32 and images.flags.writeable
    assert labels.min() < -1.8 and labels.max() > 0.9 and (np.abs(labels + 0.45) < 1.56).all()
    # In random order: neighbours are no more alike than others.
    assert np.abs(np.diff(labels[:, 0])).mean() > 0.5
    assert same(first, gathered(live)) and same(first, gathered(hb.LiveImages(**SMALL, images=203, prefetch=0)))
    live.set_epoch(1)
    second = gathered(live)
    assert not same(first, second)
    assert not same(first, gathered(hb.LiveImages(**{**SMALL, "seed": 4}, images=203)))


def test_a_stream_without_an_end_goes_on_with_the_next_epoch():
    live = hb.LiveImages(**{**SMALL, "batch": 2})
    with pytest.raises(TypeError, match="no end"):
        len(live)
    stream = iter(live)
    batches = [next(stream) for _ in range(202)]
    live.set_epoch(1)
    following = iter(live)
    assert same(batches[200:], [next(following), next(following)])


def test_epochs_that_are_asked_for_at_once_do_not_wait_for_each_other():
    live = hb.LiveImages(**SMALL, images=24)
    streams = []
    for epoch in range(6):
        live.set_epoch(epoch)
        streams.append(iter(live))
    threads = ThreadPoolExecutor(len(streams))
    asked = [threads.submit(gathered, stream) for stream in streams]
    found = [of_epoch.result(timeout=120) for of_epoch in asked]
    threads.shutdown(wait=False)
    for epoch, batches in enumerate(found):
        live.set_epoch(epoch)
        assert same(batches, gathered(live))


def test_live_images_are_those_of_a_trainings_card(card):
    text = card.read_text().replace("[training]", '[training]\nimages = "live"')
    card.write_text(text)
    live = hb.LiveImages(card=card, batch=6)
    batches = gathered(live)
    labels = np.concatenate([y for _, y in batches])
    assert sorted(set(labels[:, 0].tolist())) == [-1.0, 0.0, 1.0] and len(labels) == 36


def test_live_images_with_charmonium():
    resonant = hb.LiveImages(**SMALL, charmonium={"j_psi": (1.0, 3.14)}, q2=(8, 11), images=8)
    images, labels = next(iter(resonant))
    plain, same_labels = next(iter(hb.LiveImages(**SMALL, q2=(8, 11), images=8)))
    assert (labels == same_labels).all() and (images != plain).any()


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("kind", [hb.LiveImages, hb.LiveEvents])
def test_ranks_have_batches_of_their_own(kind, ranks):
    whole = gathered(kind(**SMALL, images=64))
    shares = [gathered(kind(**SMALL, images=64, rank=rank, world_size=ranks)) for rank in range(ranks)]
    assert same(whole, [batch for step in zip(*shares, strict=True) for batch in step])


def test_live_events_are_those_of_the_images():
    keywords = {**SMALL, "images": 16}
    images, events = hb.LiveImages(**keywords), hb.LiveEvents(**keywords)
    for (image, label), (sample, other) in zip(images, events, strict=True):
        assert (label == other).all() and sample.shape == (8, 300, 5)
        rows = dict(zip(events.columns, sample.reshape(-1, 5).T, strict=True))
        made = hb.voxelize({name: np.ascontiguousarray(row) for name, row in rows.items()}, 300, bins=6)
        assert (made == image).all()


def test_streams_resume_where_they_were_saved():
    live = hb.LiveImages(**SMALL, images=80)
    whole = gathered(live)
    for taken in (0, 3, 9):
        stream = iter(live)
        for _ in range(taken):
            next(stream)
        again = iter(live)
        again.load_state_dict(stream.state_dict())
        assert same(gathered(again), whole[taken:])
    other = iter(hb.LiveImages(**{**SMALL, "seed": 9}, images=80))
    with pytest.raises(ValueError, match="card"):
        other.load_state_dict(iter(live).state_dict())


def test_stored_images_of_a_campaign(card, tmp_path):
    campaign = hb.Campaign.make(card, tmp_path / "campaign")
    assert campaign.status()["shards"] > 0 if "shards" in campaign.status() else campaign.status()
    assert campaign.data["images"]["bins"] == 20
    stored = hb.StoredImages(campaign, split="train")
    assert len(stored) == 36 and stored.bins == 20
    image, label = stored[7]
    assert image.shape == (20, 20, 20) and label.shape == (1,)
    with pytest.raises(IndexError):
        stored[36]
    plain = gathered(stored.batches(10))
    assert [len(x) for x, _ in plain] == [10, 10, 10, 6]
    assert (np.concatenate([x for x, _ in plain])[7] == image).all()
    mixed = gathered(stored.batches(10, shuffle=True, seed=2))
    assert not same(plain, mixed) and same(mixed, gathered(stored.batches(10, shuffle=True, seed=2)))
    assert sorted(np.concatenate([y for _, y in mixed])[:, 0].tolist()) == sorted(
        np.concatenate([y for _, y in plain])[:, 0].tolist()
    )
    assert "whole" in campaign.verify() or campaign.verify() is not None
    assert campaign.merge()
