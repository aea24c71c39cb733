"""From exact numbers to float64, once: ties to even, never -0.0. What the oracle rounds with, sharing nothing with the library."""

import decimal
import functools
import math
from fractions import Fraction


class _Error:
    """The null whose cause is `error`."""

    def __repr__(self):
        return "<error>"


BAD = _Error()


def rounded(exact):
    """The float64 nearest to a rational, ties to even; BAD beyond the double range. Never -0.0."""
    exact = Fraction(exact)
    try:
        # Python's int / int is correctly rounded, subnormal results included.
        return exact.numerator / exact.denominator + 0.0
    except OverflowError:
        return BAD


def rounded_sqrt(exact):
    """The float64 nearest to the square root of a rational."""
    exact = Fraction(exact)
    if exact == 0:
        return 0.0
    n, d = exact.numerator, exact.denominator
    # Scale by 4^k so that the integer root has 64 bits or more, append one bit that says whether anything was cut off:
    # the final rounding then sees on which side of a tie the true root lies.
    k = (130 - n.bit_length() + d.bit_length()) // 2
    n, d = (n << 2 * k, d) if k >= 0 else (n, d << -2 * k)
    root = math.isqrt(n // d)
    inexact = root * root * d != n
    return rounded(Fraction(2 * root + inexact) / Fraction(2) ** (k + 1))


_DIGITS = 90


def _settled(approximate):
    """The float64 that every number within 10^-80 of a decimal rounds to."""
    slack = Fraction(1, 10**80) * abs(Fraction(approximate))
    low, high = rounded(Fraction(approximate) - slack), rounded(Fraction(approximate) + slack)
    assert low == high, approximate
    return low


@functools.cache
def exp2(numerator, denominator):
    """The float64 nearest to 2^(numerator / denominator), 0 <= numerator < denominator."""
    if numerator == 0:
        return 1.0
    with decimal.localcontext(prec=_DIGITS):
        return _settled(decimal.Decimal(2) ** (decimal.Decimal(numerator) / decimal.Decimal(denominator)))


@functools.cache
def log(n):
    """The float64 nearest to the natural logarithm of a whole number."""
    if n == 1:
        return 0.0
    with decimal.localcontext(prec=_DIGITS):
        return _settled(decimal.Decimal(n).ln())
