import CMath

// The same bits on every processor, which the C library's do not have.

public func exp(_ x: Double) -> Double { tt_exp(x) }
public func log(_ x: Double) -> Double { tt_log(x) }
/// log(1 + x), exact for small x as well.
public func log1p(_ x: Double) -> Double { tt_log1p(x) }
public func pow(_ x: Double, _ y: Double) -> Double { tt_pow(x, y) }
