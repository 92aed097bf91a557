#pragma once

/// exp, log and pow of doubles, with the same bits on every processor of an architecture, unlike those of the C
/// library, which depend on the instruction set. Errors are below 0.6 ULP (pow: 1.3). Domain errors and special values
/// follow C.
double tt_exp(double x);
double tt_log(double x);
double tt_log1p(double x);
double tt_log_base(double x, double base);
double tt_pow(double x, double y);
