import Base
import CMath
import Glibc
import Testing

/// Our own exp, log, log1p and pow against the C library's.
@Suite struct MathTests {
    private static let special: [Double] = [
        0, -0.0, 1, -1, 2, -2, 3, -3, 0.5, -0.5, .infinity, -.infinity, .nan, 1e300, -1e300, .leastNonzeroMagnitude,
        0x1p53, -0x1p53 - 2,
    ]

    /// The distance in units in the last place; 0 when both are NaN or the same infinity.
    private func distance(_ one: Double, _ other: Double) -> Double {
        if one == other || one.isNaN && other.isNaN { return 0 }
        return Swift.abs(one - other) / other.ulp
    }

    @Test func logarithmsAndExponentials() {
        var random = Random(seed: 1)
        for _ in 0..<20_000 {
            // All magnitudes alike.
            let x = Double(bitPattern: random.next() >> 1)
            if x.isFinite {
                #expect(distance(tt_log(x), Glibc.log(x)) <= 1)
                #expect(distance(tt_log1p(x), Glibc.log1p(x)) <= 1)
            }
            let y = 1490 * (random.uniform() - 0.5)
            #expect(distance(tt_exp(y), Glibc.exp(y)) <= 1)
            let z = random.uniform() - 0.9
            #expect(distance(tt_log1p(z), Glibc.log1p(z)) <= 2)
        }
        for x in MathTests.special {
            #expect(distance(tt_log(x), Glibc.log(x)) <= 1)
            #expect(distance(tt_log1p(x), Glibc.log1p(x)) <= 1)
            #expect(distance(tt_exp(x), Glibc.exp(x)) <= 1)
        }
    }

    @Test func powers() {
        var random = Random(seed: 2)
        for _ in 0..<20_000 {
            let x = Double(bitPattern: random.next() >> 1)
            guard x.isFinite else { continue }
            let y = 4 * (random.uniform() - 0.5)
            #expect(distance(tt_pow(x, y), Glibc.pow(x, y)) <= 2)
        }
        for x in MathTests.special {
            for y in MathTests.special {
                let (one, other) = (tt_pow(x, y), Glibc.pow(x, y))
                #expect(distance(one, other) <= 1 && (one.isNaN || one.sign == other.sign), "pow(\(x), \(y))")
            }
        }
        for exponent in 0...22 { #expect(tt_pow(10, Double(exponent)) == Double("1e\(exponent)")!) }
    }
}
