#!/usr/bin/env python3
"""What leyden, QuTiP, dynamiqs and mqt-yaqs take to a given true error, one core, in turn.

    python -m venv peers && peers/bin/pip install qutip dynamiqs mqt-yaqs matplotlib
    peers/bin/python benches/peers/bench.py target/release/leyden [--only tls,star] [--quick]

The error is the distance of the battery's energy from the exact one (exact.json, made by problems.py), root mean
square over all times and over repeats with other seeds, in parts of the largest exact value; what it has of bias, from steps
in time, is told from what more trajectories would mend. Times are processor time, which a busy machine does not change, without imports,
compilation and set-up; programs take turns. Into results/peers: table, data and picture.
"""

import argparse
import csv
import json
import resource
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np

import problems

HERE = Path(__file__).resolve().parent
OUT = HERE.parent.parent / "results" / "peers"
TARGET, REPEATS = 0.01, 6
NUMBERS = ["seconds_to_1_percent", "seconds", "relative_error", "relative_bias"]

# Trajectories of one repeat, about a second each; a program without a number is not tried on a problem.
COUNTS = {
    "leyden": dict(tls=20_000, star=3_000, oscillators=500, network=20_000, chain=400, aging=300_000, charger=10_000, thermal=30_000),
    "qutip_mcsolve": dict(tls=250, star=150, oscillators=60, network=300, chain=40, aging=100, charger=200, thermal=200),
    "dynamiqs_jssesolve": dict(tls=60, star=60, oscillators=10, network=60, chain=8, aging=100, charger=100, thermal=40),
    "yaqs_mcwf": dict(tls=25, star=25, oscillators=20, network=25, chain=20, charger=25, thermal=25),
    "leyden_exact": dict.fromkeys(problems.NAMES, 1),
    "qutip_mesolve": dict.fromkeys(problems.NAMES, 1),
    "dynamiqs_mesolve": dict.fromkeys(problems.NAMES, 1),
}
LABELS = {"leyden": "leyden run", "qutip_mcsolve": "QuTiP mcsolve", "dynamiqs_jssesolve": "dynamiqs jssesolve", "yaqs_mcwf": "mqt-yaqs MCWF",
          "leyden_exact": "leyden exact", "qutip_mesolve": "QuTiP mesolve", "dynamiqs_mesolve": "dynamiqs mesolve"}


class Leyden:
    """The command as a user starts it. Its time is what more trajectories, or more exact solutions in a sweep, take beyond few:
    that leaves out the start of the program and the drawing of pictures."""

    def __init__(self, command, name, exact):
        self.command, self.name, self.exact = command, name, exact

    def spent(self, folder, *words):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([self.command, *words, "--force", "--out", f"{folder}/result"], check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    def run(self, seed, n):
        source = HERE / f"{self.name}.toml"
        with tempfile.TemporaryDirectory() as folder:
            if self.exact:
                seconds = self.spent(folder, "exact", str(source))
                if seconds < 1:
                    sweep, text = Path(folder) / "sweep.toml", source.read_text().replace("\n", "\n[parameters]\nagain = 1\n", 1)

                    def solved(points):
                        sweep.write_text(f"{text}\n[sweep]\nagain = {{ from = 1, to = {points}, points = {points} }}\n")
                        return self.spent(folder + "/sweep", "sweep", str(sweep))

                    # As many as it takes to tell them from the start of the program.
                    few, more = solved(2), 20
                    while (seconds := (solved(2 + more) - few) / more) * more < 1 and more < 2000:
                        more *= 10
            else:
                words = ["run", str(source), "--seed", str(seed), "--threads", "1", "--no-shots", "--trajectories"]
                few = self.spent(folder, *words, str(n // 100))
                seconds = (self.spent(folder, *words, str(n)) - few) / 0.99
            return seconds, self.energy(folder)

    def energy(self, folder):
        with open(f"{folder}/result/observables.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        # A step begins where the one before it ends.
        return [float(row["energy"]) for k, row in enumerate(rows) if k == 0 or row["time"] != rows[k - 1]["time"]]


class Peer:
    def __init__(self, program, name, n):
        self.process = subprocess.Popen([sys.executable, str(HERE / "worker.py"), program, name, str(n)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def ready(self):
        return bool(self.process.stdout.readline())

    def run(self, seed, n):
        print(seed, n, file=self.process.stdin, flush=True)
        answer = json.loads(self.process.stdout.readline())
        return answer["seconds"], answer["energy"]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def conclude(exact, runs):
    """Seconds to the target, seconds of a repeat, and the relative error and bias of one."""
    seconds = np.array([s for s, _ in runs])
    errors = (np.array([energy for _, energy in runs]) - exact) / np.abs(exact).max()
    error = np.mean(errors**2)
    if len(runs) == 1:
        return seconds[0] if error < TARGET**2 else np.inf, seconds[0], np.sqrt(error), np.sqrt(error)
    scatter = np.mean(errors.var(axis=0, ddof=1))
    bias = np.mean(errors.mean(axis=0) ** 2)
    # The mean of all repeats scatters too.
    bias = bias - scatter / len(runs) if bias > 4 * scatter / len(runs) else 0.0
    reached = seconds.mean() * scatter / (TARGET**2 - bias) if bias < TARGET**2 else np.inf
    return reached, seconds.mean(), np.sqrt(error), np.sqrt(bias)


def measure(command, name, exact, repeats):
    """One problem: everything is started, then programs take turns."""
    programs = {p: Leyden(command, name, p == "leyden_exact") if p.startswith("leyden") else Peer(p, name, COUNTS[p][name])
                for p in COUNTS if name in COUNTS[p]}
    for program, peer in list(programs.items()):
        if isinstance(peer, Peer) and not peer.ready():
            print(f"{name}: {program} does not start", flush=True)
            del programs[program]
    runs = {program: [] for program in programs}
    for repeat in range(repeats):
        for program, peer in programs.items():
            if repeat == 0 or COUNTS[program][name] > 1:  # an exact solution is always the same
                runs[program].append(peer.run(1000 * repeat + 1, COUNTS[program][name]))
    for peer in programs.values():
        if isinstance(peer, Peer):
            peer.close()
    found = {program: conclude(exact, r) for program, r in runs.items()}
    for program, (reached, seconds, error, bias) in found.items():
        print(f"{name:<12} {LABELS[program]:<20} {reached:9.3g} s to {TARGET:.0%}   ({seconds:.3g} s: error {error:.1e}, bias {bias:.1e})", flush=True)
    return found


def shown(seconds):
    if np.isinf(seconds):
        return "not reached"
    unit, name = (1, "s") if seconds >= 1 else (1e-3, "ms") if seconds >= 1e-3 else (1e-6, "µs")
    return f"{seconds / unit:.2g} {name}" if seconds / unit < 100 else f"{seconds / unit:.0f} {name}"


def keep(name, programs):
    """The lines of one problem in peers.csv, in the place of those that were there."""
    OUT.mkdir(parents=True, exist_ok=True)
    path = OUT / "peers.csv"
    kept = [row for row in csv.DictReader(open(path, newline="")) if row["problem"] != name] if path.exists() else []
    kept += [{"problem": name, "program": p, "trajectories": COUNTS[p][name], **{key: f"{x:.3g}" for key, x in zip(NUMBERS, row)}}
             for p, row in programs.items()]
    kept.sort(key=lambda row: list(problems.NAMES).index(row["problem"]))
    with open(path, "w", newline="") as file:
        table = csv.DictWriter(file, ["problem", "program", "trajectories", *NUMBERS], lineterminator="\n")
        table.writeheader()
        table.writerows(kept)


def write():
    """Table and picture of all that is in peers.csv."""
    found = {}
    for row in csv.DictReader(open(OUT / "peers.csv", newline="")):
        found.setdefault(row["problem"], {})[row["program"]] = [float(row[key]) for key in NUMBERS]
    versions = ", ".join(f"{p} {version(p)}" for p in ("qutip", "dynamiqs", "mqt-yaqs"))
    lines = [f"Processor time on one core to a true error of {TARGET:.0%} ({versions}). In bold what is quickest;",
             "of sampling extrapolated as error² ∝ 1/n, known to about a third; – is not measured.", "",
             "| problem | " + " | ".join(LABELS.values()) + " |", "|---" * (len(LABELS) + 1) + "|"]
    for name, programs in found.items():
        best = min(row[0] for row in programs.values())
        bold = {p: "**" if row[0] == best else "" for p, row in programs.items()}
        cells = [f"{bold[p]}{shown(programs[p][0])}{bold[p]}" if p in programs else "–" for p in LABELS]
        lines.append(f"| {name}: {problems.NAMES[name]} | " + " | ".join(cells) + " |")
    (OUT / "table.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    draw(found)
    print("\n".join(lines))


def draw(found):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update({"font.size": 8, "svg.fonttype": "none"})
    styles = {"leyden": ("#0072b2", "o", True), "leyden_exact": ("#0072b2", "o", False), "qutip_mcsolve": ("#d55e00", "s", True),
              "qutip_mesolve": ("#d55e00", "s", False), "dynamiqs_jssesolve": ("#009e73", "^", True), "dynamiqs_mesolve": ("#009e73", "^", False),
              "yaqs_mcwf": ("#cc79a7", "D", True)}
    figure, axes = plt.subplots(figsize=(7, 3.2), layout="constrained")
    for program, (colour, marker, filled) in styles.items():
        points = [(k, found[name][program][0]) for k, name in enumerate(found) if program in found[name] and np.isfinite(found[name][program][0])]
        if points:
            axes.plot(*zip(*points), marker, color=colour, mfc=colour if filled else "white", ms=6, label=LABELS[program])
    axes.set_yscale("log")
    axes.set_xticks(range(len(found)), list(found))
    axes.set_ylabel(f"processor time to a true error of {TARGET:.0%} (s)")
    axes.grid(axis="y", color="0.9")
    figure.legend(loc="outside right upper", frameon=False)
    for ending in ("svg", "png"):
        figure.savefig(OUT / f"peers.{ending}", dpi=220)


def check(command, exact):
    """Whether leyden's inputs still are the problems: its exact solution against exact.json, without any other program."""
    bad = 0
    for name, energy in exact.items():
        with tempfile.TemporaryDirectory() as folder:
            leyden = Leyden(command, name, True)
            leyden.spent(folder, "exact", str(HERE / f"{name}.toml"))
            found = leyden.energy(folder)
        worst = np.abs(np.array(found) - energy).max() / np.abs(energy).max()
        print(f"{name:<12} leyden exact is off by {worst:.1e} of the largest energy")
        bad += not worst < 1e-6
    sys.exit(bad)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("leyden", help="the command, target/release/leyden")
    parser.add_argument("--only", default=",".join(problems.NAMES), help="problems, with commas between them; others keep their numbers")
    parser.add_argument("--quick", action="store_true", help="three repeats, which tell errors to a half")
    parser.add_argument("--check", action="store_true", help="only compare `leyden exact` with exact.json")
    args = parser.parse_args()
    exact = json.loads((HERE / "exact.json").read_text())
    if args.check:
        check(str(Path(args.leyden).resolve()), {name: exact[name] for name in args.only.split(",")})
    for name in args.only.split(","):
        keep(name, measure(str(Path(args.leyden).resolve()), name, np.array(exact[name]), 3 if args.quick else REPEATS))
    write()


if __name__ == "__main__":
    main()
