def one():
    """The identity."""
    return qt.tensor([qt.qeye(d) for d in dims])


def total(name, op, site=None):
    """op on one cell of a subsystem, or summed over all of them."""
    at = factors[name] if site is None else [factors[name][site]]
    return sum(qt.tensor([op if k == j else qt.qeye(d) for j, d in enumerate(dims)]) for k in at)


def sm(name, site=None):
    """sigma- = |g><e|."""
    return total(name, qt.Qobj([[0, 1], [0, 0]]), site)


def sp(name, site=None):
    """sigma+ = |e><g|."""
    return total(name, qt.Qobj([[0, 0], [1, 0]]), site)


def sx(name, site=None):
    """Pauli x."""
    return total(name, qt.Qobj([[0, 1], [1, 0]]), site)


def sy(name, site=None):
    """Pauli y, which is -i|e><g| + i|g><e|."""
    return total(name, qt.Qobj([[0, 1j], [-1j, 0]]), site)


def sz(name, site=None):
    """Pauli z = |e><e| - |g><g|."""
    return total(name, qt.Qobj([[-1, 0], [0, 1]]), site)


def n(name, site=None):
    """Quanta: sigma+ sigma- of a cell, a^+ a of a mode."""
    return total(name, qt.num(dims[factors[name][0]]), site)


def a(name):
    """Annihilation operator of a mode."""
    return total(name, qt.destroy(dims[factors[name][0]]))


def ad(name):
    """Creation operator of a mode."""
    return total(name, qt.create(dims[factors[name][0]]))


def transition(name, i, j):
    """|i><j| of a multi-level system."""
    d = dims[factors[name][0]]
    return total(name, qt.basis(d, i) @ qt.basis(d, j).dag())


@cache
def few(most, *names):
    """The projector on states of at most so many quanta in some subsystems."""
    quanta = np.zeros(1)
    for k, d in enumerate(dims):
        inside = any(k in factors[name] for name in names)
        quanta = np.add.outer(quanta, np.arange(d) if inside else np.zeros(d)).ravel()
    return qt.Qobj(np.diag(1.0 * (quanta <= most)), dims=[dims, dims]).to("CSR")


def cells(name):
    """The numbers of the cells of a subsystem."""
    return range(len(factors[name]))


def correlated(rate, matrix, operators):
    """Jump operators of rate sum_nm R_nm (o_n rho o_m^+ - {o_m^+ o_n, rho}/2), from the modes of R."""
    values, modes = np.linalg.eigh(matrix)
    kept = [(value, modes[:, k]) for k, value in enumerate(values) if value > 1e-12 * values[-1]]
    return [np.sqrt(rate * value) * sum(u * o for u, o in zip(mode, operators)) for value, mode in kept]


def product(name, p_e, c_eg=0):
    """The same state of every cell: excited population p_e and coherence <e|rho|g>."""
    cell = qt.Qobj([[1 - p_e, np.conj(c_eg)], [c_eg, p_e]])
    return qt.tensor([cell for _ in factors[name]])


def dicke(name, J, M):
    """|J, M>, mixed evenly over the copies of spin J."""
    size = len(factors[name])
    lower = sum(
        qt.tensor([qt.Qobj([[0, 1], [0, 0]]) if k == j else qt.qeye(2) for j in range(size)]) for k in range(size)
    )
    squared = (lower.dag() @ lower).full() + (M * M - M) * np.eye(2**size)
    inside = [i for i in range(2**size) if i.bit_count() - size / 2 == M]
    values, vectors = np.linalg.eigh(squared[np.ix_(inside, inside)])
    vectors = vectors[:, np.abs(values - J * (J + 1)) < 1e-6]
    rho = np.zeros((2**size, 2**size), complex)
    rho[np.ix_(inside, inside)] = vectors @ vectors.conj().T / vectors.shape[1]
    return qt.Qobj(rho, dims=[[2] * size] * 2)


def mixture(weights):
    """A diagonal state with populations in proportion to the weights."""
    return qt.Qobj(np.diag(weights / np.sum(weights)))


def coherent(cutoff, alpha):
    """A coherent state, normalised within the cutoff."""
    return qt.ket2dm(qt.coherent(cutoff, alpha, method="analytic").unit())


def rotated(name, q, unitary):
    """U rho U^+ with the product Gibbs state rho of ratio q = p_e/p_g."""
    rho = product(name, q / (1 + q))
    u = qt.Qobj(np.array(unitary), dims=rho.dims)
    return u @ rho @ u.dag()


def together(matrix, *names):
    """A density matrix of several subsystems in their order."""
    d = [dims[k] for name in names for k in factors[name]]
    return qt.Qobj(matrix, dims=[d, d])


def kets(mixture, *names):
    """The mixture of pure states with these probabilities and amplitudes."""
    return together(sum(p * np.outer(v, np.conj(v)) for p, v in mixture), *names)


def part_of(op, *names):
    """The matrix of an operator that acts on some subsystems alone, in their order."""
    inside = [k for name in names for k in factors[name]]
    order = inside + [k for k in range(len(dims)) if k not in inside]
    part = op.permute(order).ptrace(list(range(len(inside)))).full()
    return part * len(part) / op.shape[0]


def ground_state(op, *names):
    """The lowest eigenstate of an operator of some subsystems."""
    return kets([[1.0, np.linalg.eigh(part_of(op, *names))[1][:, 0]]], *names)


def gibbs_state(beta, op, *names):
    """The Gibbs state of an operator of some subsystems."""
    energies, vectors = np.linalg.eigh(part_of(op, *names))
    weights = np.exp(-beta * (energies - (energies[0] if beta > 0 else energies[-1])))
    return kets([[p, v] for p, v in zip(weights / weights.sum(), vectors.T)], *names)


def arranged(*parts):
    """The product of states of some subsystems each, in the order of the factors."""
    order = [k for names, _ in parts for name in names for k in factors[name]]
    return qt.tensor([state for _, state in parts]).permute(np.argsort(order).tolist())


def embedded(matrix, *names):
    """A matrix between the product states of some subsystems, and 1 on the others."""
    inside = [k for name in names for k in factors[name]]
    outside = [k for k in range(len(dims)) if k not in inside]
    u = qt.tensor([together(np.array(matrix), *names)] + [qt.qeye(dims[k]) for k in outside])
    return u.permute(np.argsort(inside + outside).tolist())


def dissipators(name):
    """The jump operators of a channel, or the superoperators where its rate falls below 0."""
    if name not in signed:
        return channels[name]
    factor = qt.coefficient(signed[name])
    return [qt.QobjEvo(qt.lindblad_dissipator(op)) * factor for op in channels[name]]


def rate(name):
    """The operator whose mean is the rate of a channel's jumps."""
    whole = sum(op.dag() @ op for op in channels[name])
    return qt.QobjEvo(whole) * qt.coefficient(signed[name]) if name in signed else whole


def gate(rho, u):
    """An instantaneous unitary."""
    return u @ rho @ u.dag()


def rotate(rho, name, sigma, angle):
    """An instantaneous exp(-i angle/2 sigma) on every cell of a subsystem."""
    turn = (-0.5j * angle * qt.Qobj(sigma)).expm()
    u = qt.tensor([turn if k in factors[name] else qt.qeye(d) for k, d in enumerate(dims)])
    return u @ rho @ u.dag()


def reset(rho, name, state):
    """Replace a subsystem by a fresh one: Tr_S rho, times the new state, in the old order of factors."""
    outside = [k for k in range(len(dims)) if k not in factors[name]]
    if not outside:
        return state
    order = np.argsort(outside + factors[name]).tolist()
    return qt.tensor(rho.ptrace(outside), state).permute(order)


@cache
def energy(*names):
    """Sum of the energies of some subsystems."""
    each = [(name, k, level) for name in names for k, level in enumerate(levels[name])]
    return sum(total(name, qt.Qobj(np.diag(level)), k) for name, k, level in each)


def eigenbasis(op, *names):
    """Energies of an operator of some subsystems, and its eigenvectors as columns."""
    return np.linalg.eigh(part_of(op, *names))


@cache
def spin_squared(name):
    """S^2 of the cells of a subsystem."""
    return sum(pauli(name) @ pauli(name) for pauli in (sx, sy, sz)) / 4


def spectrum(*names):
    """Energies of the product basis of some subsystems."""
    energies = np.zeros(1)
    for level in [level for name in names for level in levels[name]]:
        energies = np.add.outer(energies, level).ravel()
    return energies


def state_of(rho, *names):
    """Density matrix of some subsystems."""
    return rho.ptrace([k for name in names for k in factors[name]]).full()


def factors_of(chosen):
    """The tensor factors of subsystems (name, None) or single cells (name, cell), in order."""
    return [k for name, cell in chosen for k in (factors[name] if cell is None else [factors[name][cell]])]


def places(rho, chosen):
    """Density matrix of subsystems and single cells, in order."""
    inside = factors_of(chosen)
    order = np.argsort(np.argsort(inside)).tolist()
    return rho.ptrace(sorted(inside)).permute(order).full()


def place_energies(chosen):
    """Energies of the product basis of subsystems and single cells."""
    energies = np.zeros(1)
    for name, cell in chosen:
        for level in levels[name] if cell is None else [levels[name][cell]]:
            energies = np.add.outer(energies, level).ravel()
    return energies


def entropy(r):
    """-Tr r ln r."""
    p = np.linalg.eigvalsh(r)
    p = p[p > 0]
    return -p @ np.log(p)


def negativity(r, first):
    """Sum of |negative eigenvalues| of the partial transpose in the first factor."""
    rest = len(r) // first
    turned = r.reshape(first, rest, first, rest).transpose(2, 1, 0, 3).reshape(r.shape)
    p = np.linalg.eigvalsh(turned)
    return -p[p < 0].sum()


def fidelity(r, psi):
    """<psi|r|psi>."""
    return (np.conj(psi) @ r @ np.array(psi)).real


def dicke_basis(size):
    """The Dicke states of J = N/2 as rows."""
    excited = np.array([i.bit_count() for i in range(2**size)])
    return np.stack([(excited == k) / np.sqrt(np.sum(excited == k)) for k in range(size + 1)])


def symmetric(r):
    """The part of a state of cells between their Dicke states of J = N/2."""
    basis = dicke_basis(len(r).bit_length() - 1)
    return basis @ r @ basis.T


@cache
def bright_projector(name):
    """The projector on J = N/2 of an ensemble, whose factors are neighbours."""
    first, size = factors[name][0], len(factors[name])
    inside = dicke_basis(size).T @ dicke_basis(size)
    sizes = [int(np.prod(part)) for part in (dims[:first], dims[first + size :])]
    return qt.Qobj(np.kron(np.kron(np.eye(sizes[0]), inside), np.eye(sizes[1])), dims=[dims] * 2)


def bright_loss(rho, name, on):
    """Rate at which weight leaves J = N/2 through the jump operators of some channels."""
    inside = bright_projector(name)
    moved = [(one() - inside) @ c @ inside for channel in on for c in channels[channel]]
    return sum(mean(c.dag() @ c, rho) for c in moved)


def bright_gain(rho, name, on):
    """Rate at which it comes back."""
    inside = bright_projector(name)
    moved = [inside @ c @ (one() - inside) for channel in on for c in channels[channel]]
    return sum(mean(c.dag() @ c, rho) for c in moved)


def ergotropy(r, energies):
    """Most energy that a unitary extracts: E - sum_k r_k (falling) eps_k (rising)."""
    passive = np.sort(np.linalg.eigvalsh(r))[::-1] @ np.sort(energies)
    return np.diag(r).real @ energies - passive


def initial(value, first=[]):
    """The value at the first row, at every row."""
    first or first.append(value)
    return first[0]


def dephased(r, energies):
    """The state without its coherence between different energies."""
    return r * np.isclose(energies[:, None], energies, rtol=1e-9, atol=1e-12)


def local_ergotropy(rho, *names):
    """Sum of the ergotropies of single cells."""
    each = [(k, np.array(level)) for name in names for k, level in zip(factors[name], levels[name])]
    return sum(ergotropy(rho.ptrace([k]).full(), level) for k, level in each)


def coherence(r):
    """Sum of |r_ij| over i != j, divided by d - 1."""
    return (np.abs(r).sum() - np.trace(np.abs(r))) / (len(r) - 1)


def cell_coherence(rho, *names):
    """|sum of <sigma->| over the number of cells."""
    return abs(sum(qt.expect(sm(name), rho) for name in names)) / sum(len(factors[name]) for name in names)


def concurrence(rho, name, edges):
    """Wootters' concurrence averaged over edges."""
    pair = [sorted(factors[name][k] for k in edge) for edge in edges]
    return np.mean([qt.concurrence(rho.ptrace(edge)) for edge in pair])


def mean(op, rho):
    """Tr(op rho) of a Hermitian operator."""
    return np.real(qt.expect(op, rho))


def variance(op, rho):
    """Tr(op^2 rho) - Tr(op rho)^2, not below 0."""
    return max(mean(op @ op, rho) - mean(op, rho) ** 2, 0.0)


def spin_length(squared):
    """S with S(S+1) = <S^2>."""
    return (np.sqrt(1 + 4 * squared) - 1) / 2


def ratio(part, whole):
    """part/whole, nothing where there is no whole."""
    return part / whole if abs(whole) > 1e-9 else np.nan


def advance(H, rho, c_ops, counters, start, end):
    """The state at `end`, and the time integrals of the counters: Gauss-Legendre panels, halved until two rounds agree."""
    x, weights = np.polynomial.legendre.leggauss(16)
    before, panels = np.full(len(counters), np.inf), 1
    while True:
        width = (end - start) / panels
        times = (start + width * (np.arange(panels)[:, None] + (1 + x) / 2)).ravel() if counters else []
        result = qt.mesolve(H, rho, [start, *times, end], c_ops, e_ops=counters, options=OPTIONS)
        counts = np.array([width / 2 * np.tile(weights, panels) @ np.real(e[1:-1]) for e in result.expect])
        if np.allclose(counts, before, rtol=1e-9, atol=1e-9):
            return result.final_state, counts
        before, panels = counts, 2 * panels


def evolve(rho, cycle, step, times, on, driven=()):
    """One timed step with the channels that are on: solve from row to row, and note what is asked at each."""
    global clock
    H_step = qt.QobjEvo([H, *(drives[name] for name in driven)])
    c_ops = [op for name in on for op in dissipators(name)]
    counted = [name for name in on if name in counting]
    counters = [rate(name) for name in counted]
    jumps, now = dict.fromkeys(channels, 0.0), 0.0
    for time in times:
        if time > now:
            rho, counts = advance(H_step, rho, c_ops, counters, now, time)
            jumps.update((name, jumps[name] + count) for name, count in zip(counted, counts))
            now = time
        rows.append([clock + time, step, cycle, *observe(rho, jumps, clock + time, step, on)])
    clock += times[-1]
    return rho


def settled(L, rho):
    """The steady state that rho settles in, one of several if need be: s/(s - L) rho as s goes to 0."""
    from scipy.sparse import identity, linalg

    A = L.to("csr").data.as_scipy().tocsc()
    s = 1e-7 * linalg.norm(A, 1)
    solve = linalg.splu(s * identity(A.shape[0], format="csc") - A).solve
    x = qt.operator_to_vector(rho)
    v = x.full()[:, 0]
    for _ in range(3):  # what decays at a rate r is left as (s/r)^3
        v = s * solve(v)
    found = qt.vector_to_operator(qt.Qobj(v.reshape(-1, 1), dims=x.dims))
    return found / found.tr()


def correlate(A, B, C, rho, delays, on, driven=(), steady=False, normalised=False):
    """Tr[A exp(L tau)(B rho C)] at each delay; normalised, it is divided by Tr[A exp(L tau) rho] Tr[B rho C]."""
    H_step = qt.QobjEvo([H, *(drives[name] for name in driven)])(0)
    c_ops = [op for name in on for op in dissipators(name)]
    L, options = qt.liouvillian(H_step, c_ops), {**OPTIONS, "store_states": True}
    if steady:
        rho = settled(L, rho)
    times = delays if delays[0] == 0 else [0.0, *delays]
    later = lambda X: np.array([(A @ Y).tr() for Y in qt.mesolve(L, X, times, options=options).states])[-len(delays) :]
    X = B @ rho @ C
    return later(X) / (X.tr() * later(rho)) if normalised else later(X)
