import Base
import CKernels
import Glibc
import Testing

@testable import Tensors

/// Products, those that skip zeros and those that do not, against the chains of multiply-adds they stand for.
@Suite struct ProductTests {
    /// (m, n, k): of whole tiles, of parts of tiles, of less than a register.
    static let sizes = [
        (256, 256, 512), (37, 130, 70), (20, 48, 64), (8, 17, 100), (9, 1, 1), (130, 300, 65), (64, 96, 8),
        (700, 40, 30),
    ]

    private func matrix(_ rows: Int, _ columns: Int, seed: UInt64, zeros: Bool) -> Tensor {
        let values = Tensor.normal([rows, columns], seed: seed)
        if zeros { for index in 0..<values.count where values.pointer[index] < 0.2 { values.pointer[index] = 0 } }
        return values
    }

    /// a · b by its definition: a chain for each element, in ascending order, each step rounded once.
    private func chains(_ a: Tensor, _ b: Tensor, transposeA: Bool, transposeB: Bool, m: Int, n: Int, k: Int) -> [Float]
    {
        var result: [Float] = []
        for row in 0..<m {
            for column in 0..<n {
                var sum: Float = 0
                for step in 0..<k {
                    sum.addProduct(
                        a.pointer[transposeA ? step * m + row : row * k + step],
                        b.pointer[transposeB ? column * k + step : step * n + column])
                }
                result.append(sum)
            }
        }
        return result
    }

    @Test(arguments: sizes) func anElementIsAChain(_ m: Int, _ n: Int, _ k: Int) throws {
        for (transposeA, transposeB) in [(false, false), (false, true), (true, false)] {
            for zerosOnTheLeft in [true, false] {
                let a = matrix(transposeA ? k : m, transposeA ? m : k, seed: 1, zeros: zerosOnTheLeft)
                let b = matrix(transposeB ? n : k, transposeB ? k : n, seed: 2, zeros: !zerosOnTheLeft)
                let expected = chains(a, b, transposeA: transposeA, transposeB: transposeB, m: m, n: n, k: k)
                for kind in [Product.Kind.dense, .sparse, .automatic] {
                    let found = Tensor.normal([m, n], seed: 3)
                    var finished = [Int](repeating: 0, count: m * n)
                    let before = Threads.count
                    Threads.count = 1
                    defer { Threads.count = before }
                    try Product.run(
                        found.pointer, .init(a.pointer, transposed: transposeA),
                        .init(b.pointer, transposed: transposeB), m: m, n: n, k: k, kind: kind
                    ) { rows, columns in
                        for row in rows { for column in columns { finished[row * n + column] += 1 } }
                    }
                    #expect(finished.allSatisfy { $0 == 1 })
                    #expect(found.values == expected, "\(m) × \(n) × \(k), \(kind)")
                }
            }
        }
    }

    /// An infinity times a zero shows which operand is sparse: the dense product makes it NaN.
    @Test func lowDensityIsSparse() throws {
        for (zeros, skips) in [(20, true), (4, false)] {
            let a = Tensor(shape: [8, 32], repeating: 1)
            for row in 0..<8 { for place in 0..<zeros { a.pointer[row * 32 + place] = 0 } }
            let b = Tensor(shape: [32, 3], repeating: 1)
            b.pointer[0] = .infinity
            let c = Tensor(zeros: [8, 3])
            try Product.run(c.pointer, .init(a.pointer), .init(b.pointer), m: 8, n: 3, k: 32, kind: .automatic)
            #expect(c.pointer[0].isNaN != skips)
            #expect(c.pointer[1] == Float(32 - zeros))
        }
    }

    /// (m, n, k): whole and partial tiles, every number of vectors that is multiplied at once, and more rows than a
    /// piece has.
    @Test(arguments: [(256, 256, 256), (37, 70, 352), (8, 17, 16), (600, 33, 64), (40, 100, 272)])
    func onlyMaskedElementsAreComputed(_ m: Int, _ n: Int, _ k: Int) throws {
        let a = matrix(m, k, seed: 1, zeros: false)
        let x = matrix(m, n, seed: 2, zeros: true)
        for transposeB in [false, true] {
            let b = matrix(transposeB ? n : k, transposeB ? k : n, seed: 3, zeros: false)
            let plain = Tensor(zeros: [m, n])
            try Product.run(
                plain.pointer, .init(a.pointer), .init(b.pointer, transposed: transposeB), m: m, n: n, k: k)
            let found = Tensor.normal([m, n], seed: 4)
            try Product.run(
                found.pointer, .init(a.pointer), .init(b.pointer, transposed: transposeB), m: m, n: n, k: k,
                whereNonzero: x.pointer)
            for index in 0..<(m * n) {
                let (one, other) = (x.pointer[index] == 0 ? 0 : plain.pointer[index], found.pointer[index])
                guard abs(one - other) <= 5e-5 * max(1, abs(one)) else {
                    Issue.record("\(m) × \(n) × \(k): \(other) at \(index), not \(one)")
                    break
                }
            }
        }
    }

    /// The whole product is computed for sizes that the kernel does not take, for a left operand sparser than the mask,
    /// and for a dense mask.
    @Test func theMaskIsOnlyAHint() throws {
        for (k, zerosInA, zerosInX) in [(20, 0, 8), (32, 30, 8), (32, 0, 1)] {
            let a = Tensor(shape: [8, k], repeating: 1)
            let x = Tensor(shape: [8, 16], repeating: 1)
            for row in 0..<8 {
                for place in 0..<zerosInA { a.pointer[row * k + place] = 0 }
                for place in 0..<zerosInX { x.pointer[row * 16 + place] = 0 }
            }
            let b = Tensor(shape: [k, 16], repeating: 1)
            let c = Tensor(zeros: [8, 16])
            try Product.run(
                c.pointer, .init(a.pointer), .init(b.pointer), m: 8, n: 16, k: k, whereNonzero: x.pointer)
            #expect(c.values.allSatisfy { $0 == Float(k - zerosInA) })
        }
    }

    @Test func whatIsNotANumberReachesTheResult() throws {
        let a = Tensor(zeros: [8, 70])
        a.pointer[70 + 69] = .nan
        let c = Tensor(zeros: [8, 20])
        let b = Tensor(shape: [70, 20], repeating: 1)
        try Product.run(c.pointer, .init(a.pointer), .init(b.pointer), m: 8, n: 20, k: 70)
        for index in 0..<c.count { #expect(c.pointer[index].isNaN == (index / 20 == 1)) }
    }

    @Test func theEnvironmentChoosesTheKernels() {
        let name = String(cString: tt_kernel_set_name())
        if let wanted = getenv("TT_KERNELS"), wanted.pointee != 0 { #expect(name == String(cString: wanted)) }
        #expect(["portable", "avx2", "avx512"].contains(name))
    }

    @Test(arguments: [(1, 1), (16, 16), (33, 70), (64, 48), (100, 40)]) func transposes(_ n: Int, _ m: Int) {
        let x = matrix(n, m, seed: 4, zeros: true)
        let out = Tensor(zeros: [m, n])
        tt_transpose(out.pointer, x.pointer, n, m)
        for row in 0..<n {
            for column in 0..<m { #expect(out.pointer[column * n + row] == x.pointer[row * m + column]) }
        }

        // In two pieces, with the mask.
        let again = Tensor(zeros: [m, n])
        let mask = Buffer<UInt64>(repeating: 0, count: m * tt_mask_words(n))
        let middle = m / 2
        tt_transpose_rows(again.pointer, mask.pointer, x.pointer, n, m, 0, middle)
        tt_transpose_rows(again.pointer, mask.pointer, x.pointer, n, m, middle, m)
        #expect(again.values == out.values)
        let expected = Buffer<UInt64>(repeating: 0, count: m * tt_mask_words(n))
        #expect(tt_nonzero_mask(expected.pointer, out.pointer, m, n) == out.values.filter { $0 != 0 }.count)
        #expect(Array(mask.elements) == Array(expected.elements))
    }
}
