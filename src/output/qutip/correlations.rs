//! Two-time correlations as Python statements.

use super::steps::on;
use super::{operator, quoted};
use crate::error::RunError;
use crate::problem::{Correlation, Problem, Regression, Step, When};
use std::fmt::Write;

/// A correlation with its name, its step and its operators.
pub(super) type Asked<'c> = (&'c str, &'c Correlation, Regression);

/// What the correlations are of.
pub(super) fn asked<'c>(problem: &Problem, all: &'c [(String, Correlation)]) -> Result<Vec<Asked<'c>>, RunError> {
    all.iter().map(|(name, of)| Ok((name.as_str(), of, of.regression(problem)?))).collect()
}

/// Each of them, and the file that they go to, as `correlations.csv` has them.
pub(super) fn correlations(problem: &Problem, all: &[Asked<'_>]) -> String {
    if all.is_empty() {
        return String::new();
    }
    let mut text = String::from("\ncorrelations = {  # name: [delays, values]\n");
    for (name, of, asked) in all {
        let Step::Evolve { active, driven, .. } = &problem.protocol.steps[asked.step] else { continue };
        let place = if of.from == When::End { "end" } else { "start" };
        let operators: Vec<String> = asked.operators.iter().map(|sum| operator(problem, sum, None)).collect();
        let steady = if of.from == When::Steady { ", steady=True" } else { "" };
        let normalised = if of.normalised { ", normalised=True" } else { "" };
        let _ = writeln!(
            text,
            "    {}: [delays := {:?}, correlate({}, {place}_{}, delays, {}{steady}{normalised})],",
            quoted(name),
            of.delays,
            operators.join(", "),
            asked.step,
            on(problem, active, driven)
        );
    }
    text.push_str(
        "}\n\
         with open(out.removesuffix(\".csv\") + \"_correlations.csv\", \"w\", newline=\"\") as file:\n    \
         writer = csv.writer(file, lineterminator=\"\\n\")\n    \
         writer.writerow([\"tau\", *(f\"{name}_{part}\" for name in correlations for part in (\"re\", \"im\"))])\n    \
         found = {name: dict(zip(delays, values)) for name, (delays, values) in correlations.items()}\n    \
         for tau in sorted(set().union(*found.values())):\n        \
         values = [complex(values.get(tau, np.nan)) for values in found.values()]\n        \
         writer.writerow([tau, *(\"\" if np.isnan(v) else x for v in values for x in (v.real, v.imag))])\n",
    );
    text
}
