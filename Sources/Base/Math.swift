import Glibc

@inlinable public func log(_ x: Double) -> Double { Glibc.log(x) }
