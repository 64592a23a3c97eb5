//! The QuTiP scripts: what is in them, and whether QuTiP agrees with the reference solver.

use leyden::exact::naive;
use leyden::output::correlations;
use leyden::output::qutip::script;
use leyden::output::table::from_csv;
use leyden::problem::{
    Axis, ChannelId, Correlation, Envelope, Factor, Initial, JointState, Kind, Op, OpSum, Problem, ProblemBuilder,
    Quantity, RateMatrix, StepId, SubsystemId, When, a, ad, haar_unitary, n, sm, sp, sx, sy, sz, transition,
};
use num_complex::Complex64;
use std::f64::consts::PI;
use std::process::Command;
use std::sync::Arc;

const HALF: Complex64 = Complex64::new(0.5, 0.0);

/// A driven mode and cell, pulses, resets, and a time-dependent drive.
fn driven() -> Problem {
    let mut p = Problem::builder("a driven mode");
    let mode = p.subsystem("A", Kind::Mode { cutoff: 5 }, 1.5);
    let cell = p.ensemble("B", 1, 1.0);
    p.initial(mode, Initial::Coherent(Complex64::new(0.4, -0.3))).initial(cell, Initial::angle(1.0, 0.7));
    p.hamiltonian(n(mode) * 0.3 + (sp(cell) * a(mode) + sm(cell) * ad(mode)) * 0.8);
    p.drive("kick", sy(cell), Envelope::Gaussian { peak: 0.9, centre: 0.4, width: 0.2 }).only(["free"]);
    p.drive("shake", a(mode) + ad(mode), Envelope::Cosine { amplitude: 0.5, frequency: 2.0, phase: 0.3 });
    p.drive("ramp", sz(cell), Envelope::Linear { start: 0.1, slope: -0.4 });
    p.drive("push", sx(cell), Envelope::Constant(0.2)).only(["after"]);
    p.collective("leak", a(mode), 0.7).collective("phase", n(cell), 0.4).only(["free"]);
    p.rotate(cell, Axis::Y, 0.6).evolve("free", 1.0, 2);
    p.reset(mode, Initial::Thermal { ratio: 0.3 }).rotate(cell, Axis::Z, 0.4).evolve("after", 0.7, 1).repeat(2);
    p.battery([cell]).observe([
        Quantity::Energy,
        Quantity::Power,
        Quantity::EnergyOf(mode),
        Quantity::ErgotropyOf(mode),
        Quantity::Photons(mode),
        Quantity::Ergotropy,
        Quantity::Efficiency,
        Quantity::IncoherentErgotropy,
        Quantity::CoherentErgotropy,
        Quantity::CellCoherence,
        Quantity::Purity,
        Quantity::Jumps(ChannelId::new(0)),
        Quantity::Jumps(ChannelId::new(1)),
    ]);
    p.build().unwrap()
}

/// Correlated decay on a network beside a three-level system.
fn network(initial: Initial) -> ProblemBuilder {
    let mut p = Problem::builder("a network");
    let edges = vec![(0, 1), (1, 2)];
    let cells = p.subsystem("N", Kind::Network { cells: 3, edges: edges.clone() }, 1.0);
    let maser = p.subsystem("E", Kind::Levels { energies: vec![0.0, 0.4, 1.3] }, 1.0);
    p.initial(cells, initial).initial(maser, Initial::Populations(vec![0.2, 0.5, 0.3]));
    let exchange = transition(maser, 1, 0) * sm(cells);
    p.hamiltonian((exchange.clone() + exchange.adjoint()) * 0.6).detune(cells, &[0.2, -0.1, 0.5]);
    p.correlated("decay", cells, sm(cells), 0.8, RateMatrix::on_graph(3, &edges, 1.0, 0.5).unwrap());
    p.each("blur", cells, sz(cells), 0.1).collective("hot", transition(maser, 2, 0), 0.9);
    p.evolve("free", 1.2, 3).battery([cells]).observe([
        Quantity::Energy,
        Quantity::EnergyVariance,
        Quantity::EnergyOf(maser),
        Quantity::Quanta(cells),
        Quantity::Ergotropy,
        Quantity::LocalErgotropy,
        Quantity::AntiErgotropy,
        Quantity::Capacity,
        Quantity::Coherence,
        Quantity::Concurrence,
        Quantity::Jumps(ChannelId::new(0)),
        Quantity::Jumps(ChannelId::new(1)),
        Quantity::Jumps(ChannelId::new(2)),
    ]);
    p
}

/// Two ensembles that one channel binds.
fn ensembles() -> Problem {
    let mut p = Problem::builder("two ensembles");
    let b = p.ensemble("B", 3, 1.0);
    let c = p.ensemble("C", 2, 2.0);
    p.initial(b, Initial::Dicke { two_j: 1, two_m: 1 }).initial(c, Initial::Thermal { ratio: 1.7 });
    p.collective("bind", sm(b) + sm(c) * 0.5, 0.9).collective("release", sm(b), 0.3).each("loss", b, sm(b), 0.2);
    p.each("blur", b, sz(b) * 0.5 + sm(b) * 0.3, 0.4).only(["two"]);
    p.rotate(b, Axis::X, PI / 3.0).evolve("one", 0.5, 2).evolve("two", 0.4, 1).battery([b]);
    p.observe([
        Quantity::EnergyDeviation,
        Quantity::EnergyDensity(c),
        Quantity::Magnetisation(b),
        Quantity::MagnetisationVariance(b),
        Quantity::SpinLength(b),
        Quantity::SpinLength(c),
        Quantity::Bright(b),
        Quantity::BrightLoss(b),
        Quantity::BrightReturn(b),
        Quantity::Ergotropy,
        Quantity::ErgotropyOf(c),
    ]);
    p.build().unwrap()
}

/// Cells that stay in the symmetric subspace.
fn bright() -> Problem {
    let mut p = Problem::builder("bright cells");
    let b = p.ensemble("B", 4, 1.0);
    p.initial(b, Initial::plus()).hamiltonian(sx(b) * 0.3).collective("release", sm(b), 0.7);
    p.evolve("one", 0.5, 2).evolve("two", 0.4, 1).observe([
        Quantity::Energy,
        Quantity::SymmetricErgotropy,
        Quantity::Bright(b),
        Quantity::Released(Some(StepId::new(1))),
        Quantity::Released(None),
    ]);
    p.build().unwrap()
}

/// Joint states, gates, a battery of its own and functions of chosen parts.
const ENTANGLED: &str = r#"
[subsystems]
A = { mode = 3, energy = 1.2 }
B = { cells = 2, graph = "linear" }
C = { cell = true }
[battery]
of = ["B"]
hamiltonian = ["n(B) + 0.3*bonds(sx, sx, B)"]
[initial]
joint = { over = ["B", "C"], state = "w" }
A = "coherent(0.4)"
[hamiltonian]
battery = true
terms = ["0.4*(a(A)*sp(B, 0) + ad(A)*sm(B, 0))", "0.2*sx(C)"]
[channels]
leak = { operator = "a(A)", rate = 0.3 }
loss = { each = "sm(B)", rate = 0.2 }
[protocol]
steps = [ { name = "first", evolve = 0.7, samples = 2 }, { unitary = "0.6*(sp(C)*sm(B, 1) + sm(C)*sp(B, 1))" },
          { name = "then", evolve = 0.5, samples = 1 } ]
[observe]
quantities = [ "energy", "energy_var", "ergotropy", "purity",
    { name = "mixed", entropy = ["B:0", "C"] }, { name = "tied", negativity = [["B"], ["C"]] },
    { name = "known", mutual_information = [["A"], ["B:1"]] }, { name = "like", fidelity = "bell", of = ["B:1", "C"] },
    { name = "out", ergotropy = ["C", "B:0"] }, { name = "y", expect = "sy(C)" } ]
"#;

/// Few quanta of all but one mode, which starts in a Gibbs state of its own.
const FEW: &str = r#"
[subsystems]
A = { mode = 3 }
B = { cells = 3, graph = "linear" }
C = { mode = 4, energy = 0.8 }
[space]
at_most = 2
of = ["B", "C"]
[battery]
of = ["C"]
hamiltonian = ["0.8*n(C) + 0.1*n(C)^2"]
[initial]
A = "gibbs(0.9, H)"
B = "w"
C = "fock(1)"
[hamiltonian]
battery = false
terms = ["0.5*(a(C)*sp(B, 0) + ad(C)*sm(B, 0))", "bonds(sp, sm, B) + bonds(sm, sp, B)", "n(A) + 0.3*(a(A) + ad(A))"]
[channels]
leak = { operator = "a(C)", rate = 0.3 }
warm = { operator = "a(A)", rate = 0.4 }
blur = { operator = "n(A)*n(C)", rate = 0.2 }
[protocol]
steps = [{ name = "w", evolve = 1.5, samples = 3 }]
[observe]
quantities = ["energy", "energy_var", "ergotropy", "photons(A)", "energy(B)", { name = "mixed", entropy = ["C"] }]
"#;

/// Fresh subsystems in states that are written out.
const FRESH: &str = r#"
[subsystems]
A = { mode = 3 }
B = { cells = 2, graph = "linear" }
L = { levels = [0.0, 1.0, 2.5] }
[hamiltonian]
battery = false
terms = ["n(A) + 0.3*(a(A) + ad(A))", "0.4*hop(B)"]
[channels]
lift = { operator = "sp(B, 0)*a(A)", rate = 0.7 }
fall = { operator = "|0><2|(L)*ad(A)", rate = 0.9 }
[protocol]
repeat = 2
steps = [ { name = "one", evolve = 0.6, samples = 1 }, { reset = "B", to = "ket(0, 1, i, 0)" }, { reset = "L", to = "ket(1, 0, i)" },
          { reset = "A", to = "gibbs(0.9, H)" }, { name = "two", evolve = 0.5, samples = 1 },
          { reset = "A", to = "ground_state(H)" }, { name = "three", evolve = 0.4, samples = 1 } ]
[observe]
quantities = ["energy", "photons", "energy(B)", "purity"]
"#;

fn written(name: &str, text: &str) -> Problem {
    leyden::input::parse(name, text, &[]).unwrap_or_else(|e| panic!("{e}")).problem
}

/// Rates that fall below 0, of one operator, of one on each cell and beside one that does not change.
const NEGATIVE: &str = r#"
[subsystems]
A = { mode = 3 }
B = { cells = 2, graph = "linear" }
[battery]
of = ["B"]
[initial]
B = "plus"
A = "coherent(0.3)"
[hamiltonian]
battery = false
terms = ["0.3*n(B)", "0.1*(a(A)*sp(B, 0) + ad(A)*sm(B, 0))"]
[channels]
memory = { each = "sz(B)", rate = "0.5*cos(t)" }
loss = { operator = "a(A)", rate = "0.4*exp(-t)*cos(3*t)" }
steady = { operator = "sm(B)", rate = 0.1 }
[protocol]
steps = [{ name = "w", evolve = 2.0, samples = 4 }]
[observe]
quantities = ["energy", "ergotropy", "purity", "photons(A)", "jumps"]
"#;

fn all() -> Vec<Problem> {
    let cell = Initial::Cell { excited: 0.5, coherence: HALF };
    let rotated = Initial::Rotated { ratio: 0.4, unitary: Arc::new(haar_unitary(8, 5)) };
    vec![
        driven(),
        network(cell).build().unwrap(),
        network(rotated).build().unwrap(),
        ensembles(),
        bright(),
        written("entangled", ENTANGLED),
        written("few", FEW),
        written("fresh", FRESH),
        written("negative", NEGATIVE),
    ]
}

#[test]
fn a_script_holds_the_equation_and_only_the_functions_it_calls() {
    let text = script(&driven(), &[], "driven.csv").unwrap();
    for part in [
        "factors = {\"A\": [0], \"B\": [1]}\ndims = [5, 2]\n",
        "H = 0.3 * n(\"A\") + 0.8 * sp(\"B\") @ a(\"A\") + 0.8 * sm(\"B\") @ ad(\"A\")\n",
        "\"kick\": [sy(\"B\"), lambda t: 0.9 * np.exp(-0.5 * ((t - 0.4) / 0.2) ** 2)],",
        "\"leak\": [np.sqrt(0.7) * (a(\"A\"))],",
        "qt.tensor(coherent(5, (0.4-0.3j)), product(\"B\", ",
        "for cycle in range(2):",
        "evolve(rho, cycle, \"free\", np.linspace(0, 1.0, 3), on=[\"leak\", \"phase\"], driven=[\"kick\", \"shake\", \"ramp\"])",
        "rho = reset(rho, \"A\", mixture(0.3 ** np.arange(5)))",
        "qt.mesolve(",
    ] {
        assert!(text.contains(part), "`{part}` is not in\n{text}");
    }
    for absent in ["def concurrence", "def dicke", "def correlated", "def spin_squared"] {
        assert!(!text.contains(absent), "`{absent}` is in\n{text}");
    }
    assert_eq!(text, script(&driven(), &[], "driven.csv").unwrap());
}

#[test]
fn what_is_too_large_or_ambiguous_is_refused() {
    let mut large = Problem::builder("large");
    let b = large.ensemble("B", 11, 1.0);
    large.each("loss", b, sm(b), 1.0).evolve("storage", 1.0, 1).observe([Quantity::Energy]);
    let message = script(&large.build().unwrap(), &[], "").unwrap_err().to_string();
    assert!(message.contains("10^3.3 states") && message.contains("smaller"), "{message}");
    let mut twice = Problem::builder("twice");
    let b = twice.ensemble("B", 2, 1.0);
    twice.collective("release", sm(b), 1.0).evolve("same", 1.0, 1).evolve("same", 1.0, 1);
    twice.observe([Quantity::Released(Some(StepId::new(1)))]);
    assert!(script(&twice.build().unwrap(), &[], "").unwrap_err().to_string().contains("several steps called same"));
}

/// Where neither side may be without a number, a NaN is a disagreement, whichever side it is on.
#[test]
fn the_comparison_with_qutip_fails_at_a_nan() {
    if Command::new("python3").arg("--version").output().is_err() {
        eprintln!("no python3: scripts/qutip_check.py is not tested");
        return;
    }
    let test = "
import math, sys
sys.path.insert(0, 'scripts')
from qutip_check import difference
nan, one = math.nan, [1.0, 1.0, 1.0]
for place in range(3):
    wrong = [nan if place == k else 1.0 for k in range(3)]
    assert difference(wrong, one, one) == math.inf, place
    assert difference(one, wrong, one) == math.inf, place
    assert difference(wrong, wrong, one) == math.inf, place
assert difference([math.inf], [math.inf], [1.0]) == math.inf
assert difference([None, 1.0], [1.0, 1.0], one) == math.inf
assert abs(difference([2.0, 0.5], [2.2, 0.5], one) - 0.1) < 1e-12
assert difference([None, 1.0], [None, 1.0], [0.0, 1.0]) == 0.0
";
    let run =
        Command::new("python3").args(["-B", "-c", test]).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}

/// Correlations from the start, the end and the steady state of the last step of [`driven`], without its drive that changes.
fn correlated() -> (Problem, Vec<(String, Correlation)>) {
    let (mode, cell) = (SubsystemId::new(0), SubsystemId::new(1));
    let mut p = Problem::builder("a driven mode");
    p.subsystem("A", Kind::Mode { cutoff: 4 }, 1.5);
    p.ensemble("B", 1, 1.0);
    p.hamiltonian(n(mode) * 0.3 + (sp(cell) * a(mode) + sm(cell) * ad(mode)) * 0.8);
    p.drive("push", sx(cell), Envelope::Constant(0.2)).drive(
        "kick",
        sx(cell),
        Envelope::Linear { start: 1.0, slope: 1.0 },
    );
    p.only(["free"]).collective("leak", a(mode), 0.7).collective("phase", n(cell), 0.4);
    p.evolve("free", 1.0, 2).rotate(cell, Axis::Z, 0.4).evolve("after", 0.7, 1).observe([Quantity::Energy]);
    let of = |b, c, from| Correlation {
        c,
        from,
        normalised: from == When::Start,
        ..Correlation::new(ad(mode) + sp(cell), b, vec![0.0, 0.5, 2.0])
    };
    let all = [
        ("start", of(a(mode), None, When::Start)),
        ("end", of(a(mode) * a(mode), Some(ad(mode)), When::End)),
        ("steady", of(sm(cell), None, When::Steady)),
    ];
    (p.build().unwrap(), all.map(|(name, of)| (name.to_owned(), of)).into())
}

#[test]
fn correlations_are_in_the_script() {
    let (problem, all) = correlated();
    let text = script(&problem, &all, "out.csv").unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| line.contains(", correlate(")).collect();
    assert_eq!(lines.len(), 3, "{text}");
    let ends = [
        r#"a("A"), one(), start_2, delays, on=["leak", "phase"], driven=["push"], normalised=True)],"#,
        r#"a("A") @ a("A"), ad("A"), end_2, delays, on=["leak", "phase"], driven=["push"])],"#,
        r#"sm("B"), one(), start_2, delays, on=["leak", "phase"], driven=["push"], steady=True)],"#,
    ];
    for (line, end) in lines.iter().zip(ends) {
        assert!(line.ends_with(end), "{line}");
    }
    assert!(text.contains("    start_2 = rho\n") && text.contains("    end_2 = rho\n"), "{text}");
    assert!(!script(&problem, &[], "out.csv").unwrap().contains("correlat"));
}

/// One of two cells that decay together: half of the state stays dark, so that there are several steady states.
fn dark() -> (Problem, Vec<(String, Correlation)>) {
    let mut p = Problem::builder("half of it stays dark");
    let b = p.subsystem("B", Kind::Network { cells: 2, edges: vec![(0, 1)] }, 1.0);
    let cell = |site, op| OpSum::from_factor(Factor { subsystem: b, site: Some(site), op });
    p.hamiltonian(n(b) * 0.3).collective("light", sm(b), 1.0);
    let ket = [0.0, 0.0, 1.0, 0.0].map(Complex64::from);
    p.joint([b], JointState::ket(ket.into())).evolve("wait", 1.0, 1).observe([Quantity::Energy]);
    let of = Correlation::new(cell(0, Op::Raise), cell(1, Op::Lower), vec![0.0, 0.5, 2.0]);
    (p.build().unwrap(), vec![("dark".to_owned(), of)])
}

/// Needs QuTiP as the next one does.
#[test]
#[ignore = "needs QuTiP"]
fn qutip_agrees_about_correlations() {
    for (problem, all) in [correlated(), dark()] {
        same_correlations(&problem, &all);
    }
}

fn same_correlations(problem: &Problem, all: &[(String, Correlation)]) {
    let python = std::env::var("LEYDEN_PYTHON").unwrap_or_else(|_| "python3".into());
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("script"), script(problem, all, "result.csv").unwrap()).unwrap();
    let run = Command::new(&python).args(["-W", "ignore", "script"]).current_dir(folder.path()).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let table = std::fs::read_to_string(folder.path().join("result_correlations.csv")).unwrap();
    for (theirs, (name, of)) in correlations::from_csv(&table).unwrap().iter().zip(all) {
        assert_eq!((&theirs.name, &theirs.delays), (name, &of.delays));
        for (x, y) in naive::correlation(problem, of).unwrap().iter().zip(&theirs.values) {
            assert!((x - y).norm() < 1e-7 && x.norm() > 1e-3, "{name}: {x} here, {y} by QuTiP");
        }
    }
}

/// Needs a Python with QuTiP 5, named by LEYDEN_PYTHON [default: python3].
#[test]
#[ignore = "needs QuTiP"]
fn qutip_agrees_with_the_reference_solver() {
    let python = std::env::var("LEYDEN_PYTHON").unwrap_or_else(|_| "python3".into());
    let folder = tempfile::tempdir().unwrap();
    for (k, problem) in all().iter().enumerate() {
        let name = format!("script{k}");
        std::fs::write(folder.path().join(&name), script(problem, &[], "result.csv").unwrap()).unwrap();
        let run = Command::new(&python).args(["-W", "ignore", &name]).current_dir(folder.path()).output().unwrap();
        assert!(run.status.success(), "{}: {}", problem.title(), String::from_utf8_lossy(&run.stderr));
        let qutip = from_csv(&std::fs::read_to_string(folder.path().join("result.csv")).unwrap()).unwrap();
        let exact = naive::solve(problem).unwrap();
        assert_eq!(qutip.steps, exact.steps);
        assert_eq!(qutip.columns.len(), exact.columns.len());
        for (mine, theirs) in exact.columns.iter().zip(&qutip.columns) {
            assert_eq!(mine.name, theirs.name);
            for (row, (x, y)) in mine.value.iter().zip(&theirs.value).enumerate() {
                let agrees = x.is_nan() && y.is_nan() || (x - y).abs() < 1e-7;
                assert!(agrees, "{}, {} in row {row}: {x} here, {y} by QuTiP", problem.title(), mine.name);
            }
        }
    }
}

#[test]
fn the_solver_may_not_step_over_a_short_pulse() {
    let driven = |long: Envelope, short: Envelope| {
        let mut p = Problem::builder("a pulse");
        let cell = p.subsystem("C", Kind::Network { cells: 1, edges: Vec::new() }, 1.0);
        p.drive("long", sx(cell), long).drive("short", sx(cell), short);
        p.evolve("free", 3.0, 1).observe([Quantity::Energy]).build().unwrap()
    };
    let long = Envelope::Gaussian { peak: 0.1, centre: 1.0, width: 0.5 };
    let pulsed = driven(long, Envelope::Gaussian { peak: 9.0, centre: 1.5, width: 0.01 });
    assert!(script(&pulsed, &[], "out.csv").unwrap().contains("\"max_step\": 0.005"));
    let steady = driven(Envelope::Constant(1.0), Envelope::Constant(1.0));
    assert!(!script(&steady, &[], "out.csv").unwrap().contains("max_step"));
}
