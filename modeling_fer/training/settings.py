"""Values of settings made what their types say, or refused in one sentence. YAML reads 1e-3 as text and a bare no as false."""

import dataclasses
import math
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Union, get_args, get_origin, get_type_hints

KINDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    list: "a list",
    tuple: "a list",
    dict: "settings of its own",
    type(None): "null",
}
"""What a sentence calls a value of each type."""


def fit_fields(settings: Any) -> None:
    """Gives each field of a frozen dataclass its value in the field's type.

    Raises:
        ValueError: a value is of another type; the sentence names field, value and what was expected.
    """
    hints = get_type_hints(type(settings))
    for field in dataclasses.fields(settings):
        object.__setattr__(settings, field.name, fit(getattr(settings, field.name), hints[field.name], field.name))


def fit(value: Any, kind: Any, name: str) -> Any:
    """A value in a type, which may be a union, a list or tuple, a mapping or a dataclass.

    Raises:
        ValueError: it is of another type.
    """
    if kind is Any:
        return value
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return fit_union(value, inner, name)
    if origin in (list, tuple) and isinstance(value, (list, tuple)):
        if origin is tuple and inner[-1] is not ... and len(value) != len(inner):
            raise ValueError(f"{name} is {value!r}, but must be a list of {len(inner)}.")
        kinds = inner if origin is tuple and inner[-1] is not ... else [inner[0]] * len(value)
        return origin(fit(one, each, f"{name}[{place}]") for place, (one, each) in enumerate(zip(value, kinds, strict=True)))
    if origin is dict and isinstance(value, Mapping):
        return {fit(key, inner[0], f"{name}: a key"): fit(one, inner[1], f"{name}.{key}") for key, one in value.items()}
    if origin is None and isinstance(value, kind) and not (isinstance(value, bool) and kind is not bool):
        return check_finite(value, name)
    return convert(value, kind, name)


def fit_union(value: Any, kinds: Sequence[Any], name: str) -> Any:
    """A value in the first of some types that it is of, else in the first that it can be made."""
    if value is None and type(None) in kinds:
        return None
    kinds = [kind for kind in kinds if kind is not type(None)]
    for kind in kinds:
        if isinstance(value, get_origin(kind) or kind) and not isinstance(value, bool):
            return fit(value, kind, name)
    errors = []
    for kind in kinds:
        try:
            return fit(value, kind, name)
        except ValueError as error:
            errors.append(error)
    raise errors[-1]


def convert(value: Any, kind: Any, name: str) -> Any:
    """A value made what it is meant to be, where nothing is lost."""
    if kind is str and value is False:
        return "no"
    if kind in (int, float) and isinstance(value, (int, float, str)) and not isinstance(value, bool):
        try:
            number = float(value)
        except (ValueError, OverflowError):
            number = math.nan
        if kind is float and math.isfinite(number):
            return number
        if kind is int and number.is_integer():
            return int(number)
    called = KINDS.get(get_origin(kind) or kind, getattr(kind, "__name__", str(kind)))
    raise ValueError(f"{name} is {value!r}, but must be {called}.")


def check_finite(value: Any, name: str) -> Any:
    """The value itself; a number that is infinite or none is refused."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{name} is {value}, but must be a finite number.")
    return value


def check_range(
    settings: Any,
    names: Sequence[str],
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    below: float | None = None,
) -> None:
    """Refuses numbers, or lists of numbers, out of a range; a setting that is null is left alone.

    Args:
        settings: a dataclass.
        names: fields of it.
        low, high: at least and at most.
        above, below: greater and less than.

    Raises:
        ValueError: a number is out of the range.
    """
    bounds: list[tuple[float | None, str, Callable[[float, float], bool]]] = [
        (low, "at least", lambda value, bound: value >= bound),
        (above, "greater than", lambda value, bound: value > bound),
        (high, "at most", lambda value, bound: value <= bound),
        (below, "less than", lambda value, bound: value < bound),
    ]
    given = [(bound, words, test) for bound, words, test in bounds if bound is not None]
    said = " and ".join(f"{words} {bound:g}" for bound, words, _ in given)
    for name in names:
        value = getattr(settings, name)
        numbers = value if isinstance(value, (list, tuple)) else [] if value is None else [value]
        if not all(test(number, bound) for number in numbers for bound, _, test in given):
            shown = f"{value:g}" if isinstance(value, float) else value
            raise ValueError(f"{name} is {shown}, but must be {said}.")
