//! `audit.csv`: what does work, what carries heat and what entropy leaves with it, in every step and in the whole run.

use super::table::number;
use crate::estimate::audit::Audit;
use crate::estimate::counting::Cumulant;
use crate::problem::{AuditEntry, Problem};

/// The table of these lines, but those that are off, and of how well the first law holds: kind, name, step, cycle, mean
/// with its error and interval, std. The last line is `closure`, the `residual`. Energies are in the unit of ω,
/// entropies pure numbers.
pub fn csv(problem: &Problem, lines: &[Audit], residual: f64) -> String {
    let mut text = String::from("kind,name,step,cycle,mean,mean_se,mean_lo,mean_hi,std\n");
    let mut add = |words: [&str; 4], numbers: [f64; 5]| {
        let cells = words.iter().map(|word| (*word).to_owned()).chain(numbers.into_iter().map(number));
        text.push_str(&(cells.collect::<Vec<_>>().join(",") + "\n"));
    };
    for Audit { entry, mean: Cumulant { value, se, interval }, std } in lines.iter().filter(|line| !line.entry.off) {
        let AuditEntry { name, at, .. } = entry;
        let step = at.map_or("", |(_, step)| problem.protocol.name(step));
        let sudden = at.filter(|(_, step)| problem.protocol.name(*step).is_empty());
        let step = sudden.map_or(step.to_owned(), |(_, step)| step.index().to_string());
        let cycle = at.map_or(String::new(), |(cycle, _)| cycle.to_string());
        add([entry.account.word(), name, &step, &cycle], [*value, *se, interval.0, interval.1, *std]);
    }
    let nothing = f64::NAN;
    add(["closure", "", "", ""], [residual, nothing, nothing, nothing, nothing]);
    text
}
