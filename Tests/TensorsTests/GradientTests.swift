import Base
import TestSupport
import Testing

@testable import Tensors

/// Every operation by PyTorch's name (up to `#`): results and gradients against PyTorch, gradients against differences.
@Suite struct GradientTests {
    static let operations: [String: @Sendable ([Tensor]) throws -> Tensor] = [
        "add": { try $0[0].adding($0[1]) },
        "sub": { try $0[0].subtracting($0[1]) },
        "mul": { try $0[0].multiplying($0[1]) },
        "div": { try $0[0].dividing(by: $0[1]) },
        "neg": { $0[0].negated() },
        "affine": { $0[0].affine(2.5, -1.5) },
        "exp": { $0[0].exp() },
        "log": { $0[0].log() },
        "sqrt": { $0[0].sqrt() },
        "tanh": { $0[0].tanh() },
        "sigmoid": { $0[0].sigmoid() },
        "relu": { $0[0].relu() },
        "abs": { $0[0].abs() },
        "pow#2": { $0[0].power(2) },
        "pow#3": { $0[0].power(3) },
        "pow#half": { $0[0].power(-1.5) },
        "clamp": { $0[0].clamp(-0.5, 0.8) },
        "matmul": { try $0[0].matmul($0[1]) },
        "transpose": { try $0[0].transposed() },
        "transpose#far": { try $0[0].transposed(0, 2) },
        "reshape": { try $0[0].reshaped([6, -1]) },
        "sum": { try $0[0].sum() },
        "sum#0": { try $0[0].sum(0) },
        "sum#1": { try $0[0].sum(1, keepDimension: true) },
        "sum#last": { try $0[0].sum(-1) },
        "mean": { try $0[0].mean() },
        "mean#0": { try $0[0].mean(0) },
        "mean#last": { try $0[0].mean(-1, keepDimension: true) },
        "max": { try $0[0].max().values },
        "max#0": { try $0[0].max(0).values },
        "max#last": { try $0[0].max(-1, keepDimension: true).values },
        "softmax": { try $0[0].softmax() },
        "log_softmax": { try $0[0].logSoftmax() },
        "concat#0": { try Tensor.concatenating($0, 0) },
        "concat#1": { try Tensor.concatenating($0, -1) },
        "slice": { try $0[0].slice(1, start: 1, length: 3) },
        "rows": { try $0[0].rows(Indices([4, 0, 2, 4, 4])) },
        "dot": { try $0[0].dotRows($0[1]) },
        "normalize": { try $0[0].normalized() },
        "linear": { try $0[0].linear(weight: $0[1], bias: $0[2]) },
        "linear#relu": { try $0[0].linear(weight: $0[1], bias: $0[2], relu: true) },
        "bce_with_logits": {
            try $0[0].bceWithLogits(Tensor(shape: [6], values: [1, 0, 1, 0, 0.25, 1]))
        },
        "mse": { try $0[0].mse($0[1]) },
        "cross_entropy": { try $0[0].crossEntropy(Indices([2, 0, 1, 2])) },
    ]

    static func operation(_ name: String) -> (@Sendable ([Tensor]) throws -> Tensor)? {
        operations[name] ?? operations[String(name.prefix { $0 != "#" })]
    }

    @Test func resultsAndGradientsAreThoseOfPyTorch() throws {
        let cases = try Fixture.read("ops.json")["cases"]!.array
        #expect(cases.count > 60)
        for item in cases {
            let name = item["name"]!.text
            let operation = try #require(Self.operation(name), "\(name)")
            let inputs = try item["inputs"]!.array.map { try $0.tensor().requireGrad() }
            let result = try operation(inputs)
            #expect(try result.distance(to: item["result"]!.tensor()) < 3e-6, "\(name)")
            try result.backward(item["gradient"]!.tensor())
            for (place, (input, expected)) in zip(inputs, item["gradients"]!.array).enumerated() {
                let gradient = try #require(input.grad, "\(name), input \(place)")
                #expect(try gradient.distance(to: expected.tensor()) < 5e-6, "\(name), gradient of input \(place)")
            }
        }
    }

    @Test func gradientsAreThoseOfFiniteDifferences() throws {
        for item in try Fixture.read("ops.json")["cases"]!.array where item["name"]!.text != "linear#wide" {
            let name = item["name"]!.text
            let operation = try #require(Self.operation(name), "\(name)")
            let inputs = try item["inputs"]!.array.map { try $0.tensor().requireGrad() }
            let weights = try item["gradient"]!.tensor()
            func objective() throws -> Double {
                let result = try Gradients.off { try operation(inputs) }
                return zip(result.values, weights.values).reduce(0) { $0 + Double($1.0) * Double($1.1) }
            }
            try operation(inputs).backward(weights)
            for (place, input) in inputs.enumerated() {
                let gradient = try #require(input.grad)
                for index in 0..<input.count {
                    let value = input.pointer[index]
                    let step = max(1, abs(value)) * 0x1p-9
                    input.pointer[index] = value + step
                    let above = try objective()
                    input.pointer[index] = value - step
                    let below = try objective()
                    input.pointer[index] = value
                    let slope = (above - below) / Double(2 * step)
                    let found = Double(gradient.pointer[index])
                    // Kinks (relu, abs, max, clamp) within a step of the point are left out.
                    let bend = try abs(above + below - 2 * objective()) / Double(step)
                    if bend > 0.1 * max(1, abs(found)) { continue }
                    #expect(abs(slope - found) < 0.02 * max(1, abs(found)), "\(name), input \(place), element \(index)")
                }
            }
        }
    }

    /// Rows that come several times are worked out once; dropout still treats each on its own.
    @Test func repeatedRowsAreTheDenseProduct() throws {
        var random = Random(seed: 6)
        let (n, d0, width) = (40, 3, 60)
        let codes = Buffer<Int32>((0..<n * 5).map { Int32($0 % 5 * 12 + random.below(12)) })
        let part = FeatureMatrix.Part(
            offsets: Buffer<Int64>((0...n).map { Int64($0 * 5) }), codes: codes,
            values: Buffer<Float>((0..<n * 5).map { _ in Float(random.normal()) }), width: width)
        let matrix = try FeatureMatrix(dense: Tensor.normal([n, d0], seed: 1), parts: [part])
        let mask = try DropoutMask(probability: 0.3, key: 77)
        for (samples, d) in [(300, 200), (1100, 13)] {
            let rows = try matrix.rows(Indices((0..<samples).map { _ in random.below(n) }))
            let weight = try Tensor.normal([d0 + width, d], seed: 2).requireGrad()
            let bias = try Tensor.normal([d], seed: 3).requireGrad()
            let gradient = Tensor.normal([samples, d], seed: 4)
            for relu in [true, false] {
                let given = gradient.clone()
                let sparse = try rows.linear(weight: weight, bias: bias, relu: relu, dropout: relu ? mask : .none)
                try sparse.backward(given)
                #expect(given.values == gradient.values)
                let (dw, db) = (weight.grad!, bias.grad!)
                weight.grad = nil
                bias.grad = nil
                let dense = try rows.toDense().linear(
                    weight: weight, bias: bias, weightIsTransposed: true, relu: relu, dropout: relu ? mask : .none)
                try dense.backward(gradient)
                #expect(sparse.distance(to: dense) < 2e-5)
                #expect(weight.grad!.distance(to: dw) < 1e-4 && bias.grad!.distance(to: db) < 1e-4)
                weight.grad = nil
                bias.grad = nil
            }
        }
    }

    @Test func sparseRowsAreTheDenseProduct() throws {
        let item = try #require(try Fixture.read("ops.json")["sparse_linear"])
        let matrix = try item.featureMatrix()
        let rows = try matrix.rows(Indices(item["index"]!.ints))
        let weight = try item["weight"]!.tensor().transposed().requireGrad()
        let bias = try item["bias"]!.tensor().requireGrad()
        let gradient = try item["gradient"]!.tensor()

        let sparse = try rows.linear(weight: weight, bias: bias, relu: true)
        #expect(try sparse.distance(to: item["result"]!.tensor()) < 3e-6)
        try sparse.backward(gradient)
        #expect(try weight.grad!.distance(to: item["weight_gradient"]!.tensor().transposed()) < 5e-6)
        #expect(try bias.grad!.distance(to: item["bias_gradient"]!.tensor()) < 5e-6)

        weight.grad = nil
        bias.grad = nil
        let dense = try rows.toDense().linear(weight: weight, bias: bias, weightIsTransposed: true, relu: true)
        #expect(try dense.distance(to: item["result"]!.tensor()) < 3e-6)
        try dense.backward(gradient)
        #expect(try weight.grad!.distance(to: item["weight_gradient"]!.tensor().transposed()) < 5e-6)
        #expect(try bias.grad!.distance(to: item["bias_gradient"]!.tensor()) < 5e-6)
    }

    @Test func aTensorUsedTwiceCollectsBothGradients() throws {
        let x = try Tensor(shape: [2], values: [3, -2]).requireGrad()
        // x² + x + x: 2x + 2
        try x.multiplying(x).adding(x).adding(x).sum().backward()
        #expect(x.grad!.values == [8, -2])
        try x.affine(1, 0).sum().backward()
        #expect(x.grad!.values == [9, -1])
    }

    @Test func sharedGradientBlocksStayApart() throws {
        let a = try Tensor(shape: [2], values: [1, 1]).requireGrad()
        let b = try Tensor(shape: [2], values: [1, 1]).requireGrad()
        try a.adding(b).sum().backward()
        try a.sum().backward()
        #expect(a.grad!.values == [2, 2])
        #expect(b.grad!.values == [1, 1])
    }

    @Test func aGraphIsUsedOnce() throws {
        let x = try Tensor(shape: [], values: [2]).requireGrad()
        let y = x.exp()
        try y.backward()
        #expect { try y.backward() } throws: { ($0 as? TensorError)?.message.contains("earlier backward") == true }
        #expect { try Tensor(scalar: 1).backward() } throws: { ($0 as? TensorError)?.code == "tensor.grad" }
        #expect { try y.requireGrad(false) } throws: { ($0 as? TensorError)?.code == "tensor.grad" }
    }

    @Test func nothingIsRecordedWithoutNeed() throws {
        let x = try Tensor(shape: [2], values: [1, 2]).requireGrad()
        #expect(Gradients.off { x.exp() }.requiresGrad == false)
        #expect(x.detach().exp().isLeaf)
        #expect(x.exp().requiresGrad)
    }

    @Test func longChainsNeedNoDeepStack() throws {
        let x = try Tensor(shape: [1], values: [1]).requireGrad()
        var y = x
        for _ in 0..<200_000 { y = y.affine(1, 0.5) }
        try y.backward()
        #expect(x.grad!.values == [1])
        y = x
        for _ in 0..<200_000 { y = y.affine(1, 0.5) }  // let go without going back
    }

    @Test func chainsRunApartAndTogetherGiveOne() throws {
        let shared = try Tensor.normal([6, 6], seed: 1).requireGrad()
        let inputs = try (0..<3).map { try Tensor.normal([4, 6], seed: 2, stream: UInt64($0)).requireGrad() }
        func grads(threads: Int) throws -> [[Float]] {
            let before = Threads.count
            Threads.count = threads
            defer { Threads.count = before }
            for tensor in inputs + [shared] { tensor.grad = nil }
            let middle = inputs.map { $0.tanh() }
            let outputs = try Parallel.run(inputs: middle.map { [$0] }) { _, own in try own[0].matmul(shared).sigmoid()
            }
            try Tensor.concatenating(outputs).power(2).sum().backward()
            return try (inputs + [shared]).map { try #require($0.grad).values }
        }
        let one = try grads(threads: 1)
        #expect(try grads(threads: 4) == one)
        for tensor in inputs + [shared] { tensor.grad = nil }
        try Tensor.concatenating(inputs.map { try $0.tanh().matmul(shared).sigmoid() }).power(2).sum().backward()
        for (index, tensor) in (inputs + [shared]).enumerated() {
            #expect(try tensor.grad!.distance(to: Tensor(shape: tensor.shape, values: one[index])) < 1e-5)
        }
    }

    @Test func anErrorInOneChainIsTheError() throws {
        let x = try Tensor(shape: [2], values: [1, 2])
        #expect {
            try Parallel.run(inputs: [[x], [x]]) { index, own in index == 1 ? try own[0].matmul(x) : own[0] }
        } throws: { ($0 as? TensorError)?.message == "matmul: (2,) × (2,): both need two dimensions" }
    }
}
