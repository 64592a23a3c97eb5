//! The spin length in the limit cycle of storage and discharge, in closed form: the paper's Eq. 8 and its correction.
//!
//! To first order in the times, with the weights of local decay (`docs/physics.md` §2.2; rate γ) and x = 2S/N:
//!
//! - in storage, from |S, M = S⟩: S → S − 1 at the rate γ(N/2 + S + 1)(2S − 1)/(2S + 1), so ⟨S²⟩ falls by
//!   γτ_s(N²/2)·\[x + x² − 2/N\] up to terms of relative order 1/N²;
//! - in discharge, from |S, M = −S⟩: S → S + 1 at the rate γ(N/2 − S), so ⟨S²⟩ grows by
//!   γτ_d(N²/2)·(1 − x)(x + 2/N).
//!
//! The two balance where x² − x\[(τ_d − τ_s)/(τ_d + τ_s) − (2/N)τ_d/(τ_d + τ_s)\] − 2/N = 0.
//! The paper prints 4/N twice (F. Pirmoradian and K. Mølmer, Phys. Rev. A 100, 043833 (2019), Eq. 8).

/// Spin length S by Eq. 8 as printed, for positive times: x² − x\[(τ_d − τ_s)/(τ_d + τ_s) − 4/N\] − 4/N = 0 with x = 2S/N.
pub fn printed(cells: u64, tau_s: f64, tau_d: f64) -> f64 {
    let n = cells as f64;
    length(n, (tau_d - tau_s) / (tau_d + tau_s) - 4.0 / n, 4.0 / n)
}

/// Spin length S by Eq. 8 derived anew, for positive times: x² − x\[(τ_d − τ_s)/(τ_d + τ_s) − (2/N)τ_d/(τ_d + τ_s)\] − 2/N = 0.
pub fn rederived(cells: u64, tau_s: f64, tau_d: f64) -> f64 {
    let n = cells as f64;
    length(n, (tau_d - tau_s - 2.0 * tau_d / n) / (tau_d + tau_s), 2.0 / n)
}

/// N/2 times the positive root of x² − bx − c, without cancellation for b < 0.
fn length(n: f64, b: f64, c: f64) -> f64 {
    let root = (b * b + 4.0 * c).sqrt();
    0.5 * n * if b > 0.0 { 0.5 * (b + root) } else { 2.0 * c / (root - b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_the_sizes_of_the_paper() {
        for (tau_d, first, second) in
            [(0.0187, 10.874342087037917, 8.120334521391603), (0.0375, 26.666418888534583, 25.49477134443361)]
        {
            assert!((printed(140, 0.0187, tau_d) - first).abs() < 1e-12);
            assert!((rederived(140, 0.0187, tau_d) - second).abs() < 1e-12);
        }
    }
}
