//! Initial states and the protocol as Python statements.

use super::super::function::Python;
use super::correlations::Asked;
use super::{number, quoted};
use crate::problem::{
    Axis, Envelope, Gate, Initial, Joint, JointState, Kind, Problem, Step, Subsystem, SubsystemId, When, even_rows,
};
use faer::Mat;
use num_complex::Complex64;
use std::fmt::Write;

/// f(t) as a Python expression.
pub(super) fn envelope(envelope: &Envelope) -> String {
    match *envelope {
        Envelope::Function(ref function) => function.expression().written(&Python),
        Envelope::Constant(value) => format!("{value:?}"),
        Envelope::Linear { start, slope } => format!("{start:?} + {slope:?} * t"),
        Envelope::Gaussian { peak, centre, width } => {
            format!("{peak:?} * np.exp(-0.5 * ((t - {centre:?}) / {width:?}) ** 2)")
        }
        Envelope::Cosine { amplitude, frequency, phase } => {
            format!("{amplitude:?} * np.cos({frequency:?} * t + {phase:?})")
        }
    }
}

/// The initial state, and the cycles of pulses, resets and timed steps.
pub(super) fn protocol(problem: &Problem, correlated: &[Asked<'_>]) -> String {
    let parts = problem.subsystems.iter().zip(&problem.initial);
    let alone = parts.filter(|(_, initial)| !matches!(initial, Initial::Joint(_)));
    let mut text = match problem.joint().is_empty() {
        true => {
            let states: Vec<String> = alone.map(|(subsystem, initial)| state(subsystem, initial)).collect();
            format!("\nrho = qt.tensor({})\n", states.join(", "))
        }
        false => {
            let one = |(part, initial): (&Subsystem, &Initial)| {
                format!("([{}], {})", quoted(&part.name), state(part, initial))
            };
            let all: Vec<String> = alone.map(one).chain(problem.joint().iter().map(|j| joint(problem, j))).collect();
            format!("\nrho = arranged(\n    {},\n)\n", all.join(",\n    "))
        }
    };
    text.push_str("clock, rows = 0.0, []\n");
    let _ = writeln!(text, "for cycle in range({}):", problem.protocol.repeat);
    for (index, step) in problem.protocol.steps.iter().enumerate() {
        let of = |end: bool| correlated.iter().any(|(_, c, asked)| asked.step == index && (c.from == When::End) == end);
        if of(false) {
            let _ = writeln!(text, "    start_{index} = rho");
        }
        let _ = writeln!(text, "    rho = {}", statement(problem, step));
        if of(true) {
            let _ = writeln!(text, "    end_{index} = rho");
        }
    }
    text
}

fn statement(problem: &Problem, step: &Step) -> String {
    match step {
        Step::Rotate { subsystem, axis, angle } => {
            let name = quoted(&problem.subsystems[*subsystem].name);
            // In the basis (g, e).
            let pauli = match axis {
                Axis::X => "[[0, 1], [1, 0]]",
                Axis::Y => "[[0, 1j], [-1j, 0]]",
                Axis::Z => "[[-1, 0], [0, 1]]",
            };
            format!("rotate(rho, {name}, {pauli}, {angle:?})")
        }
        Step::Unitary(Gate::Exponential(generator)) => {
            format!("gate(rho, (-1j * ({})).expm())", super::operator(problem, generator, None))
        }
        Step::Unitary(Gate::Matrix { over, matrix }) => {
            let names: Vec<String> = over.iter().map(|e| quoted(&problem.subsystems[*e].name)).collect();
            format!("gate(rho, embedded({}, {}))", rows(matrix), names.join(", "))
        }
        Step::Reset { subsystem, state: fresh } => {
            let part = &problem.subsystems[*subsystem];
            let fresh = match fresh {
                Initial::Alone(state) => shared(problem, &[*subsystem], state).1,
                other => state(part, other),
            };
            format!("reset(rho, {}, {fresh})", quoted(&part.name))
        }
        Step::Evolve { name, duration, rows, active, driven } => {
            let samples = rows.len() - 1;
            let even = even_rows(*duration, samples).iter().zip(rows).all(|(a, b)| (a - b).abs() <= 1e-14 * duration);
            let times =
                if even { format!("np.linspace(0, {duration:?}, {})", rows.len()) } else { format!("{rows:?}") };
            format!("evolve(rho, cycle, {}, {times}, {})", quoted(name), on(problem, active, driven))
        }
    }
}

/// The names and the density matrix of subsystems that start in one state.
fn joint(problem: &Problem, Joint { over, state }: &Joint) -> String {
    let (names, state) = shared(problem, over, state);
    format!("([{names}], {state})")
}

/// The names of subsystems, and the density matrix of a state of theirs.
fn shared(problem: &Problem, over: &[SubsystemId], state: &JointState) -> (String, String) {
    let names: Vec<String> = over.iter().map(|e| quoted(&problem.subsystems[*e].name)).collect();
    let names = names.join(", ");
    let state = match state {
        JointState::Kets(kets) => {
            let ket = |(p, ket): &(f64, Vec<Complex64>)| {
                let amplitudes: Vec<String> = ket.iter().map(|x| number(*x)).collect();
                format!("[{p:?}, [{}]]", amplitudes.join(", "))
            };
            format!("kets([{}], {names})", kets.iter().map(ket).collect::<Vec<_>>().join(", "))
        }
        JointState::Spins(_) => String::new(), // refused before
        JointState::GroundState(operator) => {
            format!("ground_state({}, {names})", super::whole(problem, operator, None))
        }
        JointState::Gibbs { operator, beta } => {
            format!("gibbs_state({beta:?}, {}, {names})", super::whole(problem, operator, None))
        }
    };
    (names, state)
}

/// A matrix as nested lists.
fn rows(matrix: &Mat<Complex64>) -> String {
    let row = |i: usize| (0..matrix.ncols()).map(|j| number(matrix[(i, j)])).collect::<Vec<_>>().join(", ");
    let rows: Vec<String> = (0..matrix.nrows()).map(|i| format!("[{}]", row(i))).collect();
    format!("[\n    {},\n]", rows.join(",\n    "))
}

/// The channels and drives of a step as arguments.
pub(super) fn on(problem: &Problem, active: &[bool], driven: &[bool]) -> String {
    let channels = problem.channels.iter().zip(active);
    let on: Vec<String> =
        channels.filter(|(c, active)| **active && c.rate > 0.0).map(|(c, _)| quoted(&c.name)).collect();
    let drives = problem.drives.iter().zip(driven);
    let drives: Vec<String> = drives.filter(|(_, on)| **on).map(|(d, _)| quoted(&d.name)).collect();
    let driven = if drives.is_empty() { String::new() } else { format!(", driven=[{}]", drives.join(", ")) };
    format!("on=[{}]{driven}", on.join(", "))
}

/// The density matrix of one subsystem.
fn state(subsystem: &Subsystem, initial: &Initial) -> String {
    let name = quoted(&subsystem.name);
    if let (Kind::Ensemble { .. } | Kind::Network { .. }, Some((excited, coherence))) =
        (&subsystem.kind, initial.cell())
    {
        return match coherence {
            Complex64::ZERO => format!("product({name}, {excited:?})"),
            c => format!("product({name}, {excited:?}, {})", number(c)),
        };
    }
    let size = match &subsystem.kind {
        Kind::Mode { cutoff } => *cutoff,
        Kind::Levels { energies } => energies.len(),
        Kind::Ensemble { .. } | Kind::Network { .. } => 2,
    };
    match initial {
        Initial::Fock(n) => format!("qt.fock_dm({size}, {n})"),
        Initial::Coherent(alpha) => format!("coherent({size}, {})", number(*alpha)),
        Initial::Thermal { ratio } => format!("mixture({ratio:?} ** np.arange({size}))"),
        Initial::Populations(p) => format!("mixture(np.array({p:?}))"),
        Initial::Dicke { two_j, two_m } => {
            format!("dicke({name}, {:?}, {:?})", *two_j as f64 / 2.0, *two_m as f64 / 2.0)
        }
        Initial::Rotated { ratio, unitary } => {
            format!("rotated({name}, {ratio:?}, {})", rows(unitary))
        }
        Initial::Ground | Initial::Excited | Initial::Cell { .. } | Initial::Joint(_) | Initial::Alone(_) => {
            format!("qt.fock_dm({size}, 0)")
        }
    }
}
