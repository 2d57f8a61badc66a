"""Images and events as PyTorch's datasets.

A batch is defined by the seed, the epoch and its number: the same for any number of workers, ranks, and in any start method
of processes. Batches come whole, so a `DataLoader` is given `batch_size=None`, or left out: without workers a thread of this
process makes batches ahead on all cores, which is the fastest way on one machine.

>>> images = humboldt.torch.LiveImages(delta_c9=(-2.0, 1.1), batch=64, seed=1)
>>> for x, y in images:          # x [64, 50, 50, 50], y [64, 1], float32
...     ...
>>> loader = DataLoader(images, batch_size=None, num_workers=4)
"""

from __future__ import annotations

import os
from typing import Any

import torch
from torch.utils.data import Dataset, IterableDataset, get_worker_info

from . import _core, streams


class _Torch(streams._Live, IterableDataset):
    """Batches as tensors, shared among the workers of a loader and the ranks of `torch.distributed`."""

    def __init__(self, *arguments: Any, rank: int | None = None, world_size: int | None = None, **keywords: Any) -> None:
        self._distributed = rank is None and world_size is None
        super().__init__(*arguments, rank=rank or 0, world_size=world_size or 1, **keywords)

    def _shard(self) -> tuple[int, int, int, int]:
        rank, ranks = self._rank, self._world_size
        if self._distributed and torch.distributed.is_available() and torch.distributed.is_initialized():
            rank, ranks = torch.distributed.get_rank(), torch.distributed.get_world_size()
        worker = get_worker_info()
        return (rank, ranks, 0, 1) if worker is None else (rank, ranks, worker.id, worker.num_workers)

    def __iter__(self) -> Any:
        worker = get_worker_info()
        if worker is not None:
            # They share the cores.
            _core.set_threads(max(1, (os.cpu_count() or 1) // worker.num_workers))
        return super().__iter__()

    def _batch(self, place: int) -> Any:
        return tuple(torch.from_numpy(array) for array in super()._batch(place))


class LiveImages(_Torch, streams.LiveImages):
    __doc__ = streams.LiveImages.__doc__  # type: ignore[assignment]


class LiveEvents(_Torch, streams.LiveEvents):
    __doc__ = streams.LiveEvents.__doc__  # type: ignore[assignment]


class StoredImages(streams.StoredImages, Dataset):
    __doc__ = streams.StoredImages.__doc__  # type: ignore[assignment]

    def _convert(self, array: Any) -> Any:
        return torch.from_numpy(array)
