#pragma once

/// exp, log and pow of doubles, with the same bits on every processor of a kind: the C library's choose their steps by the
/// instructions of the processor. Errors are below 0.6 units in the last place (pow: 1.3). What is outside of a domain gives
/// what C demands.
double tt_exp(double x);
double tt_log(double x);
double tt_log1p(double x);
double tt_log_base(double x, double base);
double tt_pow(double x, double y);
