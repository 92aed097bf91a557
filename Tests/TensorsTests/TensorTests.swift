import Base
import CKernels
import TestSupport
import Testing

@testable import Tensors

@Suite struct TensorTests {
    @Test func shapeErrorsNameTheOperationAndBothShapes() throws {
        func message(_ body: () throws -> Tensor) -> String {
            do {
                _ = try body()
                return "no error"
            } catch { return (error as? any TTError)?.message ?? "another error" }
        }
        let a = Tensor(zeros: [32, 7])
        #expect(message { try a.matmul(Tensor(zeros: [8, 3])) } == "matmul: (32, 7) × (8, 3): inner sizes differ")
        #expect(message { try a.adding(Tensor(zeros: [6])) } == "add: (32, 7) × (6,): sizes 7 and 6 do not match")
        #expect(message { try a.reshaped([5, -1]) } == "reshape: (32, 7) × (5, -1): sizes do not fit")
        #expect(message { try a.sum(2) } == "sum: (32, 7): there is no dimension 2")
        #expect(
            message { try a.slice(0, start: 30, length: 3) } == "slice: (32, 7): places 31 to 33 are outside 1 to 32")
        #expect(message { try a.rows(Indices([32])) } == "rows: position 33 is outside 1 to 32")
        #expect(message { try a.dotRows(Tensor(zeros: [32, 8])) } == "dot: (32, 7) × (32, 8): both need the same rows")
        #expect(message { try a.topK(8).values } == "topk: (32, 7): 8 asked for, a row has 7")
        #expect(
            message { try Tensor.concatenating([a, Tensor(zeros: [2, 8])]) }.hasPrefix("concat: (32, 7) × (2, 8)"))
        #expect(
            message { try a.bceWithLogits(Tensor(zeros: [32])) } == "bce_with_logits: (32, 7) × (32,): shapes differ")
        #expect(
            message { try a.linear(weight: Tensor(zeros: [4, 8]), bias: nil) }
                == "linear: (32, 7) × (4, 8): the layer takes 8 inputs")
        #expect(message { try Tensor(shape: [2, -1], values: []) } == "tensor: (2, -1): a size is negative")
        #expect(
            message { try Tensor(shape: [1 << 40, 1 << 40], values: []) }
                .contains(": more bytes than can be counted of memory needed"))
        #expect(message { try Tensor(shape: [3], values: [1]) } == "tensor: (3,): 1 values given")
    }

    @Test func emptyTensorsWork() throws {
        let empty = Tensor(zeros: [0, 3])
        #expect(try empty.matmul(Tensor(zeros: [3, 2])).shape == [0, 2])
        #expect(try empty.adding(Tensor(zeros: [3])).shape == [0, 3])
        #expect(try empty.sum(0).values == [0, 0, 0])
        #expect(try empty.sum().values == [0])
        #expect(try empty.mean().values[0].isNaN)
        #expect(try Tensor(zeros: [3, 0]).matmul(Tensor(zeros: [0, 2])).values == [0, 0, 0, 0, 0, 0])
        #expect(try Tensor(zeros: [2, 0]).softmax().shape == [2, 0])
        #expect(try empty.normalized().shape == [0, 3])
        #expect { try empty.max() } throws: { ($0 as? TensorError)?.code == "tensor.shape" }
    }

    @Test func comparisonsGiveOnesAndZeros() throws {
        let a = try Tensor(shape: [3], values: [1, 2, 3])
        let two = Tensor(scalar: 2)
        #expect(try a.comparing(.less, two).values == [1, 0, 0])
        #expect(try a.comparing(.lessOrEqual, two).values == [1, 1, 0])
        #expect(try a.comparing(.equal, two).values == [0, 1, 0])
        #expect(try a.comparing(.greater, two).values == [0, 0, 1])
        #expect(try a.comparing(.greaterOrEqual, two).values == [0, 1, 1])
    }

    @Test func normalizingZerosGivesZeros() throws {
        let x = try Tensor(shape: [2, 3], values: [0, 0, 0, 3, 0, 4]).requireGrad()
        let y = try x.normalized()
        #expect(y.values == [0, 0, 0, 0.6, 0, 0.8])
        try y.sum().backward()
        #expect(x.grad!.isFinite)
    }

    @Test func maximumTellsWhere() throws {
        let x = try Tensor(shape: [2, 3], values: [1, 5, 5, 7, 2, .nan])
        let (values, at) = try x.max(-1)
        #expect(values.values[0] == 5 && values.values[1].isNaN)
        #expect(at[0] == 1 && at[1] == 2)
    }

    @Test func topKIsASortedPrefix() throws {
        var random = Random(seed: 5)
        let values = (0..<5 * 200).map { _ in Float(random.below(60)) }
        let x = try Tensor(shape: [5, 200], values: values)
        for k in [0, 1, 7, 200] {
            let (top, at) = try x.topK(k)
            #expect(top.shape == [5, k] && at.shape == [5, k])
            for row in 0..<5 {
                let expected = (0..<200).sorted {
                    let (a, b) = (values[row * 200 + $0], values[row * 200 + $1])
                    return a > b || (a == b && $0 < $1)
                }.prefix(k)
                #expect((0..<k).map { at[row * k + $0] } == Array(expected))
                #expect((0..<k).map { top.pointer[row * k + $0] } == expected.map { values[row * 200 + $0] })
            }
        }
    }

    @Test func dropoutDependsOnKeyAndPlaceAlone() throws {
        let ones = Tensor(shape: [300, 333], repeating: 1)
        let a = try ones.dropout(probability: 0.2, key: 7)
        #expect(try ones.dropout(probability: 0.2, key: 7).values == a.values)
        #expect(try ones.dropout(probability: 0.2, key: 8).values != a.values)
        #expect(a.values.allSatisfy { $0 == 0 || $0 == 1.25 })
        let kept = Double(a.values.filter { $0 > 0 }.count) / Double(a.count)
        #expect(abs(kept - 0.8) < 0.005)
        // The first rows of a longer block are the same ones: the place counts, not the size.
        #expect(
            try Array(Tensor(shape: [7, 333], repeating: 1).dropout(probability: 0.2, key: 7).values)
                == Array(a.values.prefix(7 * 333)))
        #expect(throws: TensorError.self) { try ones.dropout(probability: 1, key: 0) }
        #expect(throws: TensorError.self) { try ones.dropout(probability: .nan, key: 0) }

        let x = try ones.clone().requireGrad()
        try x.dropout(probability: 0.2, key: 7).backward(ones)
        #expect(x.grad!.values == a.values)
    }

    @Test(arguments: [70, 64, 5]) func fusedDropoutIsThatOfSingleOperations(_ d: Int) throws {
        let x = Tensor.normal([9, 12], seed: 1)
        let weight = try Tensor.normal([d, 12], seed: 2).requireGrad()
        let bias = try Tensor.normal([d], seed: 3).requireGrad()
        let fused = try x.linear(weight: weight, bias: bias, relu: true, dropout: DropoutMask(probability: 0.4, key: 3))
        let single = try x.linear(weight: weight, bias: bias).relu().dropout(probability: 0.4, key: 3)
        #expect(fused.values == single.values)
        let gradient = Tensor.normal([9, d], seed: 4)
        try fused.backward(gradient)
        let (gw, gb) = (weight.grad!, bias.grad!)
        weight.grad = nil
        bias.grad = nil
        try single.backward(gradient)
        #expect(gw.distance(to: weight.grad!) < 1e-6)
        #expect(gb.distance(to: bias.grad!) < 1e-6)

        let transposed = try weight.detach().transposed()
        let matrix = try FeatureMatrix(dense: x, parts: [])
        let sparse = try matrix.rows(try Indices(range: 0..<9)).linear(
            weight: transposed, bias: bias.detach(), relu: true, dropout: DropoutMask(probability: 0.4, key: 3))
        #expect(sparse.distance(to: fused) < 1e-5)
    }

    /// A layer that made 0 of it would hide weights that are no numbers any more.
    @Test(arguments: [70, 64, 5]) func fusedReluKeepsNaN(_ d: Int) throws {
        let x = Tensor(shape: [2, 3], repeating: 1)
        let weight = Tensor(shape: [d, 3], repeating: .nan)
        #expect(try x.linear(weight: weight, bias: nil, relu: true).values.allSatisfy { $0.isNaN })
        let rows = try FeatureMatrix(dense: x, parts: []).rows(try Indices(range: 0..<2))
        let sparse = try rows.linear(weight: weight.transposed(), bias: nil, relu: true)
        #expect(sparse.values.allSatisfy { $0.isNaN })
    }

    @Test func featureMatricesAreChecked() throws {
        func fails(_ offsets: [Int64], _ codes: [Int32], _ values: [Float], _ width: Int) -> Bool {
            let part = FeatureMatrix.Part(
                offsets: Buffer(offsets), codes: Buffer(codes), values: Buffer(values), width: width)
            return (try? FeatureMatrix(dense: Tensor(zeros: [2, 1]), parts: [part])) == nil
        }
        #expect(!fails([0, 1, 2], [0, 3], [1, 1], 4))
        #expect(fails([0, 1], [0], [1], 4))
        #expect(fails([0, 2, 1], [0], [1], 4))
        #expect(fails([0, 1, 2], [0, 4], [1, 1], 4))
        #expect(fails([0, 1, 2], [0, -1], [1, 1], 4))
        #expect(fails([0, 1, 2], [0, 1], [1], 4))
        #expect(fails([1, 1, 2], [0, 1], [1, 1], 4))
        #expect(fails([0, 3, 2], [0, 1], [1, 1], 4))
        #expect(fails([0, 1, 2], [0, 1], [1, 1], Int.max))
        let matrix = try FeatureMatrix(dense: Tensor(zeros: [2, 1]), parts: [])
        #expect(throws: TensorError.self) { try matrix.rows(Indices([0, 2])) }
    }

    @Test func entriesAreGroupedByColumn() throws {
        var random = Random(seed: 9)
        for width in [1, 50, 2048, 100_000] {
            let (n, each) = (70, 10)
            let offsets = Buffer<Int32>((0...n).map { Int32($0 * each) })
            let columns = Buffer<Int32>((0..<n * each).map { _ in Int32(random.below(width)) })
            let values = Buffer<Float>((0..<n * each).map { Float($0) })
            let dense = Buffer<Float>(uninitialized: 0)
            let places = Buffer<Int32>((0...n).map { Int32($0) })
            let x = tt_row_batch(
                n: n, m: n, d0: 0, dense: dense.pointer, starts: places.pointer, samples: places.pointer,
                offsets: offsets.pointer, columns: columns.pointer, values: values.pointer)
            let starts = Buffer<Int32>(uninitialized: width + 1)
            let (rows, sorted) = (Buffer<Int32>(uninitialized: n * each), Buffer<Float>(uninitialized: n * each))
            tt_csr_to_csc(starts.pointer, rows.pointer, sorted.pointer, x, width)
            let expected = (0..<n * each).sorted { (columns[$0], $0) < (columns[$1], $1) }
            #expect(sorted.elements.map { Int($0) } == expected)
            #expect(rows.elements.map { Int($0) } == expected.map { $0 / each })
            let counts = columns.elements.reduce(into: [Int32](repeating: 0, count: width)) { $0[Int($1)] += 1 }
            #expect((0..<width).map { starts[$0 + 1] - starts[$0] } == counts && starts[0] == 0)
        }
    }

    @Test func samplesAreGroupedByRow() {
        var random = Random(seed: 4)
        for (n, rows) in [(0, 1), (1, 1), (5, 1), (300, 7), (300, 1_000_000), (4096, 2000)] {
            let row = Buffer<Int32>((0..<n).map { _ in Int32(random.below(rows)) })
            let (starts, samples) = (Buffer<Int32>(uninitialized: n + 1), Buffer<Int32>(uninitialized: n))
            let scratch = Buffer<Int32>(uninitialized: tt_group_scratch(n))
            let found = tt_group_samples(starts.pointer, samples.pointer, scratch.pointer, row.pointer, n)
            let groups = (0..<found).map { samples.elements[Int(starts[$0])..<Int(starts[$0 + 1])] }
            #expect(groups.joined().sorted() == (0..<Int32(n)).map { $0 })
            #expect(groups.allSatisfy { group in group.allSatisfy { row[Int($0)] == row[Int(group.first!)] } })
            #expect(groups.map { $0.first! } == groups.map { $0.first! }.sorted())
            #expect(found == Set(row.elements).count)
        }
    }

    @Test func jobsInsideJobsRunOnceEach() throws {
        let before = Threads.count
        defer { Threads.count = before }
        Threads.count = 4
        for _ in 0..<200 {
            let runs = Buffer<Int32>((0..<6 * 50).map { _ in 0 })
            try Threads.run(6) { outer in
                try Threads.run(outer == 0 ? 50 : 5) { inner in runs[outer * 50 + inner] += 1 }
            }
            #expect(runs.elements.reduce(0, +) == 50 + 5 * 5 && runs.elements.allSatisfy { $0 <= 1 })
        }
        #expect(throws: TensorError.self) {
            try Threads.run(2) { outer in
                try Threads.run(3) { inner in
                    if outer == 1, inner == 2 { throw TensorError("tensor.value", "inside") }
                }
            }
        }
    }

    @Test func storageIsReused() {
        var address: UnsafeMutablePointer<Float>?
        for round in 0..<3 {
            let tensor = Tensor(zeros: [1237, 61])
            if round > 0 { #expect(tensor.pointer == address) }
            address = tensor.pointer
        }
        for bytes in [0, 1, 64, 65, 1000, 4096, 4097, 1 << 20, (1 << 20) + 1, 3 << 30] {
            let (index, size) = StoragePool.sizeClass(bytes)
            #expect(size >= bytes && size <= max(256, bytes + bytes / 4 + 64) && index < 256)
            #expect(StoragePool.sizeClass(size).index == index)
        }
    }

    @Test func largeProductsDoNotDependOnThreads() throws {
        let a = Tensor.normal([2500, 40], seed: 1)
        let b = Tensor.normal([40, 30], seed: 2)
        let before = Threads.count
        defer { Threads.count = before }
        Threads.count = 1
        let one = try a.matmul(b).values
        Threads.count = 3
        #expect(try a.matmul(b).values == one)
    }

    @Test func printsShapeAndValues() throws {
        #expect(Tensor(scalar: 1.5).description == "Tensor() 1.5000")
        let small = try Tensor(shape: [2, 2], values: [1, -0.25, 1e-9, 3e7])
        #expect(
            small.description == "Tensor(2, 2)\n[[1.0000, -0.2500]\n [1e-09, 30000000.0]]"
                || small.description.hasPrefix("Tensor(2, 2)\n[[1.0000, -0.2500]\n [1e-09, "))
        let long = try Tensor(shape: [100], values: (0..<100).map { Float($0) })
        #expect(long.description == "Tensor(100,)\n[0.0000, 1.0000, 2.0000, …, 97.0000, 98.0000, 99.0000]")
    }
}
