"""``mcsolve`` as QuTiP has it: the same arguments and attributes, with errors beside them."""

from __future__ import annotations

import secrets
import time as clock
from dataclasses import replace

import numpy as np

from . import _leyden, _progress
from .operators import Matrix
from .problem import whole
from .rotate import rotated
from . import system as systems
from .system import System, system

#: What ``options`` may hold, with what it is otherwise. Those of QuTiP that choose how to integrate or to share out work are taken and
#: change nothing: waiting times are exact, and threads are as many as cores.
OPTIONS = {
    "keep_runs_results": False,
    "improved_sampling": False,
    "store_states": None,
    "store_final_state": False,
    "threads": 0,
    "representation": None,
    "rotate_jumps": False,
    "progress_bar": "auto",
}
PASSED_OVER = {
    "method", "map", "num_cpus", "mpi_options", "norm_steps", "norm_t_tol", "norm_tol", "mc_corr_eps", "progress_kwargs", "normalize_output",
    "atol", "rtol", "nsteps", "max_step", "min_step", "order", "first_step", "jobs", "chunksize", "store_ados", "job_timeout",
}

#: Trajectories between two looks at errors and at the clock.
SMALL = 16


def mcsolve(
    H, state, tlist, c_ops=None, e_ops=None, ntraj=500, *, args=None, options=None, seeds=None, target_tol=None, timeout=None, dims=None
):
    r"""Quantum trajectories of dρ/dt = −i[H, ρ] + Σ_k D[c_k]ρ, as :func:`qutip.mcsolve` gives them.

    Parameters
    ----------
    H : Qobj, QobjEvo, matrix, list or function of time
        Hamiltonian, in the inverse unit of the times (ħ = 1). A list holds matrices and [matrix, coefficient]. A Liouvillian of
        Lindblad form (:func:`leyden.lindblad_form`) adds its jump operators behind those of ``c_ops``.
    state : Qobj, array, or list of (ket, probability)
        Ket or density matrix to start from.
    tlist : array_like
        Rising times at which results are given.
    c_ops : list, optional
        Jump operators, √rate included; in every form that H has.
    e_ops : operator, list or dict of operators, optional
        What is averaged.
    ntraj : int
        Number of trajectories, at most where a tolerance is given.
    args : dict, optional
        Arguments of the coefficients.
    options : dict, optional
        ``keep_runs_results``, ``improved_sampling`` (the trajectory that never jumps is followed exactly, the others jump),
        ``store_states``, ``store_final_state``, ``progress_bar``; and ``threads`` (0 for one a core), ``representation``,
        ``rotate_jumps`` (jump operators may be replaced by others of the same master equation whose blocks are smaller:
        ``col_which`` then counts these, which are none of c_ops).
    seeds : int, SeedSequence, or those of an earlier result, optional
        Of the random streams; fresh ones if not given.
    target_tol : float, (atol, rtol) or a list of these, optional
        Stop once the standard error of every average is at most atol + rtol·|average|. The intervals are then those that hold for
        a run that was stopped for what was seen of it.
    timeout : float, optional
        Stop after so many seconds.
    dims : list of int, optional
        Dimensions of the tensor factors, where the operators do not say them.

    Returns
    -------
    McResult

    Raises
    ------
    ValueError, TypeError
        What is wrong with an operator, a state, a time or a number, and where.
    leyden.CompileError
        The space is too large.
    """
    started = clock.perf_counter()
    options = _options(options)
    ntraj_asked = ntraj if isinstance(ntraj, (list, tuple)) else whole("ntraj", ntraj, 1, 10**12)
    of = system(H, tlist, c_ops, e_ops, args, dims)
    if options["rotate_jumps"]:
        of = replace(of, jumps=rotated(of.jumps, of.size))
    states = _states(state, of)
    mixed = len(states) > 1
    counts = _shares([p for p, _ in states], ntraj_asked)
    total = sum(counts)
    entropy, number = _seeds(seeds, total)
    tolerances = _tolerances(target_tol, of)
    if tolerances and mixed:
        raise ValueError("target_tol is for pure initial states: of a mixture each state has its share of the trajectories")
    keep = options["store_states"]
    keep = not of.observables if keep is None else keep
    prepared = clock.perf_counter()
    title = "mcsolve"
    strata = []
    if len(counts) == len(states):
        parts = [([(1.0, ket)], p, n) for (p, ket), n in zip(states, counts)]
    else:  # more states than trajectories: each draws its own
        norm = sum(p for p, _ in states)
        parts = [([(p / norm, ket) for p, ket in states], norm, total)]
    told, close = _progress.bar(_bar(options["progress_bar"]), total)
    limit = None if timeout is None else max(float(timeout), 0.0)
    try:
        for start, weight, n in parts:
            problem = of.problem(
                start, keep or options["store_final_state"], title, representation=options["representation"],
                single=options["keep_runs_results"],
            )
            left = None if limit is None else max(limit - (clock.perf_counter() - prepared), 0.0)
            run = problem.sample(
                n, entropy, first=number, threads=options["threads"], shots=False, plain=not options["improved_sampling"],
                most=SMALL if tolerances or limit is not None else None,
                targets=tolerances, by_interval=False, max_time=left, progress=told,
            )
            strata.append(Stratum(problem, run, start, weight, n))
            number += n
    finally:
        close()
    ended = clock.perf_counter()
    made = sum(s.run.trajectories for s in strata)
    if made >= total:
        why = "ntraj reached"
    else:
        late = limit is not None and ended - prepared >= limit
        why = "timeout" if late else "target tolerance reached"
    stats = {
        "method": "quantum jumps with exact waiting times",
        "solver": "leyden mcsolve",
        "num_collapse": len(of.jumps),
        "init time": prepared - started,
        "preparation time": prepared - started,
        "run time": ended - prepared,
        "end_condition": why,
    }
    return McResult(of, strata, options, stats, keep)


def _bar(wanted):
    return {"": False, None: False, "tqdm": True, "text": True, "enhanced": True}.get(wanted, wanted)


def _options(given) -> dict:
    options = dict(OPTIONS)
    for name, value in (given or {}).items():
        if name == "bitgenerator" and value is not None:
            raise ValueError(f"the bit generator {value!r} is not available: leyden draws from ChaCha streams, one a trajectory")
        if name in options:
            options[name] = value
        elif name not in PASSED_OVER and name != "bitgenerator":
            raise KeyError(f"unknown option {name!r}; there are {', '.join(OPTIONS)}")
    return options


def _states(given, of: System):
    return systems.state(given, of.size)


def _shares(weights: list[float], ntraj) -> list[int]:
    """Trajectories of each initial state: in proportion, at least one each; all together where there are too few."""
    if isinstance(ntraj, (list, tuple)):
        if len(ntraj) != len(weights):
            raise ValueError(f"ntraj has {len(ntraj)} numbers for {len(weights)} initial states")
        return [whole("ntraj", n, 1, 10**12) for n in ntraj]
    if len(weights) > ntraj:
        return [ntraj]
    share = np.array(weights) / sum(weights) * ntraj
    counts = np.maximum(np.floor(share).astype(int), 1)
    # What is left goes to the largest remainders; what is too much comes from the largest counts.
    while counts.sum() < ntraj:
        counts[(share - counts).argmax()] += 1
    while counts.sum() > ntraj:
        counts[counts.argmax()] -= 1
    return counts.tolist()


def _seeds(seeds, n: int) -> tuple[int, int]:
    """The seed of the streams, and the number of the first."""
    if seeds is None:
        return secrets.randbits(53), 0
    if isinstance(seeds, (int, np.integer)) and not isinstance(seeds, bool):
        return _entropy(np.random.SeedSequence(int(seeds))), 0
    if isinstance(seeds, np.random.SeedSequence):
        return _entropy(seeds), 0
    if isinstance(seeds, (list, tuple)):
        if len(seeds) < n:
            raise ValueError(f"{len(seeds)} seeds are given for {n} trajectories")
        first = seeds[0]
        of_one_run = all(
            isinstance(s, np.random.SeedSequence) and s.entropy == first.entropy and s.spawn_key[-1:] == (first.spawn_key[-1] + k,)
            for k, s in enumerate(seeds)
        ) if isinstance(first, np.random.SeedSequence) and first.spawn_key else False
        if of_one_run and len(first.spawn_key) == 1 and isinstance(first.entropy, int):
            return first.entropy, first.spawn_key[0]
        raise ValueError("a list of seeds must be that of an earlier result, or a stretch of it: trajectory k draws from stream (seed, k)")
    raise TypeError(f"seeds is of type {type(seeds).__name__}, expected an int, a SeedSequence or the seeds of an earlier result")


def _entropy(sequence: np.random.SeedSequence) -> int:
    return int(sequence.generate_state(1, np.uint64)[0] >> 11)


def _tolerances(target, of: System) -> list[tuple[str, float, float]]:
    if target is None:
        return []
    if not of.observables:
        raise ValueError("target_tol needs e_ops, whose averages are to be known so well")
    single = np.ndim(target) == 0
    pairs = [(target, 0.0)] * len(of.observables) if single else list(target)
    if not single and len(pairs) == 2 and all(np.ndim(x) == 0 for x in pairs):
        pairs = [tuple(pairs)] * len(of.observables)
    if len(pairs) != len(of.observables):
        raise ValueError(f"target_tol has {len(pairs)} entries for {len(of.observables)} e_ops")
    pairs = [(pair, 0.0) if np.ndim(pair) == 0 else tuple(pair) for pair in pairs]
    found = []
    for (atol, rtol), observable in zip(pairs, of.observables):
        if not (atol >= 0 and rtol >= 0 and atol + rtol > 0):
            raise ValueError(f"target_tol holds ({atol}, {rtol}), expected numbers ≥ 0, not both 0")
        found += [(column, float(atol), float(rtol)) for column in observable.columns]
    return found


class Stratum:
    """The trajectories that start in one state."""

    def __init__(self, problem: _leyden.Problem, run: _leyden.Run, start: list, weight: float, asked: int):
        self.problem, self.run, self.start, self.weight, self.asked = problem, run, start, weight, asked
        self.kept: dict = {}
        self.table = self.single = self.single_table = None

    def read(self, threads: int) -> dict:
        """The columns."""
        if self.table is None:
            self.table, _ = self.run.conclude(threads)
        return self.table

    def by_operator(self, of: System) -> _leyden.Problem:
        """The problem whose trajectories are those of c_ops: of cells that are alike averages are made of spins J."""
        if self.problem.same_runs:
            return self.problem
        if self.single is None:
            self.single = of.problem(self.start, False, "mcsolve", single=True)
        return self.single

    def read_by_operator(self, of: System, options: dict) -> dict:
        """The columns of those trajectories."""
        if self.problem.same_runs:
            return self.read(options["threads"])
        if self.single_table is None:
            run = self.by_operator(of).sample(
                self.run.trajectories, self.run.seed, first=self.run.first, threads=options["threads"], shots=False,
                plain=not options["improved_sampling"],
            )
            self.single_table, _ = run.conclude(options["threads"])
        return self.single_table

    def again(self, of: System, options: dict, **wanted) -> tuple[dict, list[float], dict]:
        """Its trajectories as data, made anew from the same streams."""
        key = tuple(sorted(name for name, value in wanted.items() if value))
        if key not in self.kept:
            every = {"values": False, "states": False, "jumps": False} | wanted
            self.kept[key] = self.by_operator(of).trajectories(
                self.run.seed, self.run.first, self.run.trajectories, plain=not options["improved_sampling"],
                dims=[d for d in of.dims if d > 1], threads=options["threads"], **every,
            )
        return self.kept[key]


class McResult:
    """What :func:`mcsolve` gives, by the names that QuTiP has, and with errors.

    Attributes
    ----------
    times : ndarray
        The times of the rows.
    e_ops, options, stats : dict
        What was asked, and how it went.
    expect : list of ndarray
        ``average_expect``, or ``runs_expect`` where ``keep_runs_results``.
    average_expect, std_expect : list of ndarray
        Average of each of e_ops over trajectories, and the spread between them.
    expect_se : list of ndarray
        Standard error of each average; that of what is rare holds what was not seen.
    expect_interval : list of (ndarray, ndarray)
        95 % interval of each average.
    runs_expect : list of ndarray
        (trajectory, time) of each of e_ops, where ``keep_runs_results``.
    col_times, col_which : list of list
        Times and operators of the jumps of each trajectory.
    photocurrent : list of ndarray
        Jumps of each operator per unit of time between times, averaged.
    """

    def __init__(self, of: System, strata: list[Stratum], options: dict, stats: dict, states: bool, shares=None):
        self._of, self._strata, self._has_states = of, strata, states
        self.options, self.stats = options, stats
        # The part of the whole that each stratum stands for.
        self._shares = [s.weight for s in strata] if shares is None else shares
        self.times = of.times
        self.solver = "leyden mcsolve"

    # Averages.

    def _average(self, column: str) -> tuple[np.ndarray, ...]:
        """Average, standard error and interval of a column over all strata."""
        value = square = below = above = 0.0
        for stratum, p in zip(self._strata, self._shares):
            own, se, lo, hi = stratum.read(self.options["threads"])["columns"][column]
            value = value + p * own
            square = square + (p * se) ** 2
            below, above = below + (p * (own - lo)) ** 2, above + (p * (hi - own)) ** 2
        found = (value, np.sqrt(square), value - np.sqrt(below), value + np.sqrt(above))
        return tuple(array[: len(self.times)] for array in found)

    def _spread(self, column: str) -> np.ndarray:
        """Standard deviation of a column between the trajectories of all strata."""
        value = mean_square = 0.0
        for stratum, p in zip(self._strata, self._shares):
            table = stratum.read_by_operator(self._of, self.options)
            own, std = table["columns"][column][0], np.nan_to_num(table["std"][column])
            # Of the trajectories as they are, as QuTiP has it, not an estimate for all that there could be.
            n = stratum.run.trajectories
            shrink = 1.0 if self.options["improved_sampling"] else (n - 1) / n
            value, mean_square = value + p * own, mean_square + p * (shrink * std**2 + own**2)
        return np.sqrt(np.maximum(mean_square - value**2, 0.0))[: len(self.times)]

    def _each(self, real, both, of=None) -> list:
        """Something of each of e_ops: of a Hermitian one from its one column, of others from two."""
        of = of or self._average
        columns = (tuple(of(column) for column in o.columns) for o in self._of.observables)
        return [real(*own) if len(own) == 1 else both(*own) for own in columns]

    @property
    def average_expect(self) -> list[np.ndarray]:
        """Average of each of e_ops at each time."""
        return self._each(lambda x: x[0], lambda x, y: x[0] + 1j * y[0])

    @property
    def std_expect(self) -> list[np.ndarray]:
        """Spread of each of e_ops between trajectories."""
        return self._each(lambda x: x, np.hypot, self._spread)

    @property
    def expect_se(self) -> list[np.ndarray]:
        """Standard error of each average; of a complex one of its real part and, as imaginary part, of its imaginary part."""
        return self._each(lambda x: x[1], lambda x, y: x[1] + 1j * y[1])

    @property
    def expect_interval(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """95 % interval (lo, hi) of each average; of a complex one those of both parts."""
        return self._each(lambda x: (x[2], x[3]), lambda x, y: (x[2] + 1j * y[2], x[3] + 1j * y[3]))

    @property
    def runs_expect(self) -> list[np.ndarray]:
        """Each of e_ops in each trajectory at each time; empty unless ``keep_runs_results``."""
        if not self.options["keep_runs_results"]:
            return []
        runs = []
        for observable in self._of.observables:
            parts = []
            for stratum in self._strata:
                values = stratum.again(self._of, self.options, values=True)[0]["values"][:, : len(self.times)]
                slots = dict(stratum.by_operator(self._of).slots)
                own = [values[:, :, slots[column]] for column in observable.columns]
                parts.append(own[0] if len(own) == 1 else own[0] + 1j * own[1])
            runs.append(np.concatenate(parts))
        return runs

    @property
    def expect(self) -> list[np.ndarray]:
        """``runs_expect`` where runs are kept, ``average_expect`` otherwise."""
        return self.runs_expect or self.average_expect

    def _data(self, values: list) -> dict:
        return {o.key: value for o, value in zip(self._of.observables, values)}

    @property
    def e_ops(self) -> dict:
        """What is averaged, by its key."""
        return {o.key: o.op for o in self._of.observables}

    @property
    def e_data(self) -> dict:
        """``expect`` by the keys of e_ops."""
        return self._data(self.expect)

    @property
    def average_e_data(self) -> dict:
        """``average_expect`` by the keys of e_ops."""
        return self._data(self.average_expect)

    @property
    def std_e_data(self) -> dict:
        """``std_expect`` by the keys of e_ops."""
        return self._data(self.std_expect)

    @property
    def runs_e_data(self) -> dict:
        """``runs_expect`` by the keys of e_ops."""
        return self._data(self.runs_expect)

    # States.

    def _average_rho(self):
        if not self._has_states and not self.options["store_final_state"]:
            return None
        tables = [s.read(self.options["threads"])["states"]["rho"] for s in self._strata]
        return sum(p * rho for p, rho in zip(self._shares, tables))[: len(self.times)]

    @property
    def average_states(self):
        """Averaged density matrix at each time, where ``store_states``, which is so where there are no e_ops."""
        rho = self._average_rho() if self._has_states else None
        return None if rho is None else [self._of.qobj(x) for x in rho]

    @property
    def average_final_state(self):
        """Averaged density matrix at the last time."""
        rho = self._average_rho()
        return None if rho is None else self._of.qobj(rho[-1])

    @property
    def runs_states(self):
        """The ket of each trajectory at each time, where ``keep_runs_results`` and states are stored."""
        if not (self.options["keep_runs_results"] and self._has_states):
            return None
        kets = (s.again(self._of, self.options, states=True)[0]["states"] for s in self._strata)
        return [[self._of.qobj(ket) for ket in run[: len(self.times)]] for part in kets for run in part]

    @property
    def runs_final_states(self):
        """The ket of each trajectory at the last time."""
        if not self.options["keep_runs_results"] or self._average_rho() is None:
            return None
        kets = (s.again(self._of, self.options, states=True)[0]["states"] for s in self._strata)
        return [self._of.qobj(run[len(self.times) - 1]) for part in kets for run in part]

    @property
    def states(self):
        """``runs_states`` where runs are kept, ``average_states`` otherwise."""
        return self.runs_states or self.average_states

    @property
    def final_state(self):
        """``runs_final_states`` where runs are kept, ``average_final_state`` otherwise."""
        return self.runs_final_states or self.average_final_state

    def steady_state(self, N: int = 0):
        """Average of the averaged states over the last N times; all if 0."""
        rho = self._average_rho() if self._has_states else None
        return None if rho is None else self._of.qobj(rho[-(N or len(rho)) :].mean(axis=0))

    # Jumps.

    def _jumps(self):
        """Of each trajectory the times and the operators of its jumps."""
        for stratum in self._strata:
            data = stratum.again(self._of, self.options, jumps=True)[0]
            ends = np.cumsum(data["jumps_of"]).astype(int)
            times, channels = data["times"] + self.times[0], data["channels"].astype(int)
            yield from zip(np.split(times, ends[:-1]), np.split(channels, ends[:-1]))

    @property
    def col_times(self) -> list[list[float]]:
        """Times of the jumps of each trajectory."""
        return [times.tolist() for times, _ in self._jumps()]

    @property
    def col_which(self) -> list[list[int]]:
        """Which of c_ops jumped, of each trajectory."""
        return [which.tolist() for _, which in self._jumps()]

    @property
    def collapse(self) -> list[list[tuple[float, int]]]:
        """(time, which of c_ops) of the jumps of each trajectory."""
        return [list(zip(times.tolist(), which.tolist())) for times, which in self._jumps()]

    @property
    def runs_photocurrent(self) -> list[list[np.ndarray]]:
        """Jumps of each operator per unit of time between two times, in each trajectory."""
        widths, n = np.diff(self.times), len(self._of.jumps)
        of = lambda times, which, k: np.histogram(times[which == k], self.times)[0] / widths  # noqa: E731
        return [[of(times, which, k) for k in range(n)] for times, which in self._jumps()]

    @property
    def photocurrent(self) -> list[np.ndarray]:
        """Jumps of each operator per unit of time between two times, averaged."""
        runs = np.array(self.runs_photocurrent)
        return list(np.tensordot(np.array(self.runs_weights), runs, axes=1))

    # Trajectories.

    @property
    def num_trajectories(self) -> int:
        """Number of trajectories that were sampled."""
        return sum(s.run.trajectories for s in self._strata)

    @property
    def seeds(self) -> list[np.random.SeedSequence]:
        """One a trajectory, to make the same again: number k of a run draws from stream (entropy, k)."""
        numbers = ((s.run.seed, s.run.first + k) for s in self._strata for k in range(s.run.trajectories))
        return [np.random.SeedSequence(entropy, spawn_key=(k,)) for entropy, k in numbers]

    @property
    def deterministic_weights(self) -> list[float]:
        """Weights of the trajectories that never jump, where they are followed exactly."""
        known = (s.again(self._of, self.options, jumps=True)[1] for s in self._strata)
        return [p * weight for p, weights in zip(self._shares, known) for weight in weights]

    @property
    def runs_weights(self) -> list[float]:
        """Weight of each trajectory in averages."""
        weights = []
        for stratum, p in zip(self._strata, self._shares):
            known = sum(stratum.again(self._of, self.options, jumps=True)[1])
            n = stratum.run.trajectories
            weights += [p * (1.0 - known) / n] * n
        return weights

    @property
    def initial_states(self) -> list:
        """The states that trajectories start in."""
        return [self._of.qobj(ket) for s in self._strata for _, ket in s.start]

    @property
    def ntraj_per_initial_state(self) -> list[int]:
        """Number of trajectories of each of them."""
        return [s.run.trajectories for s in self._strata]

    # What QuTiP lacks.

    def ergotropy(self, H_battery, part=None):
        """Ergotropy of a part with bounds: Tr ρH_B − min over unitaries U of Tr UρU†H_B.

        As many trajectories are made again, from the same random streams, and asked for it.

        Parameters
        ----------
        H_battery : Qobj or matrix
            Hamiltonian of the part, on its factors alone.
        part : int or list of int, optional
            The tensor factors that it is made of; all if not given.

        Returns
        -------
        Column
            A value at each time with ``se`` and ``interval``: a sampled ergotropy is biased, so trust the interval.
        """
        from .result import Column

        if len(self._strata) != 1:
            raise ValueError("the ergotropy of a mixed start is that of no one run: start from a list of one state")
        places = list(range(len(self._of.dims))) if part is None else np.atleast_1d(part).astype(int).tolist()
        if any(not 0 <= k < len(self._of.dims) for k in places) or len(set(places)) != len(places) or not places:
            raise ValueError(f"part is {part}, expected different numbers from 0 to {len(self._of.dims) - 1}")
        matrix = Matrix.of(H_battery, "H_battery")
        size = int(np.prod([self._of.dims[k] for k in places]))
        if matrix.size != size:
            raise ValueError(f"H_battery has {matrix.size} states and the part {part} has {size}")
        if not matrix.is_hermitian():
            raise ValueError("H_battery is not Hermitian")
        # The compiled half knows only the factors of more than one level.
        large = [k for k, d in enumerate(self._of.dims) if d > 1]
        battery = ([large.index(k) for k in places if k in large], matrix.triple())
        (stratum,) = self._strata
        problem = self._of.problem(stratum.start, False, "ergotropy", battery, self.options["representation"])
        run = problem.sample(
            stratum.run.trajectories, stratum.run.seed, first=stratum.run.first, threads=self.options["threads"], shots=False,
            plain=not self.options["improved_sampling"],
        )
        table, _ = run.conclude(self.options["threads"])
        value, se, lo, hi = table["columns"]["ergotropy"]
        n = len(self.times)
        return Column(value[:n], None if se is None else se[:n], None if lo is None else lo[:n], None if hi is None else hi[:n])

    # Together with others.

    def merge(self, other: McResult, p: float | None = None) -> McResult:
        """Both together; ``p`` is the weight of the first, by the numbers of trajectories if not given."""
        if not isinstance(other, McResult):
            raise TypeError(f"only results of leyden.mcsolve are merged, not a {type(other).__name__}")
        same = np.array_equal(self.times, other.times) and list(self.e_ops) == list(other.e_ops) and self._of.dims == other._of.dims
        if not same:
            raise ValueError("results are merged that have the same times, dims and e_ops")
        mine, theirs = self.num_trajectories, other.num_trajectories
        p = mine / (mine + theirs) if p is None else float(p)
        if not 0 <= p <= 1:
            raise ValueError(f"p is {p}, expected a number from 0 to 1")
        shares = [p * x for x in self._shares] + [(1 - p) * x for x in other._shares]
        states = self._has_states and other._has_states
        return McResult(
            self._of, self._strata + other._strata, self.options, self.stats | {"end_condition": "Merged results"}, states, shares
        )

    def __add__(self, other):
        return self.merge(other) if isinstance(other, McResult) else NotImplemented

    def __radd__(self, other):
        return self if isinstance(other, int) and other == 0 else NotImplemented

    def __getstate__(self) -> dict:
        strata = [(s.run.bytes(), s.start, s.weight, s.asked) for s in self._strata]
        return self.__dict__ | {"_strata": strata}

    def __setstate__(self, kept: dict) -> None:
        self.__dict__.update(kept)
        states = self._has_states or self.options["store_final_state"]
        self._strata = []
        for stored, start, weight, asked in kept["_strata"]:
            problem = self._of.problem(start, states, "mcsolve", representation=self.options["representation"])
            self._strata.append(Stratum(problem, _leyden.Run.from_bytes(problem, stored), start, weight, asked))

    def __repr__(self) -> str:
        lines = [
            f"<leyden.McResult: {self.num_trajectories} trajectories, {self.stats['end_condition']}, "
            f"{len(self.times)} times from {self.times[0]:g} to {self.times[-1]:g}"
        ]
        for key, value, se in zip(self.e_ops, self.average_expect, self.expect_se):
            lines.append(f"  e_ops[{key!r}] at the end: {value[-1]:.6g} ± {se[-1]:.2g}")
        return "\n".join(lines) + ">"
