//! Angular-momentum weights of local channels on the ladder (`docs/physics.md` §2.2), in integers that stay exact.
//!
//! A state |J, M⟩ of N cells is held as `Rung { singlets, two_j, up }` with `singlets` = N/2 − J pairs bound in
//! singlets and `up` = J + M quanta above the bottom of the ladder. Then n_e = singlets + up cells are excited,
//! n_g = singlets + (2J − up) are not, and every weight is a ratio of products of small integers: no cancellation,
//! and exactly zero where a jump is forbidden.

/// Position of an ensemble on its ladder.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rung {
    /// N/2 − J.
    pub singlets: f64,
    /// 2J.
    pub two_j: f64,
    /// J + M.
    pub up: f64,
}

impl Rung {
    /// |J, M⟩ of `cells` cells.
    pub fn new(cells: u64, two_j: u64, two_m: i64) -> Self {
        Self { singlets: ((cells - two_j) / 2) as f64, two_j: two_j as f64, up: ((two_j as i64 + two_m) / 2) as f64 }
    }

    /// J − M.
    pub fn down(&self) -> f64 {
        self.two_j - self.up
    }

    /// Number of excited cells, N/2 + M.
    pub fn excited(&self) -> f64 {
        self.singlets + self.up
    }

    /// Number of cells in the ground state, N/2 − M.
    pub fn ground(&self) -> f64 {
        self.singlets + self.down()
    }

    /// M.
    pub fn m(&self) -> f64 {
        self.up - 0.5 * self.two_j
    }

    /// J(J+1).
    pub fn spin_squared(&self) -> f64 {
        0.25 * self.two_j * (self.two_j + 2.0)
    }

    /// ⟨S⁺S⁻⟩ = (J+M)(J−M+1).
    pub fn lowering(&self) -> f64 {
        self.up * (self.down() + 1.0)
    }

    /// ⟨S⁻S⁺⟩ = (J−M)(J+M+1).
    pub fn raising(&self) -> f64 {
        self.down() * (self.up + 1.0)
    }

    /// w(J→J−1) of `docs/physics.md` §2.2, without its V²: (N/2+J+1)/(2J(2J+1)); 0 at J = 0, whence no such jump starts.
    fn shorter(&self) -> f64 {
        match self.two_j {
            0.0 => 0.0,
            two_j => (self.singlets + two_j + 1.0) / (two_j * (two_j + 1.0)),
        }
    }

    /// w(J→J+1) without its V²: (N/2−J)/(2(J+1)(2J+1)).
    fn longer(&self) -> f64 {
        self.singlets / ((self.two_j + 2.0) * (self.two_j + 1.0))
    }

    /// Σᵢσᵢ⁻·σᵢ⁺ split by the change of J: weights of J→J−1 and J→J+1; the rest of n_e stays at J.
    pub fn local_lowering(&self) -> [f64; 2] {
        let (up, down) = (self.up, self.down());
        [self.shorter() * (up * (up - 1.0)), self.longer() * ((down + 1.0) * (down + 2.0))]
    }

    /// The same for σ⁺, the mirror image M → −M: the rest of n_g stays at J.
    pub fn local_raising(&self) -> [f64; 2] {
        let (up, down) = (self.up, self.down());
        [self.shorter() * (down * (down - 1.0)), self.longer() * ((up + 1.0) * (up + 2.0))]
    }

    /// The same for σz/2: the rest of N/4 stays at J.
    pub fn local_dephasing(&self) -> [f64; 2] {
        let (up, down) = (self.up, self.down());
        [self.shorter() * (up * down), self.longer() * ((up + 1.0) * (down + 1.0))]
    }

    /// Change J by `by` ∈ {−1, 0, 1} and M by `m`.
    pub fn shift(&mut self, by: f64, m: f64) {
        self.singlets -= by;
        self.two_j += 2.0 * by;
        self.up += by + m;
    }

    /// M → −M.
    pub fn flip(&mut self) {
        self.up = self.down();
    }
}

/// 1/w(J → J) = 2J(J+1)/(N/2+1) of a local operator's part that leaves J.
pub fn inverse_weight(cells: u64, two_j: u64) -> f64 {
    let two_j = two_j as f64;
    two_j * (two_j + 2.0) / (cells as f64 + 2.0)
}

/// The weight w(J → J') and the sign of a part of a local operator (`docs/physics.md` §2.2), without V.
pub fn local_scale(cells: u64, two_j: u64, dj: i8, dm: i8) -> (f64, f64) {
    let rung = Rung::new(cells, two_j, two_j as i64);
    let weight = match dj {
        0 if two_j == 0 => 0.0,
        0 => 1.0 / inverse_weight(cells, two_j),
        -1 => rung.shorter(),
        _ => rung.longer(),
    };
    let sign = if matches!((dj, dm), (-1, -1) | (1, 1)) { -1.0 } else { 1.0 };
    (weight, sign)
}

/// √w(J → J')·V of `docs/physics.md` §2.2: what the part of a local operator with ΔJ = `dj` and ΔM = `dm` (−1 for σ⁻, 0 for
/// σz/2, 1 for σ⁺) makes of |J, M⟩: the new 2J and J + M, and the amplitude. `None` where it vanishes.
pub fn local_amplitude(cells: u64, two_j: u64, up: u64, dj: i8, dm: i8) -> Option<(u64, u64, f64)> {
    let rung = Rung::new(cells, two_j, 2 * up as i64 - two_j as i64);
    let (u, d) = (rung.up, rung.down());
    let squared = match (dj, dm) {
        (0, -1) => u * (d + 1.0),
        (0, 0) => rung.m() * rung.m(),
        (0, _) => d * (u + 1.0),
        (-1, -1) => u * (u - 1.0),
        (-1, 0) => u * d,
        (-1, _) => d * (d - 1.0),
        (_, -1) => (d + 1.0) * (d + 2.0),
        (_, 0) => (u + 1.0) * (d + 1.0),
        _ => (u + 1.0) * (u + 2.0),
    };
    let (weight, sign) = local_scale(cells, two_j, dj, dm);
    let sign = if (dj, dm) == (0, 0) { rung.m().signum() } else { sign };
    let amplitude = sign * (weight * squared).sqrt();
    let to_j = two_j as i64 + 2 * i64::from(dj);
    let to_up = up as i64 + i64::from(dj) + i64::from(dm);
    (amplitude != 0.0).then_some((to_j as u64, to_up as u64, amplitude))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All rungs of N cells.
    fn rungs(cells: u64) -> impl Iterator<Item = Rung> {
        (0..=cells / 2).flat_map(move |s| {
            let two_j = cells - 2 * s;
            (0..=two_j).map(move |up| Rung::new(cells, two_j, 2 * up as i64 - two_j as i64))
        })
    }

    #[test]
    fn weights_sum_to_the_total_rate() {
        // The J→J weight of `docs/physics.md` §2.2, (N/2+1)/(2J(2J+1))·…, must be what the other two leave.
        for cells in [1, 2, 3, 7, 12] {
            for rung in rungs(cells) {
                let j = rung.two_j / 2.0;
                let same = if j == 0.0 { 0.0 } else { (cells as f64 / 2.0 + 1.0) / (2.0 * j * (j + 1.0)) };
                let total = |parts: [f64; 2], stay: f64| parts[0] + parts[1] + same * stay;
                let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12 * b.max(1.0), "{rung:?}: {a} {b}");
                close(total(rung.local_lowering(), rung.lowering()), rung.excited());
                close(total(rung.local_raising(), rung.raising()), rung.ground());
                close(total(rung.local_dephasing(), rung.m() * rung.m()), cells as f64 / 4.0);
            }
        }
    }

    #[test]
    fn forbidden_jumps_have_exactly_zero_weight() {
        for cells in [1, 2, 5, 9] {
            for rung in rungs(cells) {
                let legal = |by: f64, m: f64| {
                    let mut to = rung;
                    to.shift(by, m);
                    to.singlets >= 0.0 && to.two_j >= 0.0 && to.up >= 0.0 && to.down() >= 0.0
                };
                for (weights, m) in
                    [(rung.local_lowering(), -1.0), (rung.local_raising(), 1.0), (rung.local_dephasing(), 0.0)]
                {
                    for (weight, by) in weights.into_iter().zip([-1.0, 1.0]) {
                        assert_eq!(weight > 0.0, legal(by, m), "{rung:?} {by} {m}");
                        assert!(weight >= 0.0);
                    }
                }
            }
        }
    }
}
