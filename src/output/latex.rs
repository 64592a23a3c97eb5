//! A problem as a LaTeX document: the master equation as it was understood, and the protocol in words.

use super::function::Latex;
use crate::problem::{
    Channel, Envelope, Factor, Gate, Initial, Joint, JointState, Kind, Op, OpSum, Problem, Reach, Step, SubsystemId,
    Term,
};
use num_complex::Complex64;

/// Terms of a sum on one line.
const TERMS_A_LINE: usize = 4;

/// The master equation with H, its drives and every dissipator that is not zero, as the inside of an `align*`.
pub fn equations(problem: &Problem) -> String {
    let drives: String = problem.drives.iter().map(|d| format!(" + f_{{{}}}(t)\\, V_{{{0}}}", name(&d.name))).collect();
    let on: Vec<&Channel> = problem.channels.iter().filter(|c| c.rate > 0.0).collect();
    let dissipators: String = on.iter().map(|c| format!(" \\\\\n  & + {}", dissipator(problem, c))).collect();
    let mut lines = vec![format!("\\dot\\rho ={{}} & -i\\,[H{drives},\\, \\rho]{dissipators}")];
    lines.push(format!("H ={{}} & {}", sum(problem, &problem.hamiltonian, None)));
    if let Some(own) = problem.battery_hamiltonian() {
        lines.push(format!("H_B ={{}} & {}", sum(problem, &own.operator, None)));
    }
    for drive in &problem.drives {
        lines.push(format!("V_{{{}}} ={{}} & {}", name(&drive.name), sum(problem, &drive.operator, None)));
        lines.push(format!("f_{{{}}}(t) ={{}} & {}", name(&drive.name), envelope(&drive.envelope)));
    }
    for channel in on {
        if let Reach::Correlated { rates, .. } = &channel.reach {
            let row = |row: &Vec<f64>| row.iter().map(|x| number(*x)).collect::<Vec<_>>().join(" & ");
            let rows: Vec<String> = rates.matrix.iter().map(row).collect();
            let matrix = format!("\\begin{{pmatrix}} {} \\end{{pmatrix}}", rows.join(" \\\\ "));
            lines.push(format!("R^{{({})}} ={{}} & {matrix}", name(&channel.name)));
            lines.push(format!("L_n ={{}} & {}", sum(problem, &channel.operator, Some("n"))));
        }
    }
    lines.join(" \\\\\n  ")
}

/// The master equation, the initial state and the protocol, as a document that needs `amsmath` and nothing else.
pub fn document(problem: &Problem) -> String {
    format!(
        "\\documentclass{{article}}\n\\usepackage{{amsmath}}\n\\allowdisplaybreaks\n{}\\begin{{document}}\n\
         \\section*{{{}}}\n\\begin{{align*}}\n  {}\n\\end{{align*}}\n\
         with $\\hbar = 1$ and $\\mathcal{{D}}[L]\\rho = L\\rho L^\\dagger - \\tfrac12(L^\\dagger L\\rho + \\rho L^\\dagger L)$.\n{}\n\
         {}\n\\end{{document}}\n",
        matrix_columns(problem),
        plain(&problem.title),
        equations(problem),
        parts(problem),
        protocol(problem)
    )
}

/// Room for a rate matrix wider than the ten columns that amsmath allows.
fn matrix_columns(problem: &Problem) -> String {
    let width = |c: &Channel| if let Reach::Correlated { rates, .. } = &c.reach { rates.matrix.len() } else { 0 };
    match problem.channels.iter().map(width).max() {
        Some(columns) if columns > 10 => format!("\\setcounter{{MaxMatrixCols}}{{{columns}}}\n"),
        _ => String::new(),
    }
}

/// What the symbols of each subsystem mean, and where it starts.
fn parts(problem: &Problem) -> String {
    let part = |e: SubsystemId| {
        let subsystem = &problem.subsystems[e];
        let (symbol, cells) = (name(&subsystem.name), subsystem.cells());
        let what = match &subsystem.kind {
            Kind::Ensemble { cells: 1 } => {
                format!("one two-level cell, $\\sigma^-_{{{symbol}}} = |g\\rangle\\langle e|$,")
            }
            Kind::Ensemble { .. } | Kind::Network { .. } => format!(
                "{cells} two-level cells, $S^\\pm_{{{symbol}}} = \\sum_i \\sigma^\\pm_{{{symbol},i}}$, \
                 $S^\\alpha_{{{symbol}}} = \\tfrac12\\sum_i \\sigma^\\alpha_{{{symbol},i}}$, \
                 $n_{{{symbol}}} = \\sum_i \\sigma^+_{{{symbol},i}}\\sigma^-_{{{symbol},i}}$,"
            ),
            Kind::Mode { cutoff } => {
                format!(
                    "an oscillator with Fock states 0 to {}, $n_{{{symbol}}} = a^\\dagger_{{{symbol}}}a_{{{symbol}}}$,",
                    cutoff - 1
                )
            }
            Kind::Levels { energies } => {
                let energies: Vec<String> = energies.iter().map(|e| number(*e)).collect();
                format!("a system of {} levels with energies ${}$,", energies.len(), energies.join("$, $"))
            }
        };
        let energy = match (&subsystem.kind, problem.battery.contains(&e)) {
            (Kind::Levels { .. }, true) => ", part of the battery".into(),
            (_, true) if !subsystem.uneven.is_empty() => {
                let energies: Vec<String> = subsystem.uneven.iter().map(|e| number(*e)).collect();
                format!(", part of the battery with $\\omega_i = {}$", energies.join("$, $"))
            }
            (_, true) if problem.battery_hamiltonian().is_some() => ", part of the battery".into(),
            (_, true) => format!(", part of the battery with $\\omega = {}$", number(subsystem.energy)),
            (_, false) => String::new(),
        };
        format!("\n\\noindent ${symbol}$: {what} initially {}{energy}.\\\\", state(&problem.initial[e]))
    };
    let space = problem.at_most().map(|limit| {
        let names: Vec<String> = limit.of.iter().map(|e| format!("${}$", name(&problem.subsystems[*e].name))).collect();
        let (quanta, names) = (limit.quanta, names.join(", "));
        format!(
            "\n\\noindent Of all operators what stays among states of at most {quanta} quanta in {names} is kept.\\\\"
        )
    });
    let joint = problem.joint().iter().map(|joint| joint_state(problem, joint));
    problem.subsystem_ids().map(part).chain(joint).chain(space).collect()
}

/// A state that several subsystems start in together.
fn joint_state(problem: &Problem, Joint { over, state }: &Joint) -> String {
    let names: Vec<String> = over.iter().map(|e| format!("${}$", name(&problem.subsystems[*e].name))).collect();
    let state = shared_state(problem, state);
    let verb = if over.len() == 1 { "starts" } else { "start together" };
    format!("\n\\noindent {} {verb} in {state}.\\\\", names.join(", "))
}

fn shared_state(problem: &Problem, state: &JointState) -> String {
    match state {
        JointState::Kets(kets) if kets.len() == 1 => "a pure state".into(),
        JointState::Kets(kets) => format!("a mixture of {} states", kets.len()),
        JointState::Spins(_) => state.name(),
        JointState::GroundState(operator) => format!("the ground state of ${}$", inline(problem, operator)),
        JointState::Gibbs { operator, beta } => {
            format!("the Gibbs state of $\\beta = {}$ of ${}$", number(*beta), inline(problem, operator))
        }
    }
}

/// The protocol in words.
fn protocol(problem: &Problem) -> String {
    let symbol = |e: SubsystemId| name(&problem.subsystems[e].name);
    let item = |step: &Step| match step {
        Step::Rotate { subsystem, axis, angle } => {
            let axis = format!("{axis:?}").to_lowercase();
            let e = symbol(*subsystem);
            format!(
                "an instantaneous rotation of every cell of ${e}$, $\\exp(-i\\theta S^{axis}_{{{e}}})$ with $\\theta = {}$",
                number(*angle)
            )
        }
        Step::Unitary(Gate::Exponential(generator)) => {
            format!("an instantaneous $U = \\exp(-iG)$ with $G = {}$", inline(problem, generator))
        }
        Step::Unitary(Gate::Matrix { over, matrix }) => {
            let names: Vec<String> = over.iter().map(|e| format!("${}$", symbol(*e))).collect();
            format!("an instantaneous unitary of {} states on {}", matrix.nrows(), names.join(", "))
        }
        Step::Reset { subsystem, state: fresh } => {
            let fresh = match fresh {
                Initial::Alone(state) => format!("in {}", shared_state(problem, state)),
                other => state(other),
            };
            format!("${}$ is replaced by a fresh one, {fresh}", symbol(*subsystem))
        }
        Step::Evolve { name: step, duration, active, driven, .. } => {
            let channels = problem.channels.iter().zip(active).filter(|(c, on)| **on && c.rate > 0.0);
            let drives = problem.drives.iter().zip(driven).filter(|(_, on)| **on);
            let on: Vec<String> =
                channels.map(|(c, _)| plain(&c.name)).chain(drives.map(|(d, _)| plain(&d.name))).collect();
            let with = if on.is_empty() { "no channel".into() } else { on.join(", ") };
            format!("\\emph{{{}}}: evolution for a time ${}$ with {with}", plain(step), number(*duration))
        }
    };
    let items: String = problem.protocol.steps.iter().map(|step| format!("\\item {}\n", item(step))).collect();
    let often = match problem.protocol.repeat {
        1 => "once".into(),
        n => format!("repeated {n} times"),
    };
    format!("\nThe protocol, {often}:\n\\begin{{enumerate}}\n{items}\\end{{enumerate}}")
}

fn dissipator(problem: &Problem, channel: &Channel) -> String {
    let constant = if channel.rate == 1.0 { String::new() } else { format!("{}\\, ", number(channel.rate)) };
    let rate = match &channel.envelope {
        None => constant,
        Some(shape) => format!("{constant}\\left({}\\right) ", envelope(shape)),
    };
    let operator = |site| {
        let parts = channel
            .modulated
            .iter()
            .map(|(f, part)| format!(" + \\left({}\\right) \\left({}\\right)", envelope(f), sum(problem, part, site)));
        sum(problem, &channel.operator, site) + &parts.collect::<String>()
    };
    let label = format!("\\qquad\\text{{({})}}", plain(&channel.name));
    let term = match &channel.reach {
        Reach::Collective => format!("\\mathcal{{D}}\\!\\left[{}\\right]\\rho", operator(None)),
        Reach::Each(_) => format!("\\sum_i \\mathcal{{D}}\\!\\left[{}\\right]\\rho", operator(Some("i"))),
        Reach::Correlated { .. } => format!(
            "\\sum_{{nm}} R^{{({})}}_{{nm}} \\bigl(L_n\\rho L_m^\\dagger - \\tfrac12\\{{L_m^\\dagger L_n, \\rho\\}}\\bigr)",
            name(&channel.name)
        ),
    };
    // A matched pair of brackets cannot be broken over lines.
    format!("{rate}{}{label}", term.replace(" \\\\\n  & \\quad", ""))
}

/// An operator sum; `site` is the index of the cell where a factor names none.
fn sum(problem: &Problem, sum: &OpSum, site: Option<&str>) -> String {
    if sum.terms.is_empty() {
        return "0".into();
    }
    let mut text = String::new();
    for (k, term) in sum.terms.iter().enumerate() {
        let product = product(problem, term, site);
        match (k, product.strip_prefix('-')) {
            (0, _) => text.push_str(&product),
            (_, Some(positive)) => text.push_str(&format!(" - {positive}")),
            (_, None) => text.push_str(&format!(" + {product}")),
        }
        if (k + 1) % TERMS_A_LINE == 0 && k + 1 < sum.terms.len() {
            text.push_str(" \\\\\n  & \\quad");
        }
    }
    text
}

/// An operator sum within a line of text.
fn inline(problem: &Problem, operator: &OpSum) -> String {
    sum(problem, operator, None).replace(" \\\\\n  & \\quad", "")
}

fn product(problem: &Problem, term: &Term, site: Option<&str>) -> String {
    // Sums of Pauli operators are 2S.
    let doubled = |f: &&Factor| summed(problem, f, site) && matches!(f.op, Op::X | Op::Y | Op::Z);
    let twos = term.factors.iter().filter(doubled).count() as i32;
    let coefficient = term.coefficient * 2f64.powi(twos);
    let factors: Vec<String> = term.factors.iter().map(|f| factor(problem, f, site)).collect();
    let product = factors.join(" ");
    match coefficient {
        c if product.is_empty() => complex(c),
        Complex64::ONE => product,
        c if c == -Complex64::ONE => format!("-{product}"),
        c => format!("{}\\, {product}", complex(c)),
    }
}

/// Whether a factor stands for the sum over several cells.
fn summed(problem: &Problem, factor: &Factor, site: Option<&str>) -> bool {
    let part = &problem.subsystems[factor.subsystem];
    let several = !matches!(part.kind, Kind::Ensemble { cells: 1 } | Kind::Mode { .. } | Kind::Levels { .. });
    several && factor.site.is_none() && site.is_none()
}

fn factor(problem: &Problem, factor: &Factor, site: Option<&str>) -> String {
    let part = &problem.subsystems[factor.subsystem];
    let symbol = name(&part.name);
    let all = summed(problem, factor, site);
    let place = match (factor.site, site) {
        (Some(cell), _) => format!("{symbol},{cell}"),
        (None, Some(index)) if !matches!(part.kind, Kind::Ensemble { cells: 1 }) => format!("{symbol},{index}"),
        _ => symbol.clone(),
    };
    let spin = |raised: &str| format!("{}^{{{raised}}}_{{{place}}}", if all { "S" } else { "\\sigma" });
    match factor.op {
        Op::Lower => spin("-"),
        Op::Raise => spin("+"),
        Op::X => spin("x"),
        Op::Y => spin("y"),
        Op::Z => spin("z"),
        Op::Number => format!("n_{{{place}}}"),
        Op::Annihilate => format!("a_{{{symbol}}}"),
        Op::Create => format!("a^\\dagger_{{{symbol}}}"),
        Op::Transition(i, j) => format!("|{i}\\rangle\\langle {j}|_{{{symbol}}}"),
    }
}

fn envelope(envelope: &Envelope) -> String {
    let signed = |x: f64| if x < 0.0 { format!("- {}", number(-x)) } else { format!("+ {}", number(x)) };
    match *envelope {
        Envelope::Function(ref function) => function.expression().written(&Latex),
        Envelope::Constant(value) => number(value),
        Envelope::Linear { start, slope } => format!("{} {}\\, t", number(start), signed(slope)),
        Envelope::Gaussian { peak, centre, width } => format!(
            "{}\\, \\exp\\!\\left[-\\frac{{(t {})^2}}{{2 \\cdot {}^2}}\\right]",
            number(peak),
            signed(-centre),
            number(width)
        ),
        Envelope::Cosine { amplitude, frequency, phase } => {
            format!("{} \\cos({}\\, t {})", number(amplitude), number(frequency), signed(phase))
        }
    }
}

fn state(initial: &Initial) -> String {
    let half = |twice: i64| if twice % 2 == 0 { format!("{}", twice / 2) } else { format!("{twice}/2") };
    match initial {
        Initial::Ground => "in its ground state".into(),
        Initial::Excited => "with every cell in $|e\\rangle$".into(),
        Initial::Dicke { two_j, two_m } => {
            format!(
                "in $|J, M\\rangle = |{}, {}\\rangle$, mixed over equivalent copies",
                half(*two_j as i64),
                half(*two_m)
            )
        }
        Initial::Thermal { ratio } => format!("in a Gibbs state with $p_e/p_g = {}$", number(*ratio)),
        Initial::Cell { excited, coherence } => format!(
            "with $\\langle e|\\rho|e\\rangle = {}$ and $\\langle e|\\rho|g\\rangle = {}$ in every cell",
            number(*excited),
            complex(*coherence)
        ),
        Initial::Joint(_) | Initial::Alone(_) => "in the state below".into(),
        Initial::Fock(n) => format!("in the Fock state $|{n}\\rangle$"),
        Initial::Coherent(alpha) => format!("in the coherent state $\\alpha = {}$", complex(*alpha)),
        Initial::Populations(p) => {
            let p: Vec<String> = p.iter().map(|p| number(*p)).collect();
            format!("with populations ${}$", p.join("$, $"))
        }
        Initial::Rotated { ratio, .. } => {
            format!("in a Gibbs state with $p_e/p_g = {}$ after a unitary", number(*ratio))
        }
    }
}

/// A number as one would print it.
fn number(x: f64) -> String {
    if x == 0.0 || (1e-4..1e6).contains(&x.abs()) {
        return format!("{x}");
    }
    let text = format!("{x:e}");
    match text.split_once('e') {
        Some(("1", power)) => format!("10^{{{power}}}"),
        Some(("-1", power)) => format!("-10^{{{power}}}"),
        Some((digits, power)) => format!("{digits}\\cdot 10^{{{power}}}"),
        None => text,
    }
}

fn complex(c: Complex64) -> String {
    match (c.re, c.im) {
        (re, 0.0) => number(re),
        (0.0, 1.0) => "i".into(),
        (0.0, -1.0) => "-i".into(),
        (0.0, im) => format!("{}i", number(im)),
        (re, im) if im < 0.0 => format!("({} - {}i)", number(re), number(-im)),
        (re, im) => format!("({} + {}i)", number(re), number(im)),
    }
}

/// A name in mathematics.
fn name(text: &str) -> String {
    format!("\\mathrm{{{}}}", plain(text))
}

/// Text with the characters that mean something to LaTeX made harmless.
fn plain(text: &str) -> String {
    let mut safe = String::new();
    for c in text.chars() {
        match c {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => safe.extend(['\\', c]),
            '~' | '^' | '\\' => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::{RateMatrix, a, n, sm, sp, sx};

    fn problem() -> Problem {
        let mut p = Problem::builder("50 % of B_1");
        let b = p.ensemble("B_1", 4, 1.0);
        let mode = p.subsystem("A", Kind::Mode { cutoff: 3 }, 1.0);
        let net = p.subsystem("N", Kind::Network { cells: 2, edges: vec![(0, 1)] }, 1.0);
        p.hamiltonian(n(mode) * -0.5 + (sp(b) * a(mode) + (sp(b) * a(mode)).adjoint()) * 2.0);
        p.drive("kick", sx(b), Envelope::Gaussian { peak: 0.9, centre: 0.4, width: 0.2 });
        p.each("loss", b, sm(b), 1e-7).collective("release", sm(b) * Complex64::I, 1600.0).collective(
            "off",
            sm(b),
            0.0,
        );
        p.correlated(
            "shared",
            net,
            sm(net),
            1.0,
            RateMatrix::on_graph(2, &[(0, 1)], 1.0, 0.5).unwrap_or_else(|e| panic!("{e}")),
        );
        p.rotate(b, crate::problem::Axis::X, 0.5).reset(mode, Initial::Fock(1)).evolve("wait", 2.0, 1).repeat(3);
        p.observe([crate::problem::Quantity::Energy]);
        p.build().unwrap()
    }

    #[test]
    fn every_part_of_the_equation_is_there() {
        let text = document(&problem());
        for part in [
            "\\section*{50 \\% of B\\_1}",
            "-i\\,[H + f_{\\mathrm{kick}}(t)\\, V_{\\mathrm{kick}},\\, \\rho]",
            "+ 10^{-7}\\, \\sum_i \\mathcal{D}\\!\\left[\\sigma^{-}_{\\mathrm{B\\_1},i}\\right]\\rho",
            "+ 1600\\, \\mathcal{D}\\!\\left[i\\, S^{-}_{\\mathrm{B\\_1}}\\right]\\rho",
            "H ={} & -0.5\\, n_{\\mathrm{A}} + 2\\, S^{+}_{\\mathrm{B\\_1}} a_{\\mathrm{A}} + 2\\, a^\\dagger_{\\mathrm{A}} S^{-}_{\\mathrm{B\\_1}}",
            "V_{\\mathrm{kick}} ={} & 2\\, S^{x}_{\\mathrm{B\\_1}}",
            "\\exp\\!\\left[-\\frac{(t - 0.4)^2}{2 \\cdot 0.2^2}\\right]",
            "R^{(\\mathrm{shared})} ={} & \\begin{pmatrix} 1 & 0.5 \\\\ 0.5 & 1 \\end{pmatrix}",
            "The protocol, repeated 3 times:",
            "\\item $\\mathrm{A}$ is replaced by a fresh one, in the Fock state $|1\\rangle$",
            "evolution for a time $2$ with loss, release, shared, kick",
        ] {
            assert!(text.contains(part), "`{part}` is not in\n{text}");
        }
        assert!(!text.contains("(off)"), "a channel of rate 0 is no part of the equation");
    }

    #[test]
    fn braces_and_environments_are_balanced() {
        let text = document(&problem());
        let plain = text.replace("\\{", "").replace("\\}", "");
        assert_eq!(plain.matches('{').count(), plain.matches('}').count());
        assert_eq!(text.matches("\\begin").count(), text.matches("\\end").count());
        assert_eq!(
            text.matches("\\left").count() - text.matches("\\leftarrow").count(),
            text.matches("\\right]").count()
        );
        assert!(text.matches('$').count().is_multiple_of(2));
    }
}
