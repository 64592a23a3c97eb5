"""Read a result folder of leyden with numpy alone.

    from leyden_results import read
    run = read("runs/aging")
    run.time, run["energy"], run.se("energy"), run.interval("energy")
    run.mean(run.shots["energy_outcome"]), run.histogram(run.shots["energy_outcome"], bins=20)

On the command line it prints what a folder holds: python scripts/leyden_results.py runs/aging
"""

import csv
import hashlib
import json
import pathlib
import sys

import numpy as np


class Result:
    """Columns of observables.csv by name, shots, states, summary and manifest of one folder."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.manifest = json.loads((self.folder / "manifest.json").read_text(encoding="utf-8"))
        table = "sweep.csv" if (self.folder / "sweep.csv").exists() else "observables.csv"
        self.columns = _columns(self.folder / table)
        self.summary = _columns(self.folder / "summary.csv") if (self.folder / "summary.csv").exists() else {}
        self.shots = _arrays(self.folder / "shots.npz")
        self.states = _arrays(self.folder / "states.npz")

    @property
    def time(self):
        return self.columns["time"]

    @property
    def names(self):
        """The quantities, without their errors and bounds."""
        extra = {name + end for name in self.columns for end in ("_se", "_lo", "_hi")} | {"time", "step", "cycle"}
        return [name for name in self.columns if name not in extra]

    def __getitem__(self, name):
        if name not in self.columns:
            raise KeyError(f"there is no column {name!r} among {', '.join(self.names)}")
        return self.columns[name]

    def se(self, name):
        """Standard error at every row, 0 of an exact result."""
        return self.columns.get(name + "_se", np.zeros_like(self[name], dtype=float))

    def interval(self, name):
        """The 95 % interval at every row; the value itself of an exact result."""
        value = self[name]
        return self.columns.get(name + "_lo", value), self.columns.get(name + "_hi", value)

    def mean(self, values):
        """Mean over all trajectories of an array with one entry a shot."""
        return np.average(values, axis=0, weights=self.shots["weight"])

    def histogram(self, values, bins=10):
        """Probability in each bin, and the edges of the bins."""
        return np.histogram(values, bins=bins, weights=self.shots["weight"])

    def check(self):
        """Names of files that are not as the manifest has them: none, unless something was changed or lost."""
        bad = []
        for name, sum_ in self.manifest["files"].items():
            path = self.folder / name
            if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != sum_:
                bad.append(name)
        return bad

    def __repr__(self):
        m = self.manifest
        sampled = f", {m['trajectories']} trajectories" if "trajectories" in m else ""
        return f"{m.get('title', self.folder.name)}: {m['command']}{sampled}, {len(self.time)} rows of {', '.join(self.names)}"


def read(folder):
    """The result in a folder that `leyden run`, `exact`, `steady`, `meanfield`, `verify` or `sweep` has written."""
    return Result(folder)


def _columns(path):
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    columns = {}
    for k, name in enumerate(rows[0]):
        cells = [row[k] for row in rows[1:]]
        try:
            columns[name] = np.array([float(cell) if cell else np.nan for cell in cells])
        except ValueError:
            columns[name] = np.array(cells)
    return columns


def _arrays(path):
    if not path.exists():
        return {}
    with np.load(path) as archive:
        return {name: archive[name] for name in archive.files if name != "README.txt"}


if __name__ == "__main__":
    for folder in sys.argv[1:] or ["."]:
        result = read(folder)
        print(result)
        for name in result.names:
            values = result[name]
            if values.dtype.kind == "f":
                print(f"  {name:<20} {values[-1]:.6g} ± {result.se(name)[-1]:.2g} at the end")
        for name in result.check():
            print(f"  {name} is not as it was written")
