//! Costs for humans.

use super::{CELL_BYTES, Cost, Exact, Memory};
use std::fmt;

/// Below this nothing takes less time: a program has to start.
const LEAST_SECONDS: f64 = 1e-3;

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.memory.fmt(f)?;
        self.time(f)?;
        if let Some(precision) = &self.precision {
            let what = "trajectories for a standard error of 1 % of the largest value, by the pilot's scatter";
            writeln!(f, "{:<15} {what}", "precision")?;
            for (column, needed) in precision {
                writeln!(f, "  {column:<13} {needed}")?;
            }
        }
        self.recommend(f)
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let averages = bytes(self.averages);
        writeln!(f, "{:<15} averages and table {averages}, whatever N and the number of trajectories", "memory")?;
        let mut line = |text: String| writeln!(f, "{:<15} {text}", "");
        if let Some((rows, cells, total)) = self.ergotropy {
            let total = bytes(total);
            let cells = format!("{rows} rows × {cells} cells (J, M) occupied × {CELL_BYTES} B for two halves");
            line(format!("ergotropy at most {total}: {cells}"))?;
        }
        if let Some(total) = self.populations {
            let total = bytes(total);
            line(format!("populations (J, M) along the mean spin at most {total}, instead of density matrices"))?;
        }
        if let Some(total) = self.matrices {
            line(format!("averaged density matrices {}", bytes(total)))?;
        }
        if let Some(error) = &self.refused {
            line(format!("`leyden run` refuses it: {error}"))?;
        }
        self.shots.map_or(Ok(()), |total| line(format!("single shots {}", bytes(total))))
    }
}

impl Cost {
    fn time(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Some(pilot), Some(total)) = (&self.pilot, self.seconds()) else {
            return writeln!(f, "{:<15} not known: not even a part of one trajectory could be timed", "time");
        };
        let timed = match pilot.share {
            None => format!("timed on a pilot of {}", pilot.made),
            Some(0.0) => "a pilot did not reach its first row".into(),
            Some(share) => format!("timed on the first {:.0} % of the rows of one", (100.0 * share).max(1.0)),
        };
        let about = if pilot.share == Some(0.0) { "more than" } else { "about" };
        let (total, each) = (seconds(total), seconds(pilot.each));
        let Self { trajectories, threads, .. } = self;
        writeln!(
            f,
            "{:<15} {about} {total} for {trajectories} trajectories on {threads} threads ({each} each, {timed})",
            "time"
        )?;
        if !self.nonlinear {
            return Ok(());
        }
        match self.evaluation() {
            _ if self.light => {
                writeln!(f, "{:<15} without averaged density matrices, which take more memory than a pilot may", "")
            }
            Some(took) => writeln!(f, "{:<15} about {} to evaluate them on {threads} threads", "", seconds(took)),
            None => writeln!(f, "{:<15} and longer to evaluate them than could be timed", ""),
        }
    }

    /// Whether the exact solution is cheaper than as many trajectories as give 1 % of the first quantity, on one core.
    fn recommend(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = match &self.exact {
            Exact::Unknown => return writeln!(f, "{:<15} its cost could not be found in time: it is large", "exact"),
            Exact::Refused(error) => return writeln!(f, "{:<15} not for `leyden exact`: {error}", "exact"),
            Exact::States(count) => format!("{count} states"),
            Exact::Seconds(time) => format!("about {}", seconds(*time)),
        };
        writeln!(f, "{:<15} `leyden exact` solves it without sampling: {size}", "exact")?;
        let needed = self.precision.as_ref().and_then(|columns| columns.first()).map(|(_, needed)| needed);
        let (Exact::Seconds(exact), Some(pilot), Some(needed)) = (&self.exact, &self.pilot, needed) else {
            return Ok(());
        };
        let (exact, sampling) = (exact.max(LEAST_SECONDS), (needed * pilot.each).max(LEAST_SECONDS));
        let (better, by) = if exact < sampling { ("exact", sampling / exact) } else { ("run", exact / sampling) };
        let by = match by {
            by if by < 1.5 => "about as cheap as".into(),
            by if by > 1e4 => "more than 10000 times cheaper than".into(),
            by => format!("{by:.0} times cheaper than"),
        };
        writeln!(
            f,
            "{:<15} `leyden {better}`: {by} the other for averages to 1 %; single shots need `run`",
            "recommended"
        )
    }
}

/// Bytes for humans.
pub fn bytes(count: f64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB", "PB"];
    let power = if count >= 1.0 { ((count.log10() / 3.0) as usize).min(units.len() - 1) } else { 0 };
    format!("{:.3} {}", count / 1000f64.powi(power as i32), units[power])
}

/// A duration for humans.
fn seconds(s: f64) -> String {
    match s {
        s if s < 1e-3 => format!("{:.1} µs", s * 1e6),
        s if s < 1.0 => format!("{:.1} ms", s * 1e3),
        s if s < 120.0 => format!("{s:.1} s"),
        s if s < 7200.0 => format!("{:.1} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}
