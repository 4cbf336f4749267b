TITLE Fast sodium and delayed rectifier of COBAHH

COMMENT
Rates of Traub & Miles (1991), shifted to v_t, as in benchmark 3 of Brette et al. (2007), J. Comput.
Neurosci. 23:349-398, appendix 2. They are computed at every step, without a table.
ENDCOMMENT

NEURON {
    THREADSAFE
    SUFFIX traub_miles
    NONSPECIFIC_CURRENT i
    RANGE g_na, e_na, g_k, e_k, v_t_na, v_t_k
}

UNITS {
    (mV) = (millivolt)
    (mA) = (milliamp)
    (S) = (siemens)
}

PARAMETER {
    g_na = 0.1 (S/cm2)
    e_na = 50 (mV)
    g_k = 0.03 (S/cm2)
    e_k = -90 (mV)
    v_t_na = -63 (mV)
    v_t_k = -63 (mV)
}

ASSIGNED {
    v (mV)
    i (mA/cm2)
    m_inf
    m_tau (ms)
    h_inf
    h_tau (ms)
    n_inf
    n_tau (ms)
}

STATE { m h n }

INITIAL {
    rates(v)
    m = m_inf
    h = h_inf
    n = n_inf
}

BREAKPOINT {
    SOLVE gates METHOD cnexp
    i = g_na * m * m * m * h * (v - e_na) + g_k * n * n * n * n * (v - e_k)
}

DERIVATIVE gates {
    rates(v)
    m' = (m_inf - m) / m_tau
    h' = (h_inf - h) / h_tau
    n' = (n_inf - n) / n_tau
}

PROCEDURE rates(v (mV)) {
    LOCAL u, a, b
    u = v - v_t_na
    a = 1.28 / exprel((13 - u) / 4)
    b = 1.4 / exprel((u - 40) / 5)
    m_tau = 1 / (a + b)
    m_inf = a * m_tau
    a = 0.128 * exp((17 - u) / 18)
    b = 4 / (1 + exp((40 - u) / 5))
    h_tau = 1 / (a + b)
    h_inf = a * h_tau
    u = v - v_t_k
    a = 0.16 / exprel((15 - u) / 5)
    b = 0.5 * exp((10 - u) / 40)
    n_tau = 1 / (a + b)
    n_inf = a * n_tau
}

FUNCTION exprel(z) {
    if (fabs(z) < 1e-6) {
        exprel = 1 + z / 2
    } else {
        exprel = (exp(z) - 1) / z
    }
}
