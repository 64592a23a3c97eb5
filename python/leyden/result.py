"""What sampling or solving gave: columns by name, with errors where they were sampled."""

from __future__ import annotations

import numpy as np

from . import _leyden


class Column(np.ndarray):
    """A quantity at every row: an array of its values that also has errors.

    Attributes
    ----------
    se : ndarray or None
        Standard error at each row; None where it is exact. An array that was computed from a column has none.
    lo, hi : ndarray or None
        Bounds of the 95 % interval at each row.
    """

    def __new__(cls, value, se=None, lo=None, hi=None):
        column = np.asarray(value).view(cls)
        column.se, column.lo, column.hi = se, lo, hi
        return column

    def __array_finalize__(self, other):
        self.se = self.lo = self.hi = None

    @property
    def interval(self):
        """(lo, hi) of the 95 % interval at each row, or None where the numbers are exact."""
        return None if self.lo is None else (self.lo, self.hi)

    def __array_wrap__(self, array, context=None, return_scalar=False):
        # What is computed from a column is a plain array, or a number.
        plain = np.asarray(array)
        return plain[()] if return_scalar or plain.ndim == 0 else plain

    def __reduce__(self):
        return (Column, (np.asarray(self), self.se, self.lo, self.hi))


class Shots(dict):
    """Single shots by name, as attributes too; arrays with one entry, or one line, a trajectory.

    ``weight`` (the probability that each stands for), ``energy_mean`` (conditional ⟨H_B⟩ at the end), ``energy_outcome`` (one
    measurement of it), ``released`` (a column for each of ``releases``, which are (cycle, step)), ``jumps`` (a column for each of
    ``channels``). Where their probability is known, the trajectories that never jump come last.
    """

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"there are no shots of `{name}`; there are {', '.join(self)}") from None


class Result:
    """Columns by name, at every row of the protocol.

    ``result["energy"]`` is an array with ``.se`` and ``.interval``. Parts of one run are added by ``+`` or ``sum``.
    """

    def __init__(self, problem, table=None, run=None, threads=0):
        self.problem, self._run, self._threads = problem, run, threads
        self._table, self._shots = table, None

    # What there is.

    def _read(self) -> dict:
        if self._table is None:
            self._table, self._shots = self._run.conclude(self._threads)
        return self._table

    @property
    def time(self) -> np.ndarray:
        """Time of each row since the run began, in the inverse unit of rates; infinite for a steady state."""
        return self._read()["time"]

    @property
    def step(self) -> list[str]:
        """Name of the timed step of each row."""
        return self._read()["step"]

    @property
    def cycle(self) -> np.ndarray:
        """Cycle of each row, from 0."""
        return self._read()["cycle"]

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return list(self._read()["columns"])

    def __getitem__(self, name: str) -> Column:
        columns = self._read()["columns"]
        if name not in columns:
            raise KeyError(f"there is no column `{name}`; there are {', '.join(columns)}")
        return Column(*columns[name])

    def __contains__(self, name) -> bool:
        return name in self._read()["columns"]

    def __iter__(self):
        return iter(self.columns)

    @property
    def sampled(self) -> bool:
        """Whether the numbers have errors."""
        return self._run is not None

    @property
    def trajectories(self) -> int:
        """Number of trajectories; 0 of an exact solution."""
        return 0 if self._run is None else self._run.trajectories

    @property
    def seed(self):
        """Seed of all random streams; None of an exact solution."""
        return None if self._run is None else self._run.seed

    @property
    def shots(self) -> Shots:
        """Single shots, one entry a trajectory."""
        self._read()
        if self._shots is None:
            raise ValueError("no single shots were kept: sample with shots=True")
        return Shots(self._shots)

    @property
    def jumps(self) -> dict:
        """Every jump, trajectory by trajectory in the order of time: ``time``, ``channel``, ``step``, ``cycle`` and ``trajectory``.

        Kept where the input's ``[record]`` says ``jumps = true``.
        """
        jumps = self.shots.get("all_jumps")
        if jumps is None:
            raise ValueError("the jumps were not kept: `[record] jumps = true`, or Problem.record(jumps=True), keeps them")
        jumps = dict(jumps)
        of = jumps.pop("of")
        return {**jumps, "trajectory": np.repeat(np.arange(len(of)), of.astype(int))}

    @property
    def states(self) -> dict:
        """Averaged states that ``[observe] states`` asks for: name → one density matrix a row.

        An array (row, i, j); a list of ``Qobj`` where QuTiP is loaded.
        """
        import sys

        states = self._read()["states"]
        qutip = sys.modules.get("qutip")
        return states if qutip is None else {name: [qutip.Qobj(rho) for rho in rows] for name, rows in states.items()}

    # In other forms.

    def to_xarray(self):
        """An ``xarray.Dataset`` along ``row`` with the coordinates time, step and cycle; Q_se, Q_lo and Q_hi beside each sampled Q."""
        import xarray

        table = self._read()
        coordinates = {name: ("row", table[name]) for name in ("time", "step", "cycle")}
        attributes = {"title": self.problem.title, "program": f"leyden {_leyden.__version__}"}
        if self.sampled:
            attributes |= {"trajectories": self.trajectories, "seed": self.seed}
        columns = {name: ("row", array) for name, array in self._flat().items()}
        return xarray.Dataset(columns, coordinates, attributes)

    def to_pandas(self):
        """A ``pandas.DataFrame`` with the columns of ``observables.csv``."""
        import pandas

        table = self._read()
        return pandas.DataFrame({name: table[name] for name in ("time", "step", "cycle")} | self._flat())

    def _flat(self) -> dict:
        flat = {}
        for name, (value, *errors) in self._read()["columns"].items():
            flat[name] = value
            flat |= {f"{name}_{of}": array for of, array in zip(("se", "lo", "hi"), errors) if array is not None}
        return flat

    def plot(self, *names: str, ax=None):
        """Draw columns against time with their 95 % bands.

        Parameters
        ----------
        names : str
            The columns; all if none are named.
        ax : matplotlib.axes.Axes, optional
            Where to; a new figure otherwise.

        Returns
        -------
        matplotlib.axes.Axes
        """
        import matplotlib.pyplot as plt

        ax = plt.subplots()[1] if ax is None else ax
        for name in names or self.columns:
            column = self[name]
            (line,) = ax.plot(self.time, np.asarray(column), label=name)
            if column.interval is not None:
                ax.fill_between(self.time, column.lo, column.hi, color=line.get_color(), alpha=0.25, linewidth=0)
        ax.set_xlabel("time")
        ax.legend()
        return ax

    # Together with others.

    def __add__(self, other):
        if not isinstance(other, Result):
            return NotImplemented
        if self._run is None or other._run is None:
            raise TypeError("exact solutions have no parts to be added")
        if self.problem != other.problem:
            raise ValueError("only parts of one run are added: these are of different problems")
        return Result(self.problem, run=self._run.joined_with(other._run), threads=self._threads)

    def __radd__(self, other):
        return self if isinstance(other, int) and other == 0 else NotImplemented

    def __reduce__(self):
        if self._run is None:
            return (Result, (self.problem, self._table))
        return (_rebuilt, (self.problem, self._run.bytes(), self._threads))

    # For humans.

    def _lines(self) -> list[tuple[str, str]]:
        flag = "_undersampled"
        few = {name.removesuffix(flag) for name in self.columns if name.endswith(flag) and self[name][-1]}
        shown = (name for name in self.columns if not name.endswith(flag))
        return [(name, with_error(self[name]) + ("   undersampled" if name in few else "")) for name in shown]

    def _heading(self) -> str:
        how = f"{self.trajectories} trajectories, seed {self.seed}" if self.sampled else "exact"
        return f"{self.problem.title}: {how}; at t = {self.time[-1]:.6g}"

    def __repr__(self) -> str:
        lines = self._lines()
        width = max((len(name) for name, _ in lines), default=0)
        return "\n".join([self._heading(), *(f"  {name:<{width}}  {text}" for name, text in lines)])

    def _repr_html_(self) -> str:
        from html import escape

        rows = "".join(f"<tr><td>{escape(name)}</td><td>{escape(text)}</td></tr>" for name, text in self._lines())
        return f"<p>{escape(self._heading())}</p><table>{rows}</table>"


def with_error(column: Column, row: int = -1) -> str:
    """The value at a row with its standard error and interval."""
    value = float(column[row])
    if column.se is None and column.lo is None:
        return f"{value:.8g}"
    error = "" if column.se is None else f" ± {column.se[row]:.2g}"
    interval = "" if column.lo is None else f"   [{column.lo[row]:.5g}, {column.hi[row]:.5g}]"
    return f"{value:.6g}{error}{interval}"


def _rebuilt(problem, stored: bytes, threads: int) -> Result:
    return Result(problem, run=_leyden.Run.from_bytes(problem._compiled, stored), threads=threads)
