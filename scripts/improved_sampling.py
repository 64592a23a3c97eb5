"""How long leyden and QuTiP's improved sampling take to the same error where jumps are rare.

Both draw trajectories of the same equation again and again with other seeds, on one core; the error is the root mean square
distance of the energy at the end from the exact one, known to a tenth, and the figure of merit is time x error^2, which
does not depend on the number of trajectories.

    python scripts/improved_sampling.py target/release/leyden
"""

import csv
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import qutip as qt

REPEATS = 48
OURS, THEIRS = 40_000, 2_000
ROOT = Path(__file__).resolve().parent.parent

OSCILLATORS = dict(cutoff=5, F=0.1, t_end=4, samples=2)
STAR = dict(N=3, F=0.1, t_end=4, samples=2)


def oscillators():
    """Two modes, the first driven and dephased."""
    d, one = OSCILLATORS["cutoff"], qt.qeye(OSCILLATORS["cutoff"])
    c, b = qt.tensor(qt.destroy(d), one), qt.tensor(one, qt.destroy(d))
    h = c.dag() @ b + b.dag() @ c + OSCILLATORS["F"] * (c + c.dag())
    return h, qt.tensor(qt.basis(d, 0), qt.basis(d, 0)), [c.dag() @ c], b.dag() @ b


def star():
    """A driven and dephased cell that feeds N cells."""
    cells = STAR["N"] + 1
    lower = lambda k: qt.tensor([qt.sigmap().dag() if j == k else qt.qeye(2) for j in range(cells)])
    s = [lower(k) for k in range(cells)]
    h = sum(s[0].dag() @ x + x.dag() @ s[0] for x in s[1:]) + STAR["F"] * (s[0] + s[0].dag())
    ground = qt.tensor([qt.basis(2, 1)] * cells)
    return h, ground, [s[0].dag() @ s[0]], sum(x.dag() @ x for x in s[1:])


def leyden(program, name, parameters, trajectories, seed):
    """The energy of the battery at the end and the seconds that it took, program start and files included."""
    with tempfile.TemporaryDirectory() as folder:
        options = [x for key, value in parameters.items() for x in ("-p", f"{key}={value}")]
        command = [program, "run", str(ROOT / "examples" / f"{name}.toml"), *options, "--seed", str(seed)]
        command += ["--trajectories", str(trajectories), "--threads", "1", "--no-shots", "--out", f"{folder}/run"]
        subprocess.run(command, check=True, capture_output=True)
        seconds = json.loads(Path(f"{folder}/run/manifest.json").read_text())["environment"]["wall_seconds"]
        row = list(csv.DictReader(open(f"{folder}/run/observables.csv")))[-1]
        return float(row["energy_B"]), seconds


def main(program):
    for name, parameters, model in [
        ("dephased_oscillators", OSCILLATORS, oscillators),
        ("star", STAR, star),
    ]:
        h, psi, c_ops, energy = model()
        times = np.linspace(0, parameters["t_end"], 3)
        solved = qt.mesolve(h, qt.ket2dm(psi), times, c_ops, e_ops=[energy], options={"atol": 1e-12, "rtol": 1e-10})
        exact = solved.expect[0][-1]
        ours, theirs = [], []
        for seed in range(1, REPEATS + 1):
            value, seconds = leyden(program, name, parameters, OURS, seed)
            ours.append((value - exact, seconds))
            options = {"improved_sampling": True, "map": "serial", "progress_bar": "", "keep_runs_results": False}
            begun = time.perf_counter()
            run = qt.mcsolve(h, psi, times, c_ops, e_ops=[energy], ntraj=THEIRS, seeds=seed, options=options)
            theirs.append((run.average_expect[0][-1] - exact, time.perf_counter() - begun))
        print(f"{name} {parameters}, exactly {exact:.9f}")
        merits = []
        for who, n, runs in [("leyden", OURS, ours), ("QuTiP", THEIRS, theirs)]:
            errors, seconds = np.array(runs).T
            error, each = np.sqrt(np.mean(errors**2)), np.mean(seconds)
            merits.append(each * error**2)
            per_run = f"{1e6 * each / n:.1f} us and an error of {error * n**0.5:.1e} a trajectory"
            print(f"  {who}, {n} trajectories: {error:.2e} in {each:.3f} s ({per_run})")
        print(f"  to the same error {merits[1] / merits[0]:.0f} times as long\n")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else str(ROOT / "target/release/leyden"))
