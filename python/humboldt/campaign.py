"""Campaigns: the images of a card in a folder of shards."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ._call import Progress, call, choice, result

SPLITS = ("train", "validation", "test")


class Campaign:
    """The images of a card in a folder, made by any number of processes, safe against any kill.

    Parameters
    ----------
    folder
        Its folder; `Campaign.make` makes one.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        if not (self.folder / "campaign.json").is_file():
            raise FileNotFoundError(
                f"folder = {self.folder} is not allowed; allowed: the folder of a campaign (no campaign.json in it)"
            )

    @classmethod
    def make(
        cls,
        card: str | os.PathLike[str],
        out: str | os.PathLike[str],
        *,
        task: str | None = None,
        progress: Progress = False,
    ) -> Campaign:
        """Make the images of a card that are not there yet.

        Parameters
        ----------
        card
            Run card.
        out
            Folder, made if it does not exist.
        task
            Only the shards of this task of several, as "3/5".
        """
        given = {"card": card, "out": out, "task": task, "progress": progress}
        call("campaign run", given, operands=["card"])
        return cls(out)

    @staticmethod
    def plan(card: str | os.PathLike[str]) -> dict[str, Any]:
        """Number of shards, images, events and bytes of a card, and seconds of one core and of this machine; makes nothing.

        Parameters
        ----------
        card
            Run card.
        """
        return result("campaign plan", {"card": card}, operands=["card"])

    @property
    def data(self) -> dict[str, Any]:
        """Seed, decay, images and points of the card."""
        return json.loads((self.folder / "campaign.json").read_text())["data"]

    def status(self) -> dict[str, Any]:
        """How far it is."""
        return result("campaign status", {"folder": self.folder}, operands=["folder"])

    def verify(self, *, remove: bool = False, progress: Progress = False) -> str:
        """Read every byte of every shard again.

        Parameters
        ----------
        remove
            Remove damaged shards, so that `make` makes them again.

        Raises
        ------
        ValueError
            Where a shard is damaged; the message names it.
        """
        given = {"folder": self.folder, "remove": remove, "progress": progress}
        return call("campaign verify", given, operands=["folder"])[0].strip()

    def merge(
        self, out: str | os.PathLike[str] | None = None, *, split: str | None = None, force: bool = False
    ) -> str:
        """Close a campaign of which all shards are there, or write a split into one file.

        Parameters
        ----------
        out
            File to write, .h5 or .arrow as the card says, with `split`.
        split
            train, validation or test.
        force
            Replace the file at `out`.
        """
        if split is not None:
            choice(split, "split", SPLITS)
        given = {"folder": self.folder, "out": out, "split": split, "force": force}
        return call("campaign merge", given, operands=["folder"])[0].strip()

    def files(self, split: str) -> list[Path]:
        """The files of a split that are there, in order; `StoredImages` takes them."""
        choice(split, "split", SPLITS)
        shards = (self.folder / "shards").glob(f"{split}-*")
        return sorted(path for path in shards if path.suffix in (".h5", ".arrow"))

    def __repr__(self) -> str:
        return f"Campaign({str(self.folder)!r})"

    def _repr_html_(self) -> str:
        from .results import _table

        return _table([{"folder": str(self.folder), **self.status()}], "Campaign")
