"""PyTorch's datasets: the same samples for any number of workers, in every start method of processes, and resumed."""

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
from torch.utils.data import DataLoader  # noqa: E402

import humboldt as hb  # noqa: E402

SMALL = {"delta_c9": (-2.0, 1.1), "events": 300, "bins": 6, "batch": 8, "seed": 3}


def gathered(loader):
    return [(x.clone(), y.clone()) for x, y in loader]


def same(one, other):
    return len(one) == len(other) and all(
        torch.equal(a, c) and torch.equal(b, d) for (a, b), (c, d) in zip(one, other, strict=True)
    )


def test_batches_are_tensors_of_the_same_numbers():
    live = hb.torch.LiveImages(delta_c9=(-2.0, 1.1), events=24613, bins=50, batch=64, seed=1)
    images, labels = next(iter(live))
    assert images.shape == (64, 50, 50, 50) and images.dtype == torch.float32
    assert labels.shape == (64, 1) and labels.dtype == torch.float32
    plain, of = next(iter(hb.LiveImages(delta_c9=(-2.0, 1.1), events=24613, bins=50, batch=64, seed=1)))
    assert (images.numpy() == plain).all() and (labels.numpy() == of).all()
    images += 1  # They are the caller's own.


@pytest.mark.parametrize("kind", ["LiveImages", "LiveEvents"])
@pytest.mark.parametrize(("workers", "method"), [(0, None), (1, "fork"), (2, "fork"), (3, "fork"), (2, "spawn"), (2, "forkserver")])
def test_samples_do_not_depend_on_workers(kind, workers, method):
    dataset = getattr(hb.torch, kind)(**SMALL, images=100)
    alone = gathered(dataset)
    assert len(alone) == 13 and len(alone[-1][0]) == 4
    # The pool has threads now, which a forked worker has not.
    loader = DataLoader(dataset, batch_size=None, num_workers=workers, multiprocessing_context=method, timeout=60 if workers else 0)
    assert same(gathered(loader), alone)


def test_epochs():
    dataset = hb.torch.LiveImages(**SMALL, images=32)
    loader = DataLoader(dataset, batch_size=None, num_workers=2)
    first = gathered(loader)
    assert same(first, gathered(loader))
    dataset.set_epoch(1)
    assert not same(first, gathered(loader)) and same(gathered(loader), gathered(dataset))


def test_columns_are_shared_by_dlpack():
    events = hb.generate(1000, seed=1)
    q2 = torch.from_dlpack(events.q2) if torch.__version__ >= "2" else torch.tensor(events.q2)
    assert q2.tolist() == events.q2.tolist()


def test_stored_images(tmp_path):
    sample = hb.generate(8000, seed=1, delta_c9=0.5)
    sample.save(tmp_path / "events.parquet")
    hb.command("voxelize", str(tmp_path / "events.parquet"), "--events-per-image=400", "--bins=6", f"--out={tmp_path}/images.h5")
    stored = hb.torch.StoredImages(tmp_path / "images.h5")
    assert len(stored) == 20
    made = torch.from_numpy(hb.voxelize(sample, 400, bins=6))
    for workers in (0, 2):
        loader = DataLoader(stored, batch_size=8, num_workers=workers)
        assert torch.equal(torch.cat([x for x, _ in loader]), made)
    assert torch.equal(torch.cat([x for x, _ in stored.batches(8)]), made)
    assert stored[3][1].tolist() == [0.5]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("taken", [1, 5])
def test_stateful_loaders_resume(workers, taken):
    stateful = pytest.importorskip("torchdata.stateful_dataloader", reason="torchdata is not installed")
    dataset = hb.torch.LiveImages(**SMALL, images=96)
    whole = gathered(dataset)

    def loader():
        return stateful.StatefulDataLoader(dataset, batch_size=None, num_workers=workers)

    first = loader()
    stream = iter(first)
    head = [next(stream) for _ in range(taken)]
    assert same([(x.clone(), y.clone()) for x, y in head], whole[:taken])
    second = loader()
    second.load_state_dict(first.state_dict())
    assert same(gathered(second), whole[taken:])
