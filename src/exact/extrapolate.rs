//! Reduced-rank extrapolation of a sequence x₀, x₁ = Cx₀, … to its limit.

use faer::Mat;
use faer::prelude::SolveLstsq;

/// Σγ_j x_j with Σγ_j = 1 chosen to make Σγ_j (x_{j+1} − x_j) smallest (Eddy 1979, Mešina 1977): linear invariants of
/// the map keep their value. `None` when the iterates no longer differ enough to tell.
pub fn reduced_rank(iterates: &[Vec<f64>]) -> Option<Vec<f64>> {
    // With u_j = x_{j+1} − x_j and w_j = u_{j+1} − u_j: minimise |u_0 + Σξ_j w_j|; the limit is x_0 + Σξ_j u_j.
    let columns = iterates.len().checked_sub(2)?;
    let length = iterates[0].len();
    let u = |j: usize, i: usize| iterates[j + 1][i] - iterates[j][i];
    let scale = (0..length).map(|i| u(0, i).abs()).fold(0.0, f64::max);
    if columns == 0 || length <= columns || scale == 0.0 {
        return None;
    }
    let w = Mat::from_fn(length, columns, |i, j| (u(j + 1, i) - u(j, i)) / scale);
    let right = Mat::from_fn(length, 1, |i, _| -u(0, i) / scale);
    let xi = w.col_piv_qr().solve_lstsq(right);
    let limit: Vec<f64> =
        (0..length).map(|i| iterates[0][i] + (0..columns).map(|j| xi[(j, 0)] * u(j, i)).sum::<f64>()).collect();
    limit.iter().all(|x| x.is_finite()).then_some(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_map_of_low_rank_is_solved_at_once() {
        // x → A x + b with eigenvalues 0.9, 0.5, −0.3: three differences span everything.
        let rates = [0.9, 0.5, -0.3];
        let limit = [1.0, -2.0, 0.25, 7.0];
        let mut x = vec![0.0, 0.0, 0.0, 7.0];
        let mut iterates = vec![x.clone()];
        for _ in 0..4 {
            for i in 0..3 {
                x[i] = limit[i] + rates[i] * (x[i] - limit[i]);
            }
            iterates.push(x.clone());
        }
        let found = reduced_rank(&iterates).unwrap();
        assert!(found.iter().zip(limit).all(|(a, b)| (a - b).abs() < 1e-9), "{found:?}");
    }
}
