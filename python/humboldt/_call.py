"""Calls of commands: from Python's arguments to words of the command line, and from refusals to exceptions.

A function of the package hands its arguments to `call` as they are: an argument is the option of its name, in the form that
`FORMS` has for it.
"""

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


def flag(value: Any, name: str) -> bool | None:
    """An option without a value."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} = {value!r} is not allowed; allowed: True or False")
    return value or None


def switch(value: Any, name: str) -> bool:
    """An option without a value, whose opposite begins with no-."""
    flag(value, name)
    return value


def fraction(value: Any, name: str) -> str:
    """A number, or words such as "free" and "0.44+-0.02"."""
    return value if isinstance(value, str) else number(value, name)


def many(of: Callable[[Any, str], str], what: str) -> Callable[[Any, str], str | None]:
    """Several values, as a list or separated by commas; an empty list is none."""

    def words(value: Any, name: str) -> str | None:
        if isinstance(value, (str, os.PathLike)):
            return os.fspath(value)
        if isinstance(value, Iterable):
            return ",".join(of(one, name) for one in value) or None
        raise TypeError(f"{name} = {value!r} is not allowed; allowed: {what}, or a list of them")

    return words


texts = many(text, "a name")
reals = many(number, "a number")


def some(value: Any, name: str) -> str:
    """Names, at least one."""
    names = texts(value, name)
    if names is None:
        raise ValueError(f"{name} = {value!r} is not allowed; allowed: at least one name")
    return names


def ranges(value: Any, name: str) -> str | None:
    """Windows (low, high), as a pair, a list of pairs or text; None for an open end."""
    if isinstance(value, str):
        return value
    try:
        pairs = [value] if len(value) == 2 and not isinstance(value[0], (Sequence, str)) else list(value)
        ends = [(low, high) for low, high in (pair.split(":") if isinstance(pair, str) else pair for pair in pairs)]
    except (TypeError, ValueError, KeyError):
        raise TypeError(
            f"{name} = {value!r} is not allowed; allowed: (low, high), a list of such pairs, or 'low:high'"
        ) from None

    def end(x: Any) -> str:
        return "" if x is None else x if isinstance(x, str) else number(x, name)

    return ",".join(f"{end(low)}:{end(high)}" for low, high in ends) or None


def named(of: Callable[[Any, str], str]) -> Callable[[Any, str], str | None]:
    """Values by name, as in {"c9": -1.0}."""

    def words(value: Any, name: str) -> str | None:
        if isinstance(value, str):
            return value
        if not isinstance(value, Mapping):
            raise TypeError(f"{name} = {value!r} is not allowed; allowed: a dict of values by name")
        return ",".join(f"{text(key, name)}={of(one, f'{name}[{key!r}]')}" for key, one in value.items()) or None

    return words


def joined(parts: int, what: str) -> Callable[[Any, str], str]:
    """Several numbers in one value, as in 1.0:3.14."""

    def words(value: Any, name: str) -> str:
        found = tuple(value) if isinstance(value, Iterable) and not isinstance(value, str) else ()
        if len(found) != parts:
            raise TypeError(f"{name} = {value!r} is not allowed; allowed: ({what})")
        return ":".join(number(one, name) for one in found)

    return words


def resonances(value: Any, name: str) -> str | bool | None:
    """Scale and phase by resonance; True for factorisation."""
    return flag(value, name) if isinstance(value, bool) else named(joined(2, "scale, phase in radians"))(value, name)


def polynomials(value: Any, name: str) -> str | None:
    """Three coefficients for all observables, or by observable."""
    three = joined(3, "a0, a1, a2")
    if isinstance(value, (str, Mapping)):
        return named(three)(value, name)
    return three(value, name)


def pair(value: Any, name: str, allowed: str) -> tuple[Any, Any]:
    """Two things."""
    try:
        first, second = value
    except (TypeError, ValueError):
        raise TypeError(f"{name} = {value!r} is not allowed; allowed: {allowed}") from None
    return first, second


def shape(value: Any, name: str) -> str:
    """A density and its parameters, as ("gaussian", {"mean": 5.28, "width": 0.02})."""
    if isinstance(value, str):
        return value
    kind, parameters = pair(value, name, "(name, dict of parameters), or a text")
    return f"{text(kind, name)}:{values(parameters, name) or ''}"


def axis(value: Any, name: str) -> str:
    """A name and its range, as ("c9", (-2.0, 0.5))."""
    if isinstance(value, str):
        return value
    key, ends = pair(value, name, "(name, (low, high)), or a text")
    return f"{text(key, name)}={joined(2, 'low, high')(ends, name)}"


def choice(value: Any, name: str, allowed: Sequence[str]) -> str:
    """One of some words."""
    if value in allowed:
        return value
    raise ValueError(f"{name} = {value!r} is not allowed; allowed: {', '.join(allowed)}")


shifts = named(complex_number)
values = named(number)


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


#: A value of an argument as the word of its option: none where it is not given, True and False of a flag.
Form = Callable[[Any, str], "str | bool | _core.Table | None"]

#: Forms by the argument's name; all others are texts.
FORMS: dict[str, Form] = {
    **dict.fromkeys(["delta_c9", "c9", "c10", "mean_b_momentum", "test_form_factors"], number),
    **dict.fromkeys(
        ["background_order", "burn_in", "calibration_images", "draws", "events_per_fit", "gzip", "n_events", "order", "points",
         "sample", "seed", "steps", "uncertainty"],
        whole,
    ),
    **dict.fromkeys(
        ["force", "ignore_m_kpi", "remove", "select", "symmetric_errors", "truth", "unweight", "unweighted", "with_rate"], flag
    ),
    **dict.fromkeys(["intervals", "theory_errors", "correlations"], switch),
    **dict.fromkeys(
        ["also", "data", "estimators", "exclude", "free", "networks", "nuisances", "observables", "only", "other_data", "score",
         "wrong"],
        texts,
    ),
    **dict.fromkeys(["bins", "m_kpi", "q2", "range", "veto"], ranges),
    **dict.fromkeys(["wc", "simulation_wc"], shifts),
    **dict.fromkeys(["inputs", "test_inputs"], values),
    **dict.fromkeys(["background_fraction", "s_wave"], fraction),
    **dict.fromkeys(["events", "simulation", "background"], table_of),
    **dict.fromkeys(["x", "y"], axis),
    "charmonium": resonances,
    "orders": many(whole, "a whole number"),
    "polynomial": polynomials,
    "signal": shape,
    "values": reals,
}


def words(
    arguments: Mapping[str, Any], operands: Sequence[str], forms: Mapping[str, Form], options: Mapping[str, str]
) -> list[str | tuple[str, _core.Table]]:
    """Arguments as words: operands first, since an option without its value would take one behind it for it."""
    given: list[str | tuple[str, _core.Table]] = []
    for name in [*operands, *(name for name in arguments if name not in operands)]:
        value = arguments[name]
        word = None if value is None else forms.get(name, FORMS.get(name, text))(value, name)
        option = options.get(name, name).replace("_", "-")
        if word is None:
            continue
        if isinstance(word, bool):
            given.append(f"--{option}" if word else f"--no-{option}")
        elif isinstance(word, str):
            given.append(word if name in operands else f"--{option}={word}")
        else:
            given += [(name, word)] if name in operands else [f"--{option}", (name, word)]
    return given


@contextlib.contextmanager
def own_words(arguments: Mapping[str, str] | None = None):
    """Refusals with the names of Python's arguments in the place of options."""

    def argument(option: str) -> str:
        name = option.replace("-", "_")
        return (arguments or {}).get(name, name)

    try:
        yield
    except (ValueError, RuntimeError, OSError) as error:
        if len(error.args) != 1 or not isinstance(error.args[0], str):
            raise
        message = re.sub(r"'--([a-z0-9-]+)[^']*'", lambda m: argument(m[1]), error.args[0])
        message = re.sub(r"--([a-z][a-z0-9-]*)", lambda m: argument(m[1]), message)
        raise type(error)(message) from None


def call(
    command: str | Sequence[str],
    arguments: Mapping[str, Any],
    *,
    operands: Sequence[str] = (),
    forms: Mapping[str, Form] | None = None,
    options: Mapping[str, str] | None = None,
    output: bool = False,
    as_json: bool = False,
    network: bool = False,
) -> tuple[str, _core.Table | None]:
    """What a command prints, and with `output` the table that it makes.

    `arguments` are those of the function that asks, `operands` those of them that are no options. `forms` and `options` are
    forms and names of options where they are not those of `FORMS` and of the arguments.
    """
    given = dict(arguments)
    progress = told(given.pop("progress", None))
    begin = command.split() if isinstance(command, str) else command
    every = [*begin, *words(given, operands, forms or {}, options or {}), *(["--json"] if as_json else [])]
    with own_words({option: argument for argument, option in (options or {}).items()}):
        printed, notes, table = _core.call(every, output=output, network=network, progress=progress)
    for note in notes:
        logger.info(note)
    return printed, table


def result(command: str, arguments: Mapping[str, Any], **keywords: Any) -> Any:
    """What a command prints as JSON."""
    return json.loads(call(command, arguments, as_json=True, **keywords)[0])


def table(command: str, arguments: Mapping[str, Any], **keywords: Any) -> _core.Table:
    """The table that a command makes."""
    made = call(command, arguments, output=True, **keywords)[1]
    assert made is not None
    return made


def warn(reasons: Iterable[str], depth: int = 3) -> None:
    """Warn the user, whose call is so many frames above, of reasons to doubt a result."""
    for reason in dict.fromkeys(reasons):
        warnings.warn(reason, HumboldtWarning, stacklevel=depth)
