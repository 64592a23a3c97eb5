//! A problem as a Python script that solves it with QuTiP's `mesolve`, sharing nothing with this program but the equation.

mod correlations;
mod figures;
mod steps;

use super::function::python_table;
use crate::error::RunError;
use crate::problem::{AtMost, Correlation, Envelope, Factor, JointState, Kind, Op, OpSum, Problem, Reach, Zero};
use num_complex::Complex64;
use std::fmt::Write;

/// Largest Hilbert space dimension: the script works in the full tensor space, where the state has its square in elements.
const MOST_STATES: f64 = 1024.0;

/// Functions of which a script takes those it calls, two empty lines apart.
const TOOLBOX: &str = include_str!("qutip/toolbox.py");

/// What a script says about itself.
const ORIGIN: &str = "Written by `leyden export`";

/// Whether `text` is a script that this program has written.
pub fn is_script(text: &[u8]) -> bool {
    text.windows(ORIGIN.len()).any(|part| part == ORIGIN.as_bytes())
}

/// A script for Python with QuTiP 5 that builds H, drives, jump operators and the initial state, follows the protocol
/// row by row with `mesolve`, and writes `csv` (or the file named on its command line) with the columns of
/// `observables.csv`; the correlations go to a second file, of the same name with `_correlations`. Ensembles are expanded into single cells; basis (g, e) of a cell.
///
/// # Errors
/// [`RunError::TooLarge`] above 1024 states in the full tensor space; [`RunError::Request`] for energy released in one of
/// several steps of the same name; [`RunError::Model`] for a correlation that has no meaning.
pub fn script(problem: &Problem, correlations: &[(String, Correlation)], csv: &str) -> Result<String, RunError> {
    let ln_states: f64 = problem.subsystems.iter().map(|s| s.ln_dimension()).sum();
    if ln_states > MOST_STATES.ln() + 1e-9 {
        return Err(RunError::TooLarge {
            what: "the full tensor space of a QuTiP script".into(),
            needed: format!("10^{:.1} states", ln_states / std::f64::consts::LN_10),
            limit: format!("{MOST_STATES}"),
            advice: "make the system smaller".into(),
        });
    }
    if problem.joint.iter().any(|joint| matches!(joint.state, JointState::Spins(_))) {
        return Err(RunError::Request(
            "the state at the start is one of spins, which a script of single cells has not".into(),
        ));
    }
    let mut body = equation(problem);
    body.push_str(&figures::observe(problem)?);
    let asked = correlations::asked(problem, correlations)?;
    body.push_str(&steps::protocol(problem, &asked));
    let _ = write!(body, "\n{}", ending(csv));
    body.push_str(&correlations::correlations(problem, &asked));
    Ok(format!("{}{}\n{body}", opening(problem), tools(&body)))
}

fn opening(problem: &Problem) -> String {
    let title = problem.title.replace('\\', "/").replace('"', "'");
    let mut text = format!(
        "\"\"\"{title}\n\n\
         d rho/dt = -i[H, rho] + sum over c_ops of (c rho c^+ - {{c^+ c, rho}}/2), solved by mesolve in the full tensor space.\n\
         {ORIGIN}; needs `pip install qutip`.\n\"\"\"\n\n\
         import csv\nimport sys\nfrom functools import cache\n\nimport numpy as np\nimport qutip as qt\n\n\
         OPTIONS = {{\"atol\": 1e-12, \"rtol\": 1e-10, \"nsteps\": 10**7, \"store_final_state\": True, \"progress_bar\": \"\"{}}}\n\n\
         # The factors of the tensor product: those of each subsystem, their dimensions, and the energies of their levels.\n",
        longest_step(problem)
    );
    let (mut factors, mut dims, mut levels, mut next) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for subsystem in &problem.subsystems {
        let (name, cells) = (quoted(&subsystem.name), subsystem.cells() as usize);
        let energies = level_energies(&subsystem.kind, subsystem.energy);
        factors.push(format!("{name}: {:?}", (next..next + cells).collect::<Vec<_>>()));
        dims.extend((0..cells).map(|_| energies.len()));
        levels.push(match subsystem.uneven.is_empty() {
            true => format!("{name}: [{energies:?}] * {cells}"),
            false => format!("{name}: [[0.0, w] for w in {:?}]", subsystem.uneven),
        });
        next += cells;
    }
    let _ = writeln!(text, "factors = {{{}}}\ndims = {dims:?}", factors.join(", "));
    let _ = writeln!(text, "levels = {{{}}}", levels.join(", "));
    text
}

/// How drives and rates change with time.
fn envelopes(problem: &Problem) -> impl Iterator<Item = &Envelope> {
    let rates = problem.channels.iter().flat_map(|channel| {
        let operators = channel.modulated.iter().map(|(f, _)| f);
        channel.envelope.iter().chain(operators)
    });
    problem.drives.iter().map(|drive| &drive.envelope).chain(rates)
}

/// The option that keeps the solver, blind between its steps, from passing over a short pulse.
fn longest_step(problem: &Problem) -> String {
    let longest = problem.protocol.longest_step();
    let widths = envelopes(problem).filter_map(|envelope| match envelope {
        Envelope::Gaussian { width, .. } => Some(0.5 * width),
        Envelope::Function(function) => Some(function.pieces()?.shortest().max(1e-4 * longest)),
        _ => None,
    });
    widths.reduce(f64::min).map_or_else(String::new, |step| format!(", \"max_step\": {step:?}"))
}

fn level_energies(kind: &Kind, omega: f64) -> Vec<f64> {
    match kind {
        Kind::Ensemble { .. } | Kind::Network { .. } => vec![0.0, omega],
        Kind::Mode { cutoff } => (0..*cutoff).map(|n| omega * n as f64).collect(),
        Kind::Levels { energies } => energies.clone(),
    }
}

/// H, the drives and the jump operators.
fn equation(problem: &Problem) -> String {
    let subsystems = &problem.subsystems;
    let on_the_run_clock = problem.on_the_run_clock().is_some();
    let clock = if on_the_run_clock { "clock = 0.0  # when the step began\n" } else { "" };
    let mut text = String::new();
    if let Some(AtMost { quanta, of }) = problem.at_most() {
        let names = figures::of(problem, of);
        let _ = writeln!(text, "\nP = few({quanta}, {names})  # every operator stands for POP");
    }
    let _ = write!(text, "\n{clock}H = {}\n", operator(problem, &problem.hamiltonian, None));
    let functions = envelopes(problem).filter_map(|envelope| match envelope {
        Envelope::Function(function) => Some(function.expression().tables()),
        _ => None,
    });
    let mut tables: Vec<String> = functions.flatten().map(|table| python_table(table)).collect();
    tables.sort_unstable();
    tables.dedup();
    tables.iter().for_each(|table| text.push_str(table));
    if let Some(own) = problem.battery_hamiltonian() {
        let _ = writeln!(text, "H_B = {}  # of the battery", whole(problem, &own.operator, None));
        if own.zero == Zero::Ground {
            text.push_str("H_B = H_B - H_B.eigenenergies()[0] * one()\n");
        }
        let _ = writeln!(text, "levels_B, basis_B = eigenbasis(H_B, {})", figures::of(problem, problem.battery()));
    }
    if !problem.drives.is_empty() {
        text.push_str("drives = {  # [operator, f(t)] with t since the step began\n");
        for drive in &problem.drives {
            let envelope = steps::envelope(&drive.envelope);
            let operator = operator(problem, &drive.operator, None);
            let _ = writeln!(text, "    {}: [{operator}, lambda t: {envelope}],", quoted(&drive.name));
        }
        text.push_str("}\n");
    }
    text.push_str("channels = {  # jump operators, √rate included\n");
    for channel in &problem.channels {
        let root = format!("np.sqrt({:?})", channel.rate);
        let one = |site| operator(problem, &channel.operator, site);
        let operators = match &channel.reach {
            Reach::Collective if !channel.modulated.is_empty() => {
                let part = |(f, sum): &(Envelope, OpSum)| {
                    format!(", [{root} * ({}), lambda t: {}]", operator(problem, sum, None), steps::envelope(f))
                };
                let parts: String = channel.modulated.iter().map(part).collect();
                format!("[qt.QobjEvo([{root} * ({}){parts}])]", one(None))
            }
            Reach::Collective => format!("[{root} * ({})]", one(None)),
            Reach::Each(e) => {
                format!("[{root} * ({}) for i in cells({})]", one(Some("i")), quoted(&subsystems[*e].name))
            }
            Reach::Correlated { subsystem, rates } => format!(
                "correlated({:?}, {:?}, [{} for i in cells({})])",
                channel.rate,
                rates.matrix,
                one(Some("i")),
                quoted(&subsystems[*subsystem].name)
            ),
        };
        let operators = match &channel.envelope {
            None => operators,
            // No jump operator has a negative rate; what it is multiplied by follows.
            Some(_) if channel.negative().is_some() => operators,
            Some(envelope) => {
                let f = steps::envelope(envelope);
                format!("[qt.QobjEvo(op) * qt.coefficient(lambda t: np.sqrt(max({f}, 0.0))) for op in {operators}]")
            }
        };
        let _ = writeln!(text, "    {}: {operators},", quoted(&channel.name));
    }
    text.push_str("}\n");
    text.push_str("signed = {  # factors of rates that fall below 0\n");
    for channel in problem.channels.iter().filter(|channel| channel.negative().is_some()) {
        let factor = channel.envelope.as_ref().map(steps::envelope).unwrap_or_default();
        let _ = writeln!(text, "    {}: lambda t: {factor},", quoted(&channel.name));
    }
    text.push_str("}\n");
    text
}

/// An operator sum as a Python expression in the space of the problem; `site` stands for the cell where a factor names none.
fn operator(problem: &Problem, sum: &OpSum, site: Option<&str>) -> String {
    let whole = whole(problem, sum, site);
    if problem.at_most().is_some() { format!("P @ ({whole}) @ P") } else { whole }
}

/// The same on all states, also where the space is limited: what is traced over some of the subsystems.
fn whole(problem: &Problem, sum: &OpSum, site: Option<&str>) -> String {
    if sum.terms.is_empty() {
        return "0 * one()".into();
    }
    let factor = |f: &Factor| {
        let name = quoted(&problem.subsystems[f.subsystem].name);
        let place = match (f.site, site) {
            (Some(cell), _) => format!("{name}, {cell}"),
            (None, Some(site)) => format!("{name}, {site}"),
            (None, None) => name.clone(),
        };
        match f.op {
            Op::Lower => format!("sm({place})"),
            Op::Raise => format!("sp({place})"),
            Op::X => format!("sx({place})"),
            Op::Y => format!("sy({place})"),
            Op::Z => format!("sz({place})"),
            Op::Number => format!("n({place})"),
            Op::Annihilate => format!("a({name})"),
            Op::Create => format!("ad({name})"),
            Op::Transition(i, j) => format!("transition({name}, {i}, {j})"),
        }
    };
    let term = |term: &crate::problem::Term| {
        let product: Vec<String> = term.factors.iter().map(factor).collect();
        let product = if product.is_empty() { "one()".into() } else { product.join(" @ ") };
        if term.coefficient == Complex64::ONE { product } else { format!("{} * {product}", number(term.coefficient)) }
    };
    sum.terms.iter().map(term).collect::<Vec<_>>().join(" + ")
}

fn number(c: Complex64) -> String {
    if c.im == 0.0 { format!("{:?}", c.re) } else { format!("({:?}{:+?}j)", c.re, c.im) }
}

/// A Python string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The functions of the toolbox that `body` calls, and those that they call.
fn tools(body: &str) -> String {
    let all: Vec<(&str, &str)> =
        TOOLBOX.trim_end().split("\n\n\n").filter_map(|text| Some((name(text)?, text))).collect();
    let calls = |text: &str, name: &str| {
        let before = |at: usize| text[..at].chars().next_back();
        let word = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
        text.match_indices(name).any(|(at, _)| {
            let after = text[at + name.len()..].chars().next();
            !before(at).is_some_and(word) && after.is_some_and(|c| "(,)".contains(c))
        })
    };
    let mut wanted = vec![false; all.len()];
    let mut texts = vec![body];
    while let Some(text) = texts.pop() {
        for (k, (name, tool)) in all.iter().enumerate() {
            if !wanted[k] && calls(text, name) {
                wanted[k] = true;
                texts.push(tool);
            }
        }
    }
    let chosen = all.iter().zip(wanted).filter(|(_, wanted)| *wanted);
    chosen.map(|((_, text), _)| format!("\n\n{text}\n")).collect()
}

/// The name of the function that `text` defines.
fn name(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix("def ")?.split('(').next())
}

fn ending(csv: &str) -> String {
    format!(
        "out = sys.argv[1] if len(sys.argv) > 1 else {}\n\
         with open(out, \"w\", newline=\"\") as file:\n    \
         writer = csv.writer(file, lineterminator=\"\\n\")\n    \
         writer.writerow([\"time\", \"step\", \"cycle\", *columns])\n    \
         for time, step, cycle, *values in rows:\n        \
         writer.writerow([time, step, cycle, *(\"\" if np.isnan(v) else float(v) for v in values)])\n\
         print(\", \".join(f\"{{c}} = {{v:.9g}}\" for c, v in zip([\"time\", \"step\", \"cycle\", *columns], rows[-1]) if c != \"step\"))\n",
        quoted(csv)
    )
}
