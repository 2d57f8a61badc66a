"""Images and events for training, batch by batch: NumPy arrays that JAX, TensorFlow and any loop can take.

`humboldt.torch` has the same as PyTorch's datasets. A batch is defined by the card, the seed, the epoch and its number alone:
whoever asks, in which process and with how many others, gets the same.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from . import _core
from ._call import complex_number, number, own_words, ranges, resonances, text, whole
from .campaign import Campaign

#: Batches of an epoch where the stream has no end.
_BATCHES = 200

_COLUMNS = ("q2", "cos_theta_l", "cos_theta_k", "chi", "m_kpi")


def _toml(value: Any) -> str:
    """A value as TOML."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(str(key))} = {_toml(one)}" for key, one in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_toml(one) for one in value) + "]"
    return json.dumps(value) if isinstance(value, (bool, str)) else repr(value)


def _range(value: Any, name: str) -> list[float]:
    """A range of shifts."""
    try:
        low, high = value
        low, high = float(number(low, name)), float(number(high, name))
    except (TypeError, ValueError):
        raise TypeError(f"{name} = {value!r} is not allowed; allowed: a range (low, high)") from None
    if not low < high:
        raise ValueError(f"{name} = {value!r} is not allowed; allowed: (low, high) with low < high")
    return [low, high]


def _windows(value: Any, name: str) -> list[str] | None:
    """Windows, as a card has them."""
    words = None if value is None else ranges(value, name)
    return words.split(",") if words else None


def _resonances(value: Any) -> dict[str, list[float]] | None:
    """Scale and phase by resonance, as a card has them."""
    if value is None or value is False:
        return None
    words = resonances(value, "charmonium")
    pairs = [] if not isinstance(words, str) else [one.split("=") for one in words.split(",")]
    return {name: [float(x) for x in scale_and_phase.split(":")] for name, scale_and_phase in pairs}


class BatchIterator:
    """Iterator over the batches of one process, made ahead by a thread; it can be saved and resumed.

    `state_dict()` counts the batches that were given out; `load_state_dict(state)` goes on behind them.
    """

    def __init__(self, make: Callable[[int], Any], end: int | None, prefetch: int, state: dict[str, Any]) -> None:
        self._make = make
        self._end = end
        self._prefetch = prefetch
        self._state = state
        self._next = 0
        self._ahead: deque[Future[Any]] = deque()
        self._thread: ThreadPoolExecutor | None = None

    def __iter__(self) -> BatchIterator:
        return self

    def __next__(self) -> Any:
        if self._end is not None and self._next >= self._end:
            raise StopIteration
        if self._prefetch == 0:
            batch = self._make(self._next)
        else:
            if self._thread is None:
                self._thread = ThreadPoolExecutor(1, thread_name_prefix="humboldt prefetch")
            while len(self._ahead) <= self._prefetch:
                following = self._next + len(self._ahead)
                if self._end is not None and following >= self._end:
                    break
                self._ahead.append(self._thread.submit(self._make, following))
            try:
                batch = self._ahead.popleft().result()
            except BaseException:
                # The next call begins with this batch again.
                self._ahead.clear()
                raise
        self._next += 1
        return batch

    def state_dict(self) -> dict[str, Any]:
        """The place behind the last batch."""
        return {**self._state, "next": self._next}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a place.

        Raises
        ------
        ValueError
            Where it is one of another stream, or of another number of workers.
        """
        for key, value in self._state.items():
            if state.get(key) != value:
                raise ValueError(f"{key} = {state.get(key)!r} is not allowed; allowed: {value!r}, as of this stream")
        self._ahead.clear()
        self._next = int(state["next"])


class _Batches:
    """Batches of a stream that are shared among ranks and workers."""

    _prefetch: int
    _rank: int
    _world_size: int

    def __init__(self, *, batch: int, prefetch: int, rank: int, world_size: int) -> None:
        self.batch = int(whole(batch, "batch"))
        self._prefetch = int(whole(prefetch, "prefetch"))
        self._rank, self._world_size = int(whole(rank, "rank")), int(whole(world_size, "world_size"))
        for name, value, least in (("batch", self.batch, 1), ("prefetch", self._prefetch, 0), ("world_size", self._world_size, 1)):
            if value < least:
                raise ValueError(f"{name} = {value} is not allowed; allowed: {least} or more")
        if not 0 <= self._rank < self._world_size:
            raise ValueError(f"rank = {rank} is not allowed; allowed: 0 to {self._world_size - 1}, below world_size")

    def _shard(self) -> tuple[int, int, int, int]:
        """Rank and number of ranks, worker and number of workers."""
        return self._rank, self._world_size, 0, 1

    def _total(self) -> int | None:
        """Batches of all ranks and workers; None without an end."""
        raise NotImplementedError

    def _batch(self, place: int) -> Any:
        """A batch by its place among those of all."""
        raise NotImplementedError

    def _begin(self) -> int:
        """The place at which iterators begin."""
        return 0

    def _identity(self) -> dict[str, Any]:
        """What a state must agree with."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[Any]:
        rank, ranks, worker, workers = self._shard()
        total = self._total()
        # All ranks have as many, so that none waits for another.
        own = None if total is None else max(0, (total // ranks - worker + workers - 1) // workers)
        state = {**self._identity(), "shard": [rank, ranks, worker, workers]}
        batch, begin = self._batch, self._begin()
        return BatchIterator(lambda n: batch(begin + (n * workers + worker) * ranks + rank), own, self._prefetch, state)


class _Live(_Batches):
    """What the generator makes for a card's training."""

    def __init__(
        self,
        *,
        delta_c9: tuple[float, float] | None = None,
        parameters: Mapping[str, tuple[float, float]] | None = None,
        card: str | os.PathLike[str] | None = None,
        events: int = 24_613,
        bins: int = 50,
        batch: int = 64,
        seed: int = 1,
        images: int | None = None,
        q2: Any = None,
        veto: Any = None,
        flavour: str | None = None,
        lepton: str | None = None,
        model: str | None = None,
        line_shape: str | None = None,
        wc: Mapping[str, complex] | None = None,
        inputs: Mapping[str, float] | None = None,
        charmonium: Mapping[str, tuple[float, float]] | bool | None = None,
        prefetch: int = 2,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        super().__init__(batch=batch, prefetch=prefetch, rank=rank, world_size=world_size)
        self.epoch = 0
        self._endless = images is None and card is None
        if card is not None:
            if delta_c9 is not None or parameters is not None:
                raise ValueError("card = ... is not allowed with delta_c9 or parameters; allowed: one of them")
            path = Path(text(card, "card"))
            self._card, self._name = path.read_text(), str(path)
        else:
            learned = {} if delta_c9 is None else {"c9": _range(delta_c9, "delta_c9")}
            for name, value in (parameters or {}).items():
                if name in learned:
                    raise ValueError(f"parameters = {name} is not allowed; allowed: each coefficient once (delta_c9 is c9)")
                learned[name] = _range(value, f"parameters[{name!r}]")
            if not learned:
                raise ValueError("delta_c9 is missing; allowed: a range (low, high), or parameters, or a card")
            generator = {
                "q2": _windows(q2, "q2"),
                "veto": _windows(veto, "veto"),
                "flavour": flavour,
                "lepton": lepton,
                "model": model,
                "line_shape": line_shape,
                "wilson": {name: complex_number(value, f"wc[{name!r}]") for name, value in (wc or {}).items()} or None,
                "inputs": {name: float(number(value, f"inputs[{name!r}]")) for name, value in (inputs or {}).items()} or None,
                "charmonium": _resonances(charmonium),
            }
            count = _BATCHES * self.batch if images is None else int(whole(images, "images"))
            tables: dict[str, dict[str, Any]] = {
                "generator": {name: value for name, value in generator.items() if value is not None},
                "images": {"events": int(whole(events, "events")), "bins": int(whole(bins, "bins"))},
                "parameters": learned,
                "dataset": {"train": count},
                "training": {"images": "live", "prior": "uniform"},
            }
            lines = [f"seed = {whole(seed, 'seed')}"]
            for table, values in tables.items():
                lines += [f"[{table}]", *(f"{json.dumps(name)} = {_toml(value)}" for name, value in values.items())]
            self._card, self._name = "\n".join(lines), "arguments"
        self._opened: _core.LiveSource | None = None
        #: Names of the coefficients in the order of labels.
        self.labels: list[str] = self._source.labels
        #: Images of an epoch.
        self.images: int = len(self._source)
        if self.images < 1:
            raise ValueError(f"images = {self.images} is not allowed; allowed: 1 or more")

    @property
    def _source(self) -> _core.LiveSource:
        """The generator, which every process has of its own."""
        if self._opened is None:
            with own_words():
                self._opened = _core.LiveSource(self._card, self._name)
        return self._opened

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None}

    def set_epoch(self, epoch: int) -> None:
        """Choose the images of an epoch, from 0, for the iterators to come; a stream without an end begins there."""
        epoch = int(whole(epoch, "epoch"))
        if epoch < 0:
            raise ValueError(f"epoch = {epoch} is not allowed; allowed: 0 or more")
        self.epoch = epoch

    def _per_epoch(self) -> int:
        return -(-self.images // self.batch)

    def _total(self) -> int | None:
        return None if self._endless else self._per_epoch()

    def _identity(self) -> dict[str, Any]:
        return {"card": self._card, "batch": self.batch, "epoch": self.epoch}

    def _make(self, source: _core.LiveSource, epoch: int, first: int) -> tuple[Any, Any]:
        raise NotImplementedError

    def _begin(self) -> int:
        # Iterators keep the epoch that they began with.
        return self.epoch * self._per_epoch()

    def _batch(self, place: int) -> Any:
        epoch, place = divmod(place, self._per_epoch())
        with own_words():
            return self._make(self._source, epoch + 1, place * self.batch)

    def __len__(self) -> int:
        if self._endless:
            raise TypeError(f"{type(self).__name__} without `images` has no end, and so no length")
        return self._per_epoch() // self._shard()[1]


_LIVE = """

    Parameters
    ----------
    delta_c9
        Range (low, high) that C9's shift is drawn from evenly.
    parameters
        The same of other coefficients by name, as {"c10": (-1.0, 1.0)}, up to six in all.
    card
        Run card in place of the other arguments: the images of its training, epoch by epoch in the same order.
    events
        Events of an image.
    bins
        Cells of each axis, 2 to 256.
    batch
        Images of a batch.
    seed
        The same seed gives the same batches.
    images
        Images of an epoch; without it the stream has no end.
    q2, veto
        Windows (low, high) in GeV^2, or lists of them.
    flavour, lepton, model, line_shape, inputs, charmonium
        As `generate`.
    wc
        Shifts of coefficients that all images have.
    prefetch
        Batches that are made ahead, by a thread; 0 for none.
    rank, world_size
        Which of several processes this is: each has batches of its own.
    """


class LiveImages(_Live):
    __doc__ = "Images that are made when they are due, and never stored: (images [batch, bins, bins, bins], labels [batch, k])." + _LIVE

    def _make(self, source: _core.LiveSource, epoch: int, first: int) -> tuple[Any, Any]:
        return source.images(epoch, first, self.batch)


class LiveEvents(_Live):
    __doc__ = (
        "Samples of events that are made when they are due: (events [batch, events, 5], labels [batch, k]), columns q2, "
        "cos_theta_l, cos_theta_k, chi, m_kpi." + _LIVE
    )

    #: Names of the columns.
    columns = _COLUMNS

    def _make(self, source: _core.LiveSource, epoch: int, first: int) -> tuple[Any, Any]:
        return source.events(epoch, first, self.batch)


class StoredImages:
    """Images of files by their number: (image [bins, bins, bins], labels [k]); `batches` has them in whole batches.

    Parameters
    ----------
    source
        A file, .h5 or .arrow, a list of them, or a `Campaign` with `split`.
    split
        Of a campaign: train, validation or test.
    """

    def __init__(
        self, source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | Campaign, *, split: str | None = None
    ) -> None:
        if isinstance(source, Campaign):
            files = [str(path) for path in source.files(split or "train")]
            if not files:
                raise FileNotFoundError(f"{source.folder}: has no images of the split {split or 'train'} yet")
        elif split is not None:
            raise ValueError(f"split = {split!r} is not allowed; allowed: with a Campaign")
        else:
            files = [text(source, "source")] if isinstance(source, (str, os.PathLike)) else [text(one, "source") for one in source]
        if not files:
            raise ValueError("source = [] is not allowed; allowed: at least one file")
        self._paths = files
        self._opened: tuple[int, list[_core.ImageFile]] | None = None
        first, *others = self._files()
        #: Cells of each axis.
        self.bins: int = first.bins
        #: Names of the coefficients in the order of labels.
        self.labels: list[str] = first.labels
        for path, other in zip(files[1:], others, strict=True):
            if (other.bins, other.labels) != (self.bins, self.labels):
                raise ValueError(
                    f"{path}: {other.bins} bins, labels {other.labels} are not allowed; allowed: {self.bins} bins, labels "
                    f"{self.labels}, as in {files[0]}"
                )
        self._ends: list[int] = []
        for one in self._files():
            self._ends.append((self._ends[-1] if self._ends else 0) + len(one))

    def _files(self) -> list[_core.ImageFile]:
        """The open files, which every process has of its own."""
        if self._opened is None or self._opened[0] != os.getpid():
            with own_words():
                self._opened = (os.getpid(), [_core.ImageFile(path) for path in self._paths])
        return self._opened[1]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None}

    def __len__(self) -> int:
        return self._ends[-1]

    def _convert(self, array: Any) -> Any:
        return array

    def read(self, numbers: Sequence[int]) -> tuple[Any, Any]:
        """Images [n, bins, bins, bins] and labels [n, k] of some numbers, in their order."""
        import bisect

        import numpy

        by_file: dict[int, tuple[list[int], list[int]]] = {}
        for place, one in enumerate(numbers):
            if not -len(self) <= one < len(self):
                raise IndexError(f"number = {one} is not allowed; allowed: 0 to {len(self) - 1}")
            one = int(one) % len(self)
            file = bisect.bisect_right(self._ends, one)
            own = by_file.setdefault(file, ([], []))
            own[0].append(place)
            own[1].append(one - (self._ends[file - 1] if file else 0))
        files = self._files()
        with own_words():
            parts = [(places, files[file].read(own)) for file, (places, own) in by_file.items()]
        if len(parts) == 1:
            images, labels = parts[0][1]
        else:
            images = numpy.empty((len(numbers), self.bins, self.bins, self.bins), numpy.float32)
            labels = numpy.empty((len(numbers), len(self.labels)), numpy.float32)
            for places, (some, of) in parts:
                images[places], labels[places] = some, of
        return self._convert(images), self._convert(labels)

    def __getitem__(self, number: int) -> tuple[Any, Any]:
        images, labels = self.read([number])
        return images[0], labels[0]

    def __getitems__(self, numbers: Sequence[int]) -> list[tuple[Any, Any]]:
        """Several at once, as PyTorch's loader asks for them."""
        images, labels = self.read(numbers)
        return list(zip(images, labels, strict=True))

    def batches(
        self,
        batch: int = 64,
        *,
        shuffle: bool = False,
        seed: int = 1,
        epoch: int = 0,
        prefetch: int = 2,
        rank: int = 0,
        world_size: int = 1,
    ) -> BatchIterator:
        """Whole batches of one epoch, read ahead by a thread: (images [batch, bins, bins, bins], labels [batch, k]).

        Parameters
        ----------
        batch
            Images of a batch; the last may have fewer.
        shuffle, seed, epoch
            In an order of its own for each seed and epoch.
        prefetch, rank, world_size
            As `LiveImages`.
        """
        return iter(_Stored(self, shuffle, seed, epoch, batch=batch, prefetch=prefetch, rank=rank, world_size=world_size))  # type: ignore[return-value]


class _Stored(_Batches):
    """An epoch of stored images."""

    def __init__(self, images: StoredImages, shuffle: bool, seed: int, epoch: int, **sharing: Any) -> None:
        super().__init__(**sharing)
        import numpy

        self._images = images
        self._key = {"shuffle": bool(shuffle), "seed": int(whole(seed, "seed")), "epoch": int(whole(epoch, "epoch"))}
        order = numpy.random.default_rng([self._key["seed"], self._key["epoch"]]).permutation(len(images)) if shuffle else None
        self._order = range(len(images)) if order is None else order.tolist()

    def _total(self) -> int:
        return -(-len(self._images) // self.batch)

    def _identity(self) -> dict[str, Any]:
        return {"files": self._images._paths, "batch": self.batch, **self._key}

    def _batch(self, place: int) -> Any:
        return self._images.read(self._order[place * self.batch : (place + 1) * self.batch])
