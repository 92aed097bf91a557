import Glibc
import Testing

@testable import Tensors

/// exp, log, tanh and sigmoid against the C library's in double, over all floats by steps.
@Suite struct FunctionTests {
    /// Every 40,009th float by its bits, of either sign, with infinities, NaN, subnormal numbers and the edges between.
    static let samples: [Float] = {
        let bits = Array(stride(from: UInt32(0), to: 0x7f80_0000, by: 40_009))
        let edges: [Float] = [
            0, 1, 2, 0.5, 88, 88.72283, 88.72284, 89, 103.9, 104, 105, 87.3, .infinity, .nan, .leastNonzeroMagnitude,
            1e-38, 1.2e-38,
            0.624,
            0.625, 9, 20, 3.4e38,
        ]
        let positive = bits.map { Float(bitPattern: $0) } + edges
        return positive + positive.map { -$0 }
    }()

    private func check(_ name: String, _ of: (Tensor) -> Tensor, _ reference: (Double) -> Double) throws {
        let x = FunctionTests.samples
        let y = of(try Tensor(shape: [x.count], values: x)).values
        for (x, y) in zip(x, y) {
            let exact = reference(Double(x))
            let nearest = Float(exact)
            if nearest.isNaN || nearest.isInfinite {
                #expect(y == nearest || y.isNaN && nearest.isNaN, "\(name)(\(x)) is \(y), not \(nearest)")
                continue
            }
            let error = Swift.abs(Double(y) - exact) / Double(nearest.ulp)
            guard error <= 2 else {
                Issue.record("\(name)(\(x)) is \(y), not \(nearest): \(error) units in the last place")
                return
            }
        }
    }

    @Test func exponentials() throws { try check("exp", { $0.exp() }, { Glibc.exp($0) }) }
    @Test func logarithms() throws { try check("log", { $0.log() }, { Glibc.log($0) }) }
    @Test func hyperbolicTangents() throws { try check("tanh", { $0.tanh() }, { Glibc.tanh($0) }) }
    @Test func sigmoids() throws {
        try check("sigmoid", { $0.sigmoid() }) { x in
            let e = Glibc.exp(-Swift.abs(x))
            return x >= 0 ? 1 / (1 + e) : e / (1 + e)
        }
    }

    /// Vectors hold sixteen elements; what is left over is worked out alike.
    @Test func anElementsPlaceDoesNotMatter() throws {
        let functions: [(Tensor) throws -> Tensor] = [
            { $0.exp() }, { $0.log() }, { $0.tanh() }, { $0.sigmoid() }, { try $0.softmax() }, { try $0.logSoftmax() },
            { try $0.bceWithLogits(Tensor(shape: $0.shape, repeating: 0.25)) },
        ]
        for function in functions {
            let expected = try function(Tensor(shape: [1, 1], repeating: 0.7)).values[0]
            for count in [1, 2, 5, 15, 16, 17, 40] {
                // A softmax is one of the row, the loss one of all; each row here is one element.
                let found = try function(Tensor(shape: [count, 1], repeating: 0.7)).values
                #expect(found.allSatisfy { $0 == expected })
            }
        }
    }

    @Test func powersAreThoseOfDoubles() throws {
        let x = try Tensor(shape: [6], values: [0, 0.5, 2, 3, 10, -2])
        #expect(x.power(3).values == [0, 0.125, 8, 27, 1000, -8])
        #expect(x.power(0.5).values.prefix(3) == [0, Float(0.5.squareRoot()), Float(2.0.squareRoot())])
        #expect(x.power(0.5).values[5].isNaN)
    }
}
