#!/usr/bin/env python3
"""Prints the polynomials of codegen/transcendental.cpp and ops/functions.cpp, lowest power first.

    /usr/bin/python3 fit_polynomials.py [NAME]        needs Debian's python3-mpmath

Each is the best one in the sense of Chebyshev, found by Remez's exchange in 60 digits: of all
polynomials of its degree it has the least greatest error, weighted so that the error is that of the
function's value and, unless the row says otherwise, relative to it. What is printed as the error
leaves out the rounding of the evaluation, and of coefficients of f64.
"""

import struct
import sys

from mpmath import (atan, atanh, cos, erf, erfc, exp, expm1, log, lu_solve, matrix, mp, mpf,
                    pi, sin, sqrt, tanh)

mp.dps = 60


def remez(f, weight, low, high, degree):
    """The coefficients of p that minimise max |weight * (f - p)|, and that maximum."""
    n = degree + 2
    middle, half = (mpf(low) + high) / 2, (mpf(high) - low) / 2
    grid = [middle - half * cos(pi * (i + mpf(1) / 2) / (60 * n)) for i in range(60 * n)]
    values = [(x, f(x), weight(x)) for x in grid]
    chosen = [values[30 + 60 * i] for i in range(n)]
    for _ in range(40):
        a = matrix(n, n)
        for i, (x, _, w) in enumerate(chosen):
            for k in range(degree + 1):
                a[i, k] = x**k
            a[i, degree + 1] = (-1) ** i / w
        solved = lu_solve(a, matrix([y for _, y, _ in chosen]))
        c, level = list(solved[: degree + 1]), abs(solved[degree + 1])
        errors = [w * (y - sum(k * x**i for i, k in enumerate(c))) for x, y, w in values]
        # The greatest error between two changes of sign.
        runs = [[0]]
        for i in range(1, len(grid)):
            if (errors[i] > 0) == (errors[runs[-1][0]] > 0):
                runs[-1].append(i)
            else:
                runs.append([i])
        peaks = [max(run, key=lambda i: abs(errors[i])) for run in runs]
        while len(peaks) > n:
            peaks.pop(0 if abs(errors[peaks[0]]) < abs(errors[peaks[-1]]) else -1)
        worst = max(map(abs, errors))
        if len(peaks) < n or worst < level * (1 + mpf(10) ** -4):
            break
        chosen = [values[i] for i in peaks]
    return c, worst


def remez_f32(f, weight, low, high, degree):
    """The same with coefficients that are floats: each is rounded before the next are found."""
    c, worst = remez(f, weight, low, high, degree)
    first = mpf(struct.unpack("f", struct.pack("f", float(c[0])))[0])
    if degree == 0:
        return [first], worst
    rest, worst = remez_f32(lambda x: (f(x) - first) / x, lambda x: weight(x) * x, low, high,
                            degree - 1)
    return [first] + rest, worst


def even(g, limit):
    """A function of x^2: its interval and what it is there; g's value at 0 is that nearby."""
    return (mpf(10) ** -12, mpf(limit) ** 2, lambda z: g(sqrt(z)))


def erfcx(t):
    a = 2 / t - 2
    return exp(a * a) * erfc(a)


def far(t):
    a = 2 / t - 2
    return exp(-a * a)


root = sqrt(mpf(2)) - 1
rows = {
    # name: digits, degree, (low, high, f), weight
    "exp: (e^x - 1) / x": (9, 5, (-log(2) / 2, log(2) / 2, lambda x: expm1(x) / x if x else mpf(1)),
                           lambda x: x / exp(x)),
    "log2: log2((1 + t) / (1 - t)) / t of t^2": (
        17, 3, even(lambda t: 2 * atanh(t) / log(2) / t, root**2),
        lambda z: sqrt(z) / atanh(sqrt(z))),
    "sin: sin(x) / x of x^2": (17, 5, even(lambda x: sin(x) / x, pi / 2),
                               lambda z: sqrt(z) / sin(sqrt(z))),
}
for digits, degrees in ((9, (4, 8, 6, 5)), (17, (10, 19, 11, 12))):
    kind = "f32" if digits == 9 else "f64"
    rows |= {
        f"tanh {kind}: (tanh(x) / x - 1) / x^2 of x^2": (
            digits, degrees[0], even(lambda x: (tanh(x) / x - 1) / x**2, 0.65),
            lambda z: z * sqrt(z) / tanh(sqrt(z))),
        f"atan {kind}: (atan(x) / x - 1) / x^2 of x^2": (
            digits, degrees[1], even(lambda x: (atan(x) / x - 1) / x**2, 1),
            lambda z: z * sqrt(z) / atan(sqrt(z))),
        f"erf near {kind}: erf(x) / x - 1 of x^2": (
            digits, degrees[2], even(lambda x: erf(x) / x - 1, 1),
            lambda z: sqrt(z) / erf(sqrt(z))),
        f"erf far {kind}: exp(x^2) erfc(x) of 1 / (1 + x / 2), x in [1, 6], absolute": (
            digits, degrees[3], (mpf(1) / 4, mpf(2) / 3, erfcx), far),
    }

for name, (digits, degree, (low, high, f), weight) in rows.items():
    if len(sys.argv) > 1 and not name.startswith(sys.argv[1]):
        continue
    c, error = (remez_f32 if digits == 9 else remez)(f, weight, low, high, degree)
    print(f"// {name}: {mp.nstr(error, 2)}")
    print("{" + ", ".join(f"{float(k):.{digits}g}" for k in c) + "},")
