//! A problem in words, as it was understood.

use super::{
    AtMost, Chosen, Correlation, Envelope, Factor, Gate, Initial, Joint, Kind, Op, OpSum, Place, Problem, Reach, Step,
    StepId, SubsystemId, When, Zero,
};
use num_complex::Complex64;
use std::fmt::Write;

/// √2J and the like: half-integers as they are written.
fn half(twice: i64) -> String {
    if twice % 2 == 0 { format!("{}", twice / 2) } else { format!("{twice}/2") }
}

fn coefficient(c: Complex64) -> String {
    match (c.re, c.im) {
        (re, 0.0) => format!("{re}"),
        (0.0, im) => format!("{im}i"),
        (re, im) => format!("({re}{im:+}i)"),
    }
}

/// Terms of an operator that are written out.
const MOST_TERMS: usize = 24;

/// An initial state as an input file would write it.
pub(super) fn state_text(state: &Initial) -> String {
    match state {
        Initial::Ground => "ground".into(),
        Initial::Excited => "excited".into(),
        Initial::Dicke { two_j, two_m } => format!("dicke({}, {})", half(*two_j as i64), half(*two_m)),
        Initial::Thermal { ratio } => format!("thermal({ratio})"),
        Initial::Cell { excited, coherence } => format!("cell({excited}, {})", coefficient(*coherence)),
        Initial::Fock(n) => format!("fock({n})"),
        Initial::Joint(_) => "a joint state".into(),
        Initial::Alone(state) => state.name(),
        Initial::Coherent(alpha) => format!("coherent({})", coefficient(*alpha)),
        Initial::Populations(p) if p.len() <= 8 => format!("populations {p:?}"),
        Initial::Populations(p) => format!("populations of {} levels", p.len()),
        Initial::Rotated { ratio, unitary } => {
            format!("U·thermal({ratio})·U† with a unitary of dimension {}", unitary.nrows())
        }
    }
}

fn envelope_text(envelope: &Envelope) -> String {
    match *envelope {
        Envelope::Function(ref function) => format!("({})", function.expression()),
        Envelope::Constant(value) => format!("{value}"),
        Envelope::Linear { start, slope } => format!("({start} + {slope} t)"),
        Envelope::Gaussian { peak, centre, width } => format!("{peak} exp(-(t - {centre})²/(2·{width}²))"),
        Envelope::Cosine { amplitude, frequency, phase } => format!("{amplitude} cos({frequency} t + {phase})"),
    }
}

impl Kind {
    /// What a subsystem of this kind is called in a sentence.
    pub fn described(&self) -> String {
        match self {
            Kind::Ensemble { .. } => "an ensemble of spins".into(),
            Kind::Network { cells: 1, .. } => "a single cell".into(),
            Kind::Network { cells, .. } => format!("a network of {cells} cells"),
            Kind::Mode { .. } => "a mode".into(),
            Kind::Levels { energies } => format!("a system of {} levels", energies.len()),
        }
    }
}

impl Problem {
    /// The operator as an input file would write it.
    pub fn operator_text(&self, operator: &OpSum) -> String {
        if operator.terms.is_empty() {
            return "0".into();
        }
        let factor = |f: &Factor| {
            let name = &self.subsystems[f.subsystem].name;
            let place = f.site.map_or_else(|| name.clone(), |site| format!("{name}, {site}"));
            match f.op {
                Op::Lower => format!("sm({place})"),
                Op::Raise => format!("sp({place})"),
                Op::X => format!("sx({place})"),
                Op::Y => format!("sy({place})"),
                Op::Z => format!("sz({place})"),
                Op::Number => format!("n({place})"),
                Op::Annihilate => format!("a({place})"),
                Op::Create => format!("ad({place})"),
                Op::Transition(i, j) => format!("|{i}⟩⟨{j}|({place})"),
            }
        };
        let terms = operator.terms.iter().map(|term| {
            let mut parts: Vec<String> = term.factors.iter().map(factor).collect();
            if term.coefficient != Complex64::ONE || parts.is_empty() {
                parts.insert(0, coefficient(term.coefficient));
            }
            parts.join("*")
        });
        let mut shown: Vec<String> = terms.take(MOST_TERMS).collect();
        if operator.terms.len() > MOST_TERMS {
            shown.push(format!("… ({} terms)", operator.terms.len()));
        }
        shown.join(" + ").replace("+ -", "- ")
    }

    /// The whole problem, several lines, each `heading    text`.
    pub fn describe(&self) -> String {
        let mut text = String::new();
        let mut line = |heading: &str, rest: String| {
            let _ = writeln!(text, "{heading:<15} {rest}");
        };
        for (subsystem, initial) in self.subsystems.iter().zip(&self.initial) {
            let kind = match &subsystem.kind {
                Kind::Ensemble { cells } => format!("{cells} identical two-level cells"),
                Kind::Network { cells, edges } => format!("network of {cells} two-level cells, {} edges", edges.len()),
                Kind::Mode { cutoff } => format!("oscillator, Fock states 0 to {}", cutoff - 1),
                Kind::Levels { energies } => format!("{} levels", energies.len()),
            };
            let start = match initial {
                Initial::Joint(number) => match &self.joint[*number] {
                    Joint { over, state } if over.len() > 1 => format!("{} of {}", state.name(), self.names(over)),
                    Joint { state, .. } => state.name(),
                },
                other => state_text(other),
            };
            let energy = match subsystem.uneven.is_empty() {
                true => subsystem.energy.to_string(),
                false => format!("{:?} of its cells", subsystem.uneven),
            };
            line(&subsystem.name, format!("{kind}, energy {energy}, starts in {start}"));
        }
        for (subsystem, tilt) in self.subsystems.iter().zip(&self.tilt).filter(|(_, tilt)| **tilt != 0.0) {
            line("mean field", format!("{} starts turned by {tilt} about y", subsystem.name));
        }
        line("battery", self.names(&self.battery));
        if let Some(own) = &self.battery_hamiltonian {
            let zero = match own.zero {
                Zero::Ground => ", its lowest level counting 0",
                Zero::AsWritten => "",
            };
            line("  H_B", format!("{}{zero}", self.operator_text(&own.operator)));
        }
        if let Some(AtMost { quanta, of }) = &self.at_most {
            line("space", format!("at most {quanta} quanta in {}", self.names(of)));
        }
        line("equation", "dρ/dt = −i[H, ρ] + Σ rate·D[L]ρ,  D[L]ρ = LρL† − ½(L†Lρ + ρL†L)".into());
        line("  H", self.operator_text(&self.hamiltonian));
        for drive in &self.drives {
            let operator = self.operator_text(&drive.operator);
            line(&format!("  {}", drive.name), format!("+ {}·({operator}) in H", envelope_text(&drive.envelope)));
        }
        for (index, channel) in self.channels.iter().enumerate() {
            let mut operator = self.operator_text(&channel.operator);
            for (f, part) in &channel.modulated {
                operator.push_str(&format!(" + {}*({})", envelope_text(f), self.operator_text(part)));
            }
            let reach = match &channel.reach {
                Reach::Collective => format!("D[{operator}]"),
                Reach::Each(subsystem) => {
                    format!("Σ D[{operator}] over the cells of {}", self.subsystems[*subsystem].name)
                }
                Reach::Correlated { subsystem, rates } => {
                    let values: Vec<String> = rates.modes.iter().map(|(value, _)| format!("{value:.4}")).collect();
                    let name = &self.subsystems[*subsystem].name;
                    format!(
                        "correlated {operator} of the cells of {name}, rate matrix with eigenvalues {}",
                        values.join(", ")
                    )
                }
            };
            let rate = match &channel.envelope {
                None => channel.rate.to_string(),
                Some(envelope) if channel.rate == 1.0 => envelope_text(envelope),
                Some(envelope) => format!("{} {}", channel.rate, envelope_text(envelope)),
            };
            line(&format!("  {}", channel.name), format!("{rate} {reach}, {}", self.when(index)));
        }
        let cycles = match self.protocol.repeat {
            1 => "once".into(),
            n => format!("{n} cycles of"),
        };
        line("protocol", cycles);
        for step in &self.protocol.steps {
            match step {
                Step::Rotate { subsystem, axis, angle } => {
                    let name = &self.subsystems[*subsystem].name;
                    line("  pulse", format!("rotate({name}, {}, {angle:.6})", format!("{axis:?}").to_lowercase()));
                }
                Step::Unitary(gate) => line("  gate", self.gate_text(gate)),
                Step::Reset { subsystem, state } => {
                    line("  reset", format!("{} to {}", self.subsystems[*subsystem].name, state_text(state)));
                }
                Step::Evolve { name, duration, rows, .. } => {
                    line(&format!("  {name}"), format!("for {duration}, {} rows", rows.len()));
                }
            }
        }
        let columns: Vec<String> = self.quantities.iter().map(|q| self.column(q)).collect();
        line("quantities", columns.join(", "));
        for number in &self.kept_states {
            let Chosen { name, places, .. } = &self.chosen[*number];
            let place = |(e, cell): &Place| {
                let name = &self.subsystems[*e].name;
                cell.map_or_else(|| name.clone(), |cell| format!("{name}:{cell}"))
            };
            let places: Vec<String> = places.iter().map(place).collect();
            line(&format!("  {name}"), format!("averaged density matrix of {}", places.join(", ")));
        }
        text
    }

    /// A two-time correlation in words.
    pub fn correlation_text(&self, of: &Correlation) -> String {
        let operator = |sum: &OpSum| self.operator_text(sum);
        let (a, b) = (operator(&of.a), operator(&of.b));
        let mean = match &of.c {
            None => format!("⟨A(t+τ)B(t)⟩ of A = {a}, B = {b}"),
            Some(c) => format!("⟨C(t)A(t+τ)B(t)⟩ of C = {}, A = {a}, B = {b}", operator(c)),
        };
        let from = match of.from {
            When::Steady => "from the steady state",
            When::Start => "from the start",
            When::End => "from the end",
        };
        let last = self.protocol.steps.iter().rposition(|step| matches!(step, Step::Evolve { .. }));
        let step = of.step.or(last.map(StepId::new)).map_or("", |step| self.protocol.name(step));
        let normalised = if of.normalised { ", normalised" } else { "" };
        let until = of.delays.last().copied().unwrap_or(0.0);
        format!("{mean} {from} of {step}, {} delays up to {until}{normalised}", of.delays.len())
    }

    fn names(&self, of: &[SubsystemId]) -> String {
        of.iter().map(|&e| self.subsystems[e].name.as_str()).collect::<Vec<_>>().join(", ")
    }

    fn gate_text(&self, gate: &Gate) -> String {
        match gate {
            Gate::Exponential(generator) => format!("exp(−i·({}))", self.operator_text(generator)),
            Gate::Matrix { over, matrix } => {
                format!("a unitary of {} states on {}", matrix.nrows(), self.names(over))
            }
        }
    }

    /// In which steps a channel acts.
    fn when(&self, channel: usize) -> String {
        let timed = || self.protocol.steps.iter().filter(|s| matches!(s, Step::Evolve { .. }));
        let on = |step: &&Step| matches!(step, Step::Evolve { active, .. } if active[channel]);
        if self.channels[channel].rate == 0.0 {
            "off".into()
        } else if timed().all(|s| on(&s)) {
            "always on".into()
        } else {
            let name = |s: &Step| if let Step::Evolve { name, .. } = s { name.clone() } else { String::new() };
            format!("on in {}", timed().filter(on).map(name).collect::<Vec<_>>().join(", "))
        }
    }
}
