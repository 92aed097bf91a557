#include "CMath.h"

#include <math.h>

#pragma STDC FP_CONTRACT OFF

// Only additions, multiplications and divisions, which all processors round alike. The leading terms of a series are
// added as long doubles, whose 64 bits make all roundings but the last negligible.

static const long double LN2 = 0.69314718055994530941723212145817656808L;
// The first part is so short that its product with an exponent is exact.
static const long double LN2_HIGH = 0x1.62e42fefa39efp-1L, LN2_LOW = 2.3190468138462995581e-17L;

// log x for x = 2^k (1 + f) > 0 with sqrt(1/2) <= 1 + f < sqrt(2). With s = f / (2 + f), log(1 + f) = f - f^2 / 2 +
// s (f^2 / 2 + R) where R = 2 s^2 / 3 + 2 s^4 / 5 + …, as in FreeBSD's e_log.c; |s| <= 0.172, so the next term is below
// 2^-58 of R.
static double log_of(long double f, int k) {
    long double s = f / (2 + f), half = 0.5L * f * f;
    double z = (double)(s * s), w = z * z;
    double odd = 2 / 3.0 + w * (2 / 7.0 + w * (2 / 11.0 + w * (2 / 15.0 + w * (2 / 19.0 + w * (2 / 23.0)))));
    double even = 2 / 5.0 + w * (2 / 9.0 + w * (2 / 13.0 + w * (2 / 17.0 + w * (2 / 21.0))));
    double R = z * odd + w * even;
    return (double)(k * LN2 + (f - (half - s * (half + R))));
}

static double log_of_whole(long double x) {
    int k;
    long double m = frexpl(x, &k);
    if (m >= 0.70710678118654752440L) return log_of(m - 1, k);
    return log_of(2 * m - 1, k - 1);
}

double tt_log(double x) {
    if (!(x > 0 && x < INFINITY)) return x == 0 ? -INFINITY : x < 0 ? NAN : x;
    return log_of_whole(x);
}

double tt_log1p(double x) {
    if (!(x > -1 && x < INFINITY)) return x == -1 ? -INFINITY : x < -1 ? NAN : x;
    if (x > -0.29 && x < 0.41) return x == 0 ? x : log_of(x, 0);
    return log_of_whole(1 + (long double)x);
}

// e^x = 2^n e^r, |r| <= ln 2 / 2; the first term left out of e^r = 1 + r + r^2 / 2 + r^3 (1 / 6 + …) is below 2^-58.
double tt_exp(double x) {
    if (!(x > -746 && x < 710)) return x < 0 ? 0 : x > 0 ? INFINITY : x;
    long n = (long)(x * 1.4426950408889634074 + (x < 0 ? -0.5 : 0.5));
    long double r = (x - n * LN2_HIGH) - n * LN2_LOW;
    double v = (double)r, w = v * v;
    double even = w * (1 / 5040.0 + w * (1 / 362880.0 + w * (1 / 39916800.0 + w * (1 / 6227020800.0))));
    even = 1 / 6.0 + w * (1 / 120.0) + w * even;
    double odd = 1 / 24.0 + w * (1 / 720.0 + w * (1 / 40320.0 + w * (1 / 3628800.0 + w * (1 / 479001600.0))));
    double rest = v * w * (even + v * odd);
    return (double)ldexpl(1 + (r + (0.5L * r * r + rest)), (int)n);
}

// ---- with 64 bits: exponents of pow reach 745, and log_base(1000, 10) must be 3

static long double long_log(double x) {
    int exponent;
    long double m = frexp(x, &exponent);
    if (m < 0.70710678118654752440L) {
        m *= 2;
        exponent--;
    }
    long double s = (m - 1) / (m + 1), z = s * s, sum = 0;
#pragma clang loop unroll(full)
    for (int k = 27; k > 1; k -= 2) sum = z * (1 / (long double)k + sum);
    return exponent * LN2 + 2 * (s + s * sum);
}

static long double long_exp(long double x) {
    long n = (long)(x * 1.4426950408889634074L + (x < 0 ? -0.5L : 0.5L));
    long double r = (x - n * LN2_HIGH) - n * LN2_LOW, sum = 1;
#pragma clang loop unroll(full)
    for (int k = 18; k > 0; k--) sum = 1 + r * (sum * (1 / (long double)k));
    return ldexpl(sum, (int)n);
}

double tt_log_base(double x, double base) {
    if (!(x > 0 && x < INFINITY && base > 0 && base < INFINITY)) return tt_log(x) / tt_log(base);
    return (double)(long_log(x) / long_log(base));
}

static int is_whole(double y) { return trunc(y) == y; }
static int is_odd(double y) { return is_whole(y) && fabs(y) < 0x1p53 && fmod(y, 2) != 0; }

double tt_pow(double x, double y) {
    if (y == 0 || x == 1) return 1;
    if (isnan(x) || isnan(y)) return NAN;
    double size = fabs(x), sign = signbit(x) && is_odd(y) ? -1 : 1;
    if (isinf(y)) return size == 1 ? 1 : (size > 1) == (y > 0) ? INFINITY : 0;
    if (size == 0 || isinf(size)) return sign * ((size == 0) == (y < 0) ? INFINITY : 0);
    if (x < 0 && !is_whole(y)) return NAN;
    if (y == 2) return x * x;
    long double t = y * long_log(size);
    return sign * (double)long_exp(t > 2000 ? 2000 : t < -2000 ? -2000 : t);
}
