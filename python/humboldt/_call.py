"""Calls of commands: from Python's arguments to words of the command line, and from refusals to exceptions."""

from __future__ import annotations

import atexit
import contextlib
import json
import logging
import numbers
import os
import re
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from . import _core

logger = logging.getLogger("humboldt")

atexit.register(_core.remove_unfinished_files)

Progress = bool | Callable[[str, int, int, str], object]


class HumboldtWarning(UserWarning):
    """A reason to doubt a result, which the result holds as well."""


def number(value: Any, name: str) -> str:
    """A real number with all its digits."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} = {value!r} is not allowed; allowed: a number")
    return repr(int(value)) if isinstance(value, numbers.Integral) else repr(float(value))


def whole(value: Any, name: str) -> str:
    """A whole number; 1e5 is one."""
    if isinstance(value, numbers.Real) and not isinstance(value, bool) and float(value).is_integer():
        return repr(int(value))  # type: ignore[call-overload]
    raise TypeError(f"{name} = {value!r} is not allowed; allowed: a whole number")


def complex_number(value: Any, name: str) -> str:
    """A real or complex number, as in 0.5+0.1i."""
    if isinstance(value, numbers.Complex) and not isinstance(value, (bool, numbers.Real)):
        value = complex(value)
        return f"{value.real!r}{value.imag:+.17g}i"
    return number(value, name)


def text(value: Any, name: str) -> str:
    """A text or a path."""
    if isinstance(value, (str, os.PathLike)):
        return os.fspath(value)
    raise TypeError(f"{name} = {value!r} is not allowed; allowed: a text")


def fraction(value: Any, name: str) -> str:
    """A number, or words such as "free" and "0.44+-0.02"."""
    return value if isinstance(value, str) else number(value, name)


def texts(value: Any, name: str) -> str:
    """Names, as a list or separated by commas."""
    if isinstance(value, (str, os.PathLike)):
        return os.fspath(value)
    if isinstance(value, Iterable):
        return ",".join(text(one, name) for one in value)
    raise TypeError(f"{name} = {value!r} is not allowed; allowed: a name, or a list of names")


def ranges(value: Any, name: str) -> str:
    """Windows (low, high), as a pair, a list of pairs or text; None for an open end."""
    if isinstance(value, str):
        return value
    try:
        pairs = [value] if len(value) == 2 and not isinstance(value[0], (Sequence, str)) else list(value)
        ends = [(low, high) for low, high in (pair.split(":") if isinstance(pair, str) else pair for pair in pairs)]
    except (TypeError, ValueError, KeyError):
        raise TypeError(
            f"{name} = {value!r} is not allowed; allowed: (low, high) in GeV^2, a list of such pairs, or 'low:high'"
        ) from None

    def end(x: Any) -> str:
        return "" if x is None else x if isinstance(x, str) else number(x, name)

    return ",".join(f"{end(low)}:{end(high)}" for low, high in ends)


def named(of: Callable[[Any, str], str]) -> Callable[[Any, str], str]:
    """Values by name, as in {"c9": -1.0}."""

    def words(value: Any, name: str) -> str:
        if isinstance(value, str):
            return value
        if not isinstance(value, Mapping):
            raise TypeError(f"{name} = {value!r} is not allowed; allowed: a dict of values by name")
        return ",".join(f"{text(key, name)}={of(one, f'{name}[{key!r}]')}" for key, one in value.items())

    return words


def resonances(value: Any, name: str) -> str:
    """Scale and phase by resonance; True for factorisation."""
    if isinstance(value, Mapping):

        def scale_and_phase(one: Any, of: str) -> str:
            try:
                scale, phase = one
            except (TypeError, ValueError):
                raise TypeError(f"{of} = {one!r} is not allowed; allowed: (scale, phase in radians)") from None
            return f"{number(scale, of)}:{number(phase, of)}"

        return named(scale_and_phase)(value, name)
    return text(value, name)


def choice(value: Any, name: str, allowed: Sequence[str]) -> str:
    """One of some words."""
    if value in allowed:
        return value
    raise ValueError(f"{name} = {value!r} is not allowed; allowed: {', '.join(allowed)}")


shifts = named(complex_number)
values = named(number)


def words(options: Mapping[str, tuple[Any, Callable[[Any, str], str] | None]]) -> list[str]:
    """Options that are given, as words: a value and its form; a flag has none."""
    given = []
    for name, (value, form) in options.items():
        if value is None or value is False:
            continue
        option = "--" + name.replace("_", "-")
        if form is None or (value is True and form is resonances):
            if value is not True:
                raise TypeError(f"{name} = {value!r} is not allowed; allowed: True or False")
            given.append(option)
        else:
            given.append(f"{option}={form(value, name)}")
    return given


def table_of(events: Any, name: str = "events") -> _core.Table | str:
    """Events in memory as a table, a file as its path."""
    if isinstance(events, (str, os.PathLike)):
        return os.fspath(events)
    table = getattr(events, "_table", None)
    if isinstance(table, _core.Table):
        return table
    if hasattr(events, "__arrow_c_stream__"):
        return _core.Table.from_stream(events)
    if isinstance(events, Mapping):
        return _core.Table.from_columns(dict(events))
    raise TypeError(
        f"{name} = {type(events).__name__} is not allowed; allowed: Events, a path, a dict of arrays, or anything with "
        "__arrow_c_stream__ (pandas, PyArrow, polars)"
    )


def told(progress: Progress | None) -> Callable[[str, int, int, str], object] | None:
    """The callback of a `progress` argument; True is tqdm, where it is installed."""
    if progress is None or progress is False:
        return None
    if progress is not True:
        if not callable(progress):
            raise TypeError(
                f"progress = {progress!r} is not allowed; allowed: True, or a function of (label, done, total, unit)"
            )
        return progress
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return None
    bars: dict[str, Any] = {}

    def show(label: str, done: int, total: int, unit: str) -> None:
        if label not in bars:
            bars[label] = tqdm(total=total, desc=label, unit=f" {unit}", unit_scale=True)
        bars[label].update(done - bars[label].n)
        if done >= total:
            bars[label].close()

    return show


@contextlib.contextmanager
def own_words(renamed: Mapping[str, str] | None = None):
    """Refusals with the names of Python's arguments in the place of options."""

    def argument(option: str) -> str:
        name = option.replace("-", "_")
        return (renamed or {}).get(name, name)

    try:
        yield
    except (ValueError, RuntimeError, OSError) as error:
        if len(error.args) != 1 or not isinstance(error.args[0], str):
            raise
        message = re.sub(r"'--([a-z0-9-]+)[^']*'", lambda m: argument(m[1]), error.args[0])
        message = re.sub(r"--([a-z][a-z0-9-]*)", lambda m: argument(m[1]), message)
        message = re.sub(r"table \d+ in memory\.arrow", "events", message)
        raise type(error)(message) from None


def call(
    command: Sequence[str],
    *operands: _core.Table | str,
    options: Mapping[str, tuple[Any, Callable[[Any, str], str] | None]] | None = None,
    renamed: Mapping[str, str] | None = None,
    output: bool = False,
    network: bool = False,
    progress: Progress | None = None,
) -> tuple[str, _core.Table | None]:
    """What a command prints, and the table that it makes."""
    # An option without its value would take an operand behind it for one.
    arguments = [*command, *operands, *words(options or {})]
    with own_words(renamed):
        printed, notes, table = _core.call(arguments, output=output, network=network, progress=told(progress))
    for note in notes:
        logger.info(note)
    return printed, table


def result(*arguments: Any, **keywords: Any) -> Any:
    """What a command prints as JSON."""
    return json.loads(call(*arguments, **keywords)[0])


def warn(reasons: Iterable[str]) -> None:
    """Warn the user of reasons to doubt a result."""
    for reason in dict.fromkeys(reasons):
        warnings.warn(reason, HumboldtWarning, stacklevel=3)
