#!/usr/bin/env python3
"""Compare `leyden exact` with QuTiP on the shipped inputs, at the size in their [verify] section.

    python -m venv qutip && qutip/bin/pip install qutip
    cargo build --release && qutip/bin/python scripts/qutip_check.py [INPUT.toml ...]

QuTiP works in the full tensor space and shares nothing with leyden but the equation that `leyden export` wrote down.
Exit status 1 when a column differs by more than 1e-6, relative to its size or absolutely where that is below 1.
"""

import csv
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
LEYDEN = os.environ.get("LEYDEN", str(TARGET / "release" / "leyden"))
TOLERANCE = 1e-6
# Where the size in [verify] is one that only a symmetric representation reaches.
SMALLER = {"aging": {"N": 5}, "aging_release": {"N": 5}, "thermal": {"N": 4}}


def table(path):
    """The rows of a CSV file and its columns of numbers; an empty cell is None."""
    with open(path, newline="") as file:
        lines = list(csv.DictReader(file))
    keys = [(line.get("step"), line.get("cycle")) for line in lines]
    names = [name for name in lines[0] if name not in ("step", "cycle")]
    return keys, {name: [float(line[name]) if line[name] else None for line in lines] for name in names}


def difference(exact, script, energy):
    """Largest difference of two columns, infinite where either is not a number; the script leaves ratios empty where
    there is no energy."""
    worst = 0.0
    for e, s, stored in zip(exact, script, energy):
        if s is None and (e is None or abs(stored) < 1e-8):
            continue
        apart = math.inf if e is None or s is None else abs(e - s) / max(1.0, abs(e))
        # `max` would pass over a NaN.
        worst = max(worst, math.inf if math.isnan(apart) else apart)
    return worst


def check(path, folder):
    """Whether both programs agree on one input."""
    overrides = [f"-p{name}={value}" for name, value in SMALLER.get(path.stem, {}).items()]
    script, result = folder / f"{path.stem}.py", folder / path.stem
    run = lambda *words: subprocess.run(words, check=True, stdout=subprocess.DEVNULL, cwd=folder)
    run(LEYDEN, "export", str(path), "--small", *overrides, "--out", str(script))
    run(LEYDEN, "exact", str(path), "--small", *overrides, "--out", str(result))
    started = time.monotonic()
    run(sys.executable, "-W", "ignore", str(script))
    seconds = time.monotonic() - started
    exact_rows, exact = table(result / "observables.csv")
    script_rows, qutip = table(script.with_suffix(".csv"))
    same = exact_rows == script_rows and list(exact) == list(qutip)
    print(f"{path.name}: {len(exact_rows)} rows, QuTiP took {seconds:.1f} s" + ("" if same else ", tables DIFFER in shape"))
    for name in [name for name in exact if name in qutip] if same else []:
        worst = difference(exact[name], qutip[name], exact.get("energy", exact["time"]))
        same &= worst <= TOLERANCE
        print(f"    {name:<20} {worst:.1e}{'' if worst <= TOLERANCE else '  DISAGREES'}")
    if (result / "correlations.csv").exists():
        _, exact = table(result / "correlations.csv")
        _, qutip = table(script.with_name(f"{path.stem}_correlations.csv"))
        same &= list(exact) == list(qutip)
        for name in exact if same else []:
            worst = difference(exact[name], qutip[name], [0.0] * len(exact[name]))
            same &= worst <= TOLERANCE
            print(f"    {name:<20} {worst:.1e}{'' if worst <= TOLERANCE else '  DISAGREES'}")
    return same


def main():
    inputs = [Path(name).resolve() for name in sys.argv[1:]] or sorted((ROOT / "examples").glob("*.toml"))
    failed = []
    with tempfile.TemporaryDirectory() as folder:
        for path in inputs:
            try:
                agrees = check(path, Path(folder))
            except subprocess.CalledProcessError as error:
                print(f"{path.name}: {' '.join(error.cmd)} failed")
                agrees = False
            if not agrees:
                failed.append(path.name)
    print(f"{len(inputs) - len(failed)} of {len(inputs)} inputs agree with QuTiP to {TOLERANCE:g}")
    if failed or not inputs:
        sys.exit(f"disagreement in: {', '.join(failed) or 'no inputs'}")


if __name__ == "__main__":
    main()
