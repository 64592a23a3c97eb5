"""Functions of time as curves: numbers, texts, arrays and Python functions, sampled to splines whose error is checked."""

from __future__ import annotations

import inspect
from dataclasses import dataclass

import numpy as np

#: Largest difference between a function and its spline, in parts of the largest value of the function.
TOLERANCE = 1e-7
#: Most points of a spline.
MOST_POINTS = 100_000

#: What a text may use beside t and the arguments.
NAMES = {
    name: getattr(np, name)
    for name in (
        "sin cos tan arcsin arccos arctan arctan2 sinh cosh tanh arcsinh arccosh arctanh exp log log10 sqrt real imag conj abs "
        "pi e sign where maximum minimum heaviside power"
    ).split()
} | {"np": np, "numpy": np, "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "norm": np.abs, "proj": np.real}


@dataclass
class Coefficient:
    """A complex function of time: a constant, or values at times with a curve between them.

    ``order`` is 0 (steps), 1 (lines) or 3 (a cubic spline); ``times`` are those of the user.
    """

    constant: complex | None = None
    times: np.ndarray | None = None
    values: np.ndarray | None = None
    order: int = 3

    def real(self, start: float) -> tuple | None:
        """The real part as (times since ``start``, values, order); None where it is 0."""
        return self._part(self.values.real, start)

    def imag(self, start: float) -> tuple | None:
        """The imaginary part."""
        return self._part(self.values.imag, start)

    def _part(self, part: np.ndarray, start: float) -> tuple | None:
        if np.abs(part).max() <= 1e-15 * np.abs(self.values).max():
            return None
        return (np.ascontiguousarray(self.times - start), np.ascontiguousarray(part), self.order)

    def at(self, times: np.ndarray) -> np.ndarray:
        """Its values, as the curve has them."""
        if self.constant is not None:
            return np.full(len(times), self.constant)
        if self.order == 0:
            return self.values[np.clip(np.searchsorted(self.times, times, side="right") - 1, 0, len(self.times) - 1)]
        if self.order == 1:
            return np.interp(times, self.times, self.values)
        return _spline(self.times, self.values)(times)


def coefficient(spec, what: str, args: dict, span: tuple[float, float], tlist) -> Coefficient:
    """A coefficient as QuTiP takes it, over the times ``span``."""
    if isinstance(spec, Coefficient):
        return spec
    if np.isscalar(spec) and not isinstance(spec, str):
        return Coefficient(constant=_finite(complex(spec), what, span[0]))
    if isinstance(spec, str):
        return _sampled(_of_text(spec, what, args), what, span)
    if isinstance(spec, np.ndarray):
        return _of_array(spec, what, span, tlist)
    if type(spec).__name__ == "InterCoefficient":
        found = _of_pieces(spec, what, span)
        if found is not None:
            return found
    if callable(spec):
        return _sampled(called(spec, args) if not _is_qutip(spec) else _of_qutip(spec, args), what, span)
    raise TypeError(f"{what} is of type {type(spec).__name__}, expected a number, text, array or function of time")


def _is_qutip(spec) -> bool:
    return type(spec).__module__.startswith("qutip")


def _of_qutip(spec, args):
    return spec.replace_arguments(args) if args else spec


def called(function, args: dict):
    """A function of time alone: f(t), f(t, args) or f(t, name=…) with what it takes of the arguments."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return function
    kinds = [p.kind for p in parameters.values()]
    names = list(parameters)
    if len(names) == 2 and names[1] in ("args", "_args") and kinds[1] is inspect.Parameter.POSITIONAL_OR_KEYWORD:
        return lambda t: function(t, args)
    if inspect.Parameter.VAR_KEYWORD in kinds:
        taken = args
    else:
        taken = {name: value for name, value in args.items() if name in names[1:]}
    return (lambda t: function(t, **taken)) if taken else (lambda t: function(t))


def _of_text(text: str, what: str, args: dict):
    try:
        code = compile(text, f"<{what}>", "eval")
    except SyntaxError as error:
        raise ValueError(f"{what}, `{text}`, is no expression: {error.msg}") from None
    names = NAMES | {name: value for name, value in args.items()}
    unknown = [name for name in code.co_names if name not in names and name != "t" and not hasattr(np, name)]
    if unknown:
        raise ValueError(f"{what}, `{text}`, uses the unknown name `{unknown[0]}`: it is neither t nor one of args")
    return lambda t: eval(code, {"__builtins__": {}}, names | {"t": t})  # noqa: S307  (the user's own expression)


def _of_array(values: np.ndarray, what: str, span, tlist) -> Coefficient:
    if tlist is None or len(tlist) != len(values):
        raise ValueError(f"{what} has {len(values)} values for {0 if tlist is None else len(tlist)} times")
    values, times = np.asarray(values, dtype=complex), np.asarray(tlist, dtype=float)
    for t, value in zip(times, values):
        _finite(value, what, t)
    if np.all(values == values[0]):
        return Coefficient(constant=complex(values[0]))
    return Coefficient(times=times, values=values)


def _of_pieces(spec, what: str, span) -> Coefficient | None:
    """A curve through points as QuTiP has it, where its own points say it all."""
    _, (times, polynomials, *_) = spec.__reduce__()
    order, values = len(polynomials) - 1, np.asarray(polynomials[-1], dtype=complex)
    times = np.asarray(times, dtype=float)
    if order not in (0, 1, 3) or len(values) != len(times):
        return None
    for t, value in zip(times, values):
        _finite(value, what, t)
    if np.all(values == values[0]) and order < 3:
        return Coefficient(constant=complex(values[0]))
    if order == 0:  # goes on beside its points
        if times[0] > span[0]:
            times, values = np.insert(times, 0, span[0]), np.insert(values, 0, values[0])
        if times[-1] < span[1]:
            times, values = np.append(times, span[1]), np.append(values, values[-1])
    if times[0] > span[0] or times[-1] < span[1]:
        return None
    return Coefficient(times=times, values=values, order=order)


def _finite(value: complex, what: str, t: float) -> complex:
    if not np.isfinite(value):
        raise ValueError(f"{what} is {value} at t = {t:g}")
    return value


def _spline(times, values):
    from scipy.interpolate import CubicSpline

    return CubicSpline(times, values)


def _sampled(function, what: str, span: tuple[float, float]) -> Coefficient:
    """A spline through points that are added where it differs from the function."""

    def at(times: np.ndarray) -> np.ndarray:
        found = np.empty(len(times), complex)
        for k, t in enumerate(times):
            try:
                found[k] = function(float(t))
            except (ArithmeticError, TypeError, ValueError) as error:
                if isinstance(error, ValueError) and "t = " in str(error):
                    raise
                kind = TypeError if isinstance(error, TypeError) else ValueError
                raise kind(f"{what} cannot be evaluated at t = {t:g}: {error}") from error
            _finite(found[k], what, t)
        return found

    start, end = span
    if end <= start:
        return Coefficient(constant=complex(at(np.array([start]))[0]))
    # A first look at times in no simple ratio: what is constant there is taken to be constant.
    golden = np.sort(np.modf(np.arange(1, 30) * 0.6180339887498949)[0])
    look = at(np.concatenate([[start], start + (end - start) * golden, [end]]))
    if np.all(look == look[0]):
        return Coefficient(constant=complex(look[0]))
    times = np.linspace(start, end, 65)
    values = at(times)
    fresh = np.ones(64, bool)
    while True:
        scale = max(np.abs(values).max(), np.abs(look).max())
        spline = _spline(times, values)
        # Two points inside each stretch: a kink in the middle hides from one.
        lengths = np.diff(times)
        candidates = np.flatnonzero(fresh)
        inner = times[candidates] + 0.5 * lengths[candidates]
        other = times[candidates] + 0.2763932 * lengths[candidates]
        exact, beside = at(inner), at(other)
        error = np.maximum(np.abs(spline(inner) - exact), np.abs(spline(other) - beside))
        bad = error > TOLERANCE * scale
        if not bad.any():
            return Coefficient(times=times, values=values)
        worst = candidates[error.argmax()]
        if times.size + bad.sum() > MOST_POINTS or lengths[worst] < 1e-9 * (end - start):
            raise ValueError(
                f"{what} varies faster than a spline resolves at t = {times[worst]:.6g}: it jumps or turns there by "
                f"{error.max():.2g}; split the run there, or give the values at times"
            )
        added = inner[bad]
        places = np.searchsorted(times, added)
        times, values = np.insert(times, places, added), np.insert(values, places, exact[bad])
        # Stretches near a new point are looked at again.
        fresh = np.zeros(times.size - 1, bool)
        for shift in range(-2, 4):
            near = np.searchsorted(times, added) + shift - 1
            fresh[near[(near >= 0) & (near < fresh.size)]] = True
