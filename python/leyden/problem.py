"""Problems in leyden's language, from a file, a text, or built call by call."""

from __future__ import annotations

import copy
import itertools
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import _leyden, _progress, _toml
from .result import Result


class Problem:
    """A master equation, the protocol that it is solved along, and what is asked of it.

    Parameters
    ----------
    source : str or path, optional
        An input file, or its text; without one the problem is built by the methods below, each of which returns a new one.
    representation : {"ladder", "symmetric", "sectors", "full"}, optional
        How states are stored; the smallest exact way if not given.
    **parameters
        Overrides of the input's ``[parameters]``: numbers, expressions or words.

    Raises
    ------
    leyden.InputError
        With file, line, column and what was expected there, when the problem is first used or its text is given.

    Examples
    --------
    >>> p = Problem().ensemble("B", 20).initial("B", "excited").each("loss", "sm(B)", 1.0)
    >>> p = p.evolve("storage", 0.5, samples=4).observe("energy", "ergotropy")
    >>> r = p.sample(2000)
    >>> bool(abs(r["energy"][-1] - 20 * np.exp(-0.5)) < 5 * r["energy"].se[-1])
    True
    """

    def __init__(self, source=None, *, representation: str | None = None, **parameters):
        self._document: dict = {}
        self._text: str | None = None
        self._name = "<problem>"
        self._parameters = [(name, _written(value)) for name, value in parameters.items()]
        self._representation = representation
        self._kept = None
        if source is not None:
            text = os.fspath(source)
            if "\n" in text:
                self._text = text
            else:
                self._name, self._text = text, Path(text).read_text(encoding="utf-8")
            self._compiled  # noqa: B018  (mistakes are told at once)

    # Building, each call a new problem.

    def _with(self, section: str, **entries) -> Problem:
        return self._changed(lambda document: document.setdefault(section, {}).update(entries))

    def _appended(self, section: str, key: str, *entries) -> Problem:
        return self._changed(lambda document: document.setdefault(section, {}).setdefault(key, []).extend(entries))

    def _changed(self, change) -> Problem:
        if self._text is not None:
            raise TypeError("a problem that was read from a text is changed there, or by its parameters")
        new = copy.copy(self)
        new._document, new._kept = copy.deepcopy(self._document), None
        change(new._document)
        return new

    def titled(self, title: str) -> Problem:
        """One line for tables and pictures."""
        return self._changed(lambda document: document.update({"title": title} | document))

    def parameters(self, **values) -> Problem:
        """Names for numbers, expressions and words."""
        return self._with("parameters", **values)

    def ensemble(self, name: str, cells, energy=1.0) -> Problem:
        """Identical two-level cells, none addressed alone, of energy ω each."""
        return self._with("subsystems", **{name: {"spins": cells, "energy": energy}})

    def network(self, name: str, cells, graph="none", energy=1.0) -> Problem:
        """Two-level cells that are addressed one by one, on a graph: a word or a list of edges."""
        return self._with("subsystems", **{name: {"cells": cells, "graph": graph, "energy": energy}})

    def cell(self, name: str, energy=1.0) -> Problem:
        """One two-level cell."""
        return self._with("subsystems", **{name: {"cell": True, "energy": energy}})

    def mode(self, name: str, cutoff, energy=1.0) -> Problem:
        """An oscillator with Fock states 0 to cutoff − 1."""
        return self._with("subsystems", **{name: {"mode": cutoff, "energy": energy}})

    def levels(self, name: str, energies) -> Problem:
        """A system of levels with these energies."""
        return self._with("subsystems", **{name: {"levels": list(energies)}})

    def battery(self, *names: str, **more) -> Problem:
        """The subsystems that make up the battery; ``hamiltonian`` and ``zero`` as in the input language."""
        return self._with("battery", **({"of": list(names)} if names else {}), **more)

    def initial(self, name: str, state) -> Problem:
        """The state in which a subsystem starts, as in the input language: "excited", "plus", "coherent(1.5)", …"""
        return self._with("initial", **{name: state})

    def hamiltonian(self, *terms: str) -> Problem:
        """Add terms of H."""
        return self._appended("hamiltonian", "terms", *terms)

    def drive(self, name: str, operator: str, envelope, only=None) -> Problem:
        """Add a term f(t)·O of H."""
        return self._with("drives", **{name: _given(operator=operator, envelope=_text_of(envelope), only=only)})

    def each(self, name: str, operator: str, rate, only=None) -> Problem:
        """Add a channel with the same jump operator on every cell of one ensemble or network."""
        return self._with("channels", **{name: _given(each=operator, rate=rate, only=only)})

    def collective(self, name: str, operator: str, rate, only=None) -> Problem:
        """Add a channel with one jump operator for the whole system."""
        return self._with("channels", **{name: _given(operator=operator, rate=rate, only=only)})

    def correlated(self, name: str, operator: str, rate, only=None, **how) -> Problem:
        """Add a channel whose cells decay together: ``edge=``, ``matrix=`` or ``positions=``."""
        return self._with("channels", **{name: _given(correlated=operator, rate=rate, only=only, **how)})

    def pulse(self, rotation: str) -> Problem:
        """A rotation at once: "rotate(B, x, pi)"."""
        return self._appended("protocol", "steps", {"pulse": rotation})

    def unitary(self, generator: str) -> Problem:
        """exp(−iG) at once."""
        return self._appended("protocol", "steps", {"unitary": generator})

    def reset(self, name: str, state: str) -> Problem:
        """Replace a subsystem by a fresh one."""
        return self._appended("protocol", "steps", {"reset": name, "to": state})

    def evolve(self, name: str, duration, samples=None, **more) -> Problem:
        """A timed step with rows at its start and at ``samples`` times after it; ``times``, ``spacing``, ``channels``, ``drives``."""
        return self._appended("protocol", "steps", {"name": name, "evolve": duration} | _given(samples=samples, **more))

    def repeat(self, cycles) -> Problem:
        """Number of cycles of the protocol."""
        return self._with("protocol", repeat=cycles)

    def observe(self, *quantities) -> Problem:
        """Add columns: "energy", "ergotropy", {"name": "x", "expect": "sx(B)"}, …"""
        return self._appended("observe", "quantities", *quantities)

    def record(self, **what) -> Problem:
        """What is kept of single runs: jumps=True, first_passage=[…], …"""
        return self._with("record", **what)

    # What it is.

    @property
    def title(self) -> str:
        """One line for humans."""
        return self._compiled.title

    @property
    def toml(self) -> str:
        """The problem as the text of an input file."""
        return _toml.text(self._document) if self._text is None else self._text

    @property
    def _compiled(self) -> _leyden.Problem:
        if self._kept is None:
            self._kept = _leyden.Problem.parse(self._name, self.toml, self._parameters, self._representation)
        return self._kept

    def __eq__(self, other) -> bool:
        return isinstance(other, Problem) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def _identity(self) -> tuple:
        return (self.toml, tuple(self._parameters), self._representation)

    def __getstate__(self) -> dict:
        return self.__dict__ | {"_kept": None}

    def __repr__(self) -> str:
        return f"<leyden.Problem {self._compiled.title!r}: {', '.join(self._compiled.columns)}>"

    def inspect(self, trajectories: int | None = None) -> Inspection:
        """The equation as understood, the representations that carry it with the reasons, and what so many trajectories cost."""
        return Inspection(self._compiled, None if trajectories is None else whole("trajectories", trajectories, 1, 10**12))

    def export(self) -> str:
        """A Python script that solves the same equation with QuTiP."""
        return self._compiled.export()

    # What comes of it.

    def sample(
        self,
        trajectories: int | None = None,
        *,
        seed: int | None = None,
        threads: int = 0,
        shots: bool | None = None,
        target_error: dict | None = None,
        max_time: float | None = None,
        part: tuple[int, int] | None = None,
        progress="auto",
    ) -> Result:
        """Sample quantum trajectories.

        Parameters
        ----------
        trajectories : int, optional
            How many, at most where a target is given; what the input's ``[run]`` says if not given.
        seed : int, optional
            Trajectory k draws from the stream (seed, k): the same numbers for any number of threads and parts.
        threads : int
            0 for one a core.
        shots : bool, optional
            Whether single shots are kept.
        target_error : dict, optional
            Column → standard error, a quarter of the 95 % interval, at which to stop: the largest of its rows.
        max_time : float, optional
            Seconds after which to stop.
        part : (int, int), optional
            (k, n): part k of n of the run, from 1. Parts of one run are added: the sum is the run, to the last byte.
        progress : bool, "auto" or callable
            A bar by tqdm where that is installed; "auto" in notebooks alone. A function is called with the number done.

        Returns
        -------
        Result

        Raises
        ------
        ValueError
            A number out of its range, or a column that there is not.
        leyden.CompileError
            No representation carries the problem.
        """
        n, own_seed, own_shots = self._compiled.settings
        n = n if trajectories is None else whole("trajectories", trajectories, 1, 10**12)
        if part is not None:
            k, of = part
            part = (whole("the number of the part", k, 1, of), whole("the number of parts", of, 1, 10**9))
        targets = [(column, float(error), 0.0) for column, error in (target_error or {}).items()]
        for column, error, _ in targets:
            if column not in self._compiled.columns:
                raise ValueError(f"there is no column `{column}`; there are {', '.join(self._compiled.columns)}")
            if not (0 < error < np.inf):
                raise ValueError(f"the target error of {column} is {error}, expected a number > 0")
        told, close = _progress.bar(progress, n)
        try:
            run = self._compiled.sample(
                n,
                own_seed if seed is None else whole("the seed", seed, 0, 2**53),
                threads=whole("threads", threads, 0, 4096),
                shots=own_shots if shots is None else bool(shots),
                part=part,
                targets=targets,
                max_time=max_time,
                progress=told,
            )
        finally:
            close()
        return Result(self, run=run, threads=threads)

    def solve(self) -> Result:
        """Solve the master equation itself: the same columns without errors."""
        return Result(self, self._compiled.solve())

    def steady(self, time_average: bool = False) -> Result:
        """The state as t → ∞, or the cycle that a repeated protocol settles in; its average over all time where it oscillates."""
        return Result(self, self._compiled.steady(time_average))

    def verify(self, trajectories: int | None = None, *, seed: int | None = None, threads: int = 0) -> Verdict:
        """Sample and solve, at the size of the input's ``[verify]``, and compare.

        Returns
        -------
        Verdict
            True where all agrees; a correct program fails with the probability that it states.
        """
        small = self._compiled.at_verify_size()
        n, own_seed, _ = small.settings
        n = n if trajectories is None else whole("trajectories", trajectories, 1, 10**12)
        return Verdict(*small.verify(n, own_seed if seed is None else seed, threads))

    def sweep(self, solve: str = "exact", **axes) -> Sweep:
        """Solve or sample at every point of a grid over parameters.

        Parameters
        ----------
        solve : {"exact", "steady", "sample"}
            How.
        **axes
            Parameter → values; the grid is their product.
        """
        if solve not in ("exact", "steady", "sample"):
            raise ValueError(f'solve is {solve!r}, expected "exact", "steady" or "sample"')
        names, lists = list(axes), [list(values) for values in axes.values()]
        results = np.empty([len(values) for values in lists], dtype=object)
        for place in itertools.product(*(range(len(values)) for values in lists)):
            at = copy.copy(self)
            values = [(name, _written(lists[k][place[k]])) for k, name in enumerate(names)]
            kept = [(name, value) for name, value in self._parameters if name not in axes]
            at._parameters, at._kept = kept + values, None
            results[place] = {"exact": at.solve, "steady": at.steady, "sample": at.sample}[solve]()
        return Sweep(dict(zip(names, lists)), results)


class Sweep:
    """Results on a grid over parameters.

    Attributes
    ----------
    axes : dict
        Parameter → its values.
    results : ndarray of Result
        One a point, an axis a parameter.
    """

    def __init__(self, axes: dict, results: np.ndarray):
        self.axes, self.results = axes, results

    def __getitem__(self, name: str) -> np.ndarray:
        """The column at every point: an axis a parameter, and the rows."""
        return np.stack([np.asarray(r[name]) for r in self.results.flat]).reshape(*self.results.shape, -1)

    def to_xarray(self):
        """An ``xarray.Dataset`` along the parameters and ``row``."""
        import xarray

        columns = self.results.flat[0].columns
        return xarray.Dataset({name: ([*self.axes, "row"], self[name]) for name in columns}, self.axes)

    def __repr__(self) -> str:
        axes = ", ".join(f"{name}: {len(values)}" for name, values in self.axes.items())
        return f"<leyden.Sweep over {axes}>"


class Verdict:
    """Trajectories against the exact solution; true where they agree."""

    def __init__(self, passed, lines, z_limit, p_limit, false_alarm, trajectories):
        self.passed, self.lines, self.trajectories = passed, lines, trajectories
        self.z_limit, self.p_limit, self.false_alarm = z_limit, p_limit, false_alarm

    def __bool__(self) -> bool:
        return self.passed

    def __repr__(self) -> str:
        lines = [f"{self.trajectories} trajectories against the exact solution"]
        for name, z, row, p, passed in self.lines:
            curve = "" if p is None else f", p of the curve {p:.2g}"
            lines.append(f"  {name:<16} max |z| {z:.2f} at row {row}{curve}: {'agrees' if passed else 'DISAGREES'}")
        lines.append(f"|z| allowed {self.z_limit:.2f}, p allowed {self.p_limit:.1g}: a correct program fails with {self.false_alarm}")
        return "\n".join(lines)


class Inspection:
    """A problem as understood, how it is stored, and what it costs, which takes two seconds to find when it is first asked for."""

    def __init__(self, problem: _leyden.Problem, trajectories: int | None):
        self._problem, self._trajectories, self._cost = problem, trajectories, None
        #: Each representation with whether it carries the problem, and its size or the reason why not.
        self.representations = problem.choice()

    @property
    def latex(self) -> str:
        """The equation and the protocol as a LaTeX document."""
        return self._problem.latex()

    @property
    def cost(self) -> Cost | None:
        """What a run takes, as ``leyden inspect`` prints it; None if the problem is too large to be looked at in time.

        Raises
        ------
        leyden.CompileError
            No representation carries the problem.
        """
        if self._cost is None:
            found = self._problem.cost(self._trajectories)
            self._cost = () if found is None else (Cost(**found),)
        return self._cost[0] if self._cost else None

    @property
    def text(self) -> str:
        """The whole as plain text."""
        chosen = next((name for name, good, _ in self.representations if good), None)
        word = lambda name, good: "chosen" if name == chosen else "possible" if good else "refused"  # noqa: E731
        lines = [f"{name:<15} {word(name, good)}: {text}" for name, good, text in self.representations]
        try:
            cost = ["", repr(self.cost)] if self.cost else []
        except _leyden.CompileError as error:
            cost = ["", f"{'trajectories':<15} not for sample(): {error}"]
        return "\n".join([self._problem.title, "", self._problem.describe().rstrip(), "", *lines, *self._problem.notes, *cost])

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        from html import escape

        title, _, rest = self.text.partition("\n")
        return f"<p><b>{escape(title)}</b></p><pre>{escape(rest.strip())}</pre>"


@dataclass(frozen=True, repr=False)
class Cost:
    """What a run and the exact solution take, estimated by a pilot run; None where that could not be found.

    Attributes
    ----------
    trajectories, threads : int
        Number of trajectories, and of the threads that they are shared among.
    memory : dict
        Bytes by what takes them: ``averages`` (and the table), ``ergotropy`` and ``populations`` (at most, cells (J, M)),
        ``matrices`` (averaged density matrices), ``shots``.
    refused : str or None
        Why sampling is refused for its memory.
    seconds : float or None
        Time of all trajectories; at least that where ``pilot_share`` is 0.
    seconds_each, seconds_setup : float or None
        Time of one trajectory on one core, and until the first can begin.
    seconds_evaluation : float or None
        Time on all threads to evaluate what is not linear in ρ.
    pilot_trajectories, pilot_share : int, float or None
        Trajectories that were timed, or the part of the rows of one that was.
    precision : dict
        Column → trajectories for a standard error of 1 % of its largest value, by the pilot's scatter; empty if it had too few.
    exact_seconds, exact_states, exact_refused : float, int, str or None
        Time of the exact solution or the states of its rate equation, or why there is none.
    text : str
        The same as ``leyden inspect`` prints it.
    """

    text: str
    trajectories: int
    threads: int
    memory: dict
    refused: str | None
    seconds: float | None
    seconds_each: float | None
    seconds_setup: float | None
    seconds_evaluation: float | None
    pilot_share: float | None
    pilot_trajectories: int | None
    precision: dict
    exact_states: int | None
    exact_seconds: float | None
    exact_refused: str | None

    def __repr__(self) -> str:
        return self.text.rstrip()


def whole(what: str, value, least: int, most: int) -> int:
    """A whole number from least to most."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{what} is {value!r}, expected a whole number")
    if not np.isfinite(value) or value != int(value) or not least <= value <= most:
        raise ValueError(f"{what} is {value}, expected a whole number from {least} to {most}")
    return int(value)


def _written(value) -> str:
    return value if isinstance(value, str) else _toml.value(value)


def _text_of(envelope) -> str:
    return envelope if isinstance(envelope, str) else _toml.value(envelope)


def _given(**entries) -> dict:
    return {name: entry for name, entry in entries.items() if entry is not None}
