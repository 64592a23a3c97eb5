//! Correlated decay of the cells of a network: a rate matrix and its decomposition into jump operators.

use crate::dense::eigen;
use crate::error::ModelError;
use faer::Mat;

/// A real symmetric positive semidefinite matrix R = Σ_k λ_k u_k u_kᵀ: Σ_nm R_nm(o_n ρ o_m† − ½{o_m†o_n, ρ}) is
/// Σ_k λ_k D\[Σ_n u_kn o_n\]ρ (A. C. Santos (2020), Eqs. 10–12; `docs/physics.md` §1, Eq. 1.2). Times the rate of
/// its channel it is in 1/time.
#[derive(Clone, Debug, PartialEq)]
pub struct RateMatrix {
    /// R, N × N, row by row.
    pub matrix: Vec<Vec<f64>>,
    /// λ_k > 0 with u_k, N elements of norm 1; zero eigenvalues are left out.
    pub modes: Vec<(f64, Vec<f64>)>,
}

impl RateMatrix {
    /// Diagonalise `matrix`, N × N row by row.
    ///
    /// # Errors
    /// Not square, finite and symmetric, or not positive semidefinite; the message names the eigenvalue.
    pub fn new(matrix: Vec<Vec<f64>>) -> Result<Self, ModelError> {
        let n = matrix.len();
        let largest = matrix.iter().flatten().fold(0.0, |most: f64, x| most.max(x.abs()));
        let invalid = |text: String| Err(ModelError::Invalid(text));
        if n == 0 || matrix.iter().any(|row| row.len() != n) {
            return invalid("a rate matrix must be square".into());
        }
        if let Some(x) = matrix.iter().flatten().find(|x| !x.is_finite()) {
            return invalid(format!("a rate matrix has the element {x}"));
        }
        for i in 0..n {
            for j in 0..i {
                if (matrix[i][j] - matrix[j][i]).abs() > 1e-12 * largest {
                    return invalid(format!(
                        "the rate matrix is not symmetric: its elements ({i}, {j}) and ({j}, {i}) are {} and {}",
                        matrix[i][j], matrix[j][i]
                    ));
                }
            }
        }
        let symmetric = Mat::from_fn(n, n, |i, j| 0.5 * (matrix[i][j] + matrix[j][i]));
        let (values, vectors) = eigen(symmetric.as_ref())
            .map_err(|e| ModelError::Invalid(format!("the rate matrix cannot be diagonalised: {e}")))?;
        let small = 1e-12 * largest;
        let mut modes = Vec::new();
        for k in 0..n {
            let value = values[k];
            if value < -small {
                return invalid(format!(
                    "the rate matrix is not positive semidefinite: it has the eigenvalue {value:.6}, expected all ≥ 0"
                ));
            }
            if value > small {
                // A fixed sign, so that nothing depends on the library's choice.
                let column: Vec<f64> = (0..n).map(|i| vectors[(i, k)]).collect();
                let lead = column.iter().copied().find(|x| x.abs() > 1e-8).unwrap_or(1.0);
                modes.push((value, column.into_iter().map(|x| x * lead.signum()).collect()));
            }
        }
        Ok(Self { matrix, modes })
    }

    /// `cells` × `cells`, Γ on the diagonal and Γ_edge between neighbours (Santos, Eq. 10).
    ///
    /// # Errors
    /// An edge beyond the cells; not positive semidefinite.
    pub fn on_graph(cells: usize, edges: &[(usize, usize)], diagonal: f64, edge: f64) -> Result<Self, ModelError> {
        let mut matrix = vec![vec![0.0; cells]; cells];
        (0..cells).for_each(|i| matrix[i][i] = diagonal);
        for &(a, b) in edges {
            if a.max(b) >= cells {
                return Err(ModelError::Invalid(format!(
                    "the edge ({a}, {b}) leads beyond the {cells} cells, 0 to {}",
                    cells.saturating_sub(1)
                )));
            }
            matrix[a][b] = edge;
            matrix[b][a] = edge;
        }
        Self::new(matrix)
    }

    /// (local, collective) if R = local·1 + collective·(1…1)(1…1)ᵀ: the same as `local` on each cell and `collective`
    /// on their sum.
    pub fn uniform(&self) -> Option<(f64, f64)> {
        let n = self.matrix.len();
        let collective = if n > 1 { self.matrix[0][1] } else { 0.0 };
        let local = self.matrix[0][0] - collective;
        let expected = |i: usize, j: usize| if i == j { local + collective } else { collective };
        let scale = 1e-14 * self.matrix[0][0].abs();
        let same = (0..n).all(|i| (0..n).all(|j| (self.matrix[i][j] - expected(i, j)).abs() <= scale));
        (same && local >= -scale && collective >= 0.0).then_some((local.max(0.0), collective))
    }
}

/// The free-space matrix g_ij (g_ii = 1) of emitters at `positions` in units of 1/k₀ with one dipole axis, of any
/// length but 0, row by row: with x = |r_i − r_j| and α between r_i − r_j and the dipole,
///
/// g_ij = (3/2) \[(1 − 3cos²α)(cos x/x² − sin x/x³) + (1 − cos²α) sin x/x\]
///
/// (Ahmadi et al., Eq. 40; `docs/physics.md` §1, Eq. 1.3). A pure number; emitters at one place have 1.
pub fn free_space_rates(positions: &[[f64; 3]], dipole: [f64; 3]) -> Vec<Vec<f64>> {
    let dot = |a: [f64; 3], b: [f64; 3]| a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
    let size = dot(dipole, dipole).sqrt();
    let rate = |i: usize, j: usize| {
        let r = [0, 1, 2].map(|k| positions[i][k] - positions[j][k]);
        let x = dot(r, r).sqrt();
        if i == j || x == 0.0 {
            return 1.0;
        }
        let cos2 = (dot(r, dipole) / (x * size)).powi(2);
        // cos x/x² − sin x/x³ cancels for small x: −1/3 + x²/30 − x⁴/840 + …
        let x2 = x * x;
        let near = if x < 0.1 {
            -1.0 / 3.0 + x2 / 30.0 * (1.0 - x2 / 28.0 * (1.0 - x2 / 54.0))
        } else {
            x.cos() / x2 - x.sin() / (x2 * x)
        };
        1.5 * ((1.0 - 3.0 * cos2) * near + (1.0 - cos2) * x.sin() / x)
    };
    (0..positions.len()).map(|i| (0..positions.len()).map(|j| rate(i, j)).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_rebuild_the_matrix_and_singular_ones_are_fine() {
        // The five-cell star at Γ_icl = Γ/2: eigenvalues 0, 1, 1, 1, 2.
        let star: Vec<(usize, usize)> = (1..5).map(|b| (0, b)).collect();
        let rates = RateMatrix::on_graph(5, &star, 1.0, 0.5).unwrap();
        assert_eq!(rates.modes.len(), 4);
        for i in 0..5 {
            for j in 0..5 {
                let sum: f64 = rates.modes.iter().map(|(l, u)| l * u[i] * u[j]).sum();
                assert!((sum - rates.matrix[i][j]).abs() < 1e-14);
            }
        }
    }

    #[test]
    fn a_negative_eigenvalue_is_named() {
        let star: Vec<(usize, usize)> = (1..6).map(|b| (0, b)).collect();
        let error = RateMatrix::on_graph(6, &star, 1.0, 0.5).unwrap_err().to_string();
        assert!(error.contains("-0.118034"), "{error}");
    }

    #[test]
    fn an_edge_beyond_the_cells_is_an_error() {
        let error = RateMatrix::on_graph(3, &[(0, 1), (1, 3)], 1.0, 0.5).unwrap_err().to_string();
        assert!(error.contains("(1, 3)") && error.contains("3 cells"), "{error}");
    }

    #[test]
    fn close_emitters_decay_together_and_distant_ones_alone() {
        let at = |x: f64| free_space_rates(&[[0.0; 3], [x, 0.0, 0.0]], [0.0, 0.0, 1.0])[0][1];
        assert!((at(1e-6) - 1.0).abs() < 1e-12);
        assert!(at(1e4).abs() < 1e-3);
        assert!((at(0.1 - 1e-9) - at(0.1 + 1e-9)).abs() < 1e-9);
        let along = free_space_rates(&[[0.0; 3], [0.0, 0.0, 2.0]], [0.0, 0.0, 1.0])[0][1];
        let expected = -3.0 * (2f64.cos() / 4.0 - 2f64.sin() / 8.0);
        assert!((along - expected).abs() < 1e-15);
    }
}
