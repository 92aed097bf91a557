import Base
import Glibc
import Networks
import Tensors
import TestSupport
import Testing

@testable import Training

@Suite struct TrainingTests {
    @Test func optimizersStepAsPyTorchs() throws {
        let fixture = try Fixture.read("optimizers.json")
        for run in fixture["runs"]!.array {
            let name = run["name"]!.text
            let weight = try fixture["weight"]!.tensor().requireGrad()
            let bias = try fixture["bias"]!.tensor().requireGrad()
            func group(_ lr: Double, _ decay: Double = 0) -> [Optimizer.Group] {
                [Optimizer.Group([weight, bias], lr: lr, weightDecay: decay)]
            }
            let optimizer: Optimizer =
                switch name {
                case "adam": try Adam(group(0.05, 0.1), betas: (0.8, 0.95), eps: 1e-6, decoupled: false)
                case "sgd": try SGD(group(0.1, 0.01))
                case "sgd_momentum": try SGD(group(0.1, 0.01), momentum: 0.9)
                case "sgd_nesterov": try SGD(group(0.1), momentum: 0.9, nesterov: true)
                default: try Adam(group(0.05, 0.1))
                }
            let trainer = try Trainer(optimizer: optimizer, clipNorm: name == "adamw_clipped" ? 0.5 : nil)
            let x = try fixture["x"]!.tensor()
            let y = try fixture["y"]!.tensor()
            for (step, expected) in run["losses"]!.array.enumerated() {
                let loss = try trainer.step { try x.linear(weight: weight, bias: bias).mse(y) }
                #expect(abs(loss - expected.number) < 1e-5, "\(name), step \(step)")
                if case .array(let norms)? = run["norms"], !norms.isEmpty {
                    #expect(abs(trainer.gradientNorm - norms[step].number) < 1e-5, "\(name), step \(step)")
                }
            }
            #expect(try weight.distance(to: run["weight"]!.tensor()) < 1e-5, "\(name)")
            #expect(try bias.distance(to: run["bias"]!.tensor()) < 1e-5, "\(name)")
        }
    }

    /// Ten AdamW steps of two towers, with a trained bias without decay, a clipped gradient and a short last batch.
    @Test(arguments: [(true, 1), (true, 2), (false, 2)])
    func tenStepsOfTwoTowersAreThoseOfPyTorch(_ sparse: Bool, _ threads: Int) throws {
        let before = Threads.count
        Threads.count = threads
        defer { Threads.count = before }
        let fixture = try Fixture.read("towers.json")
        guard case .object(let members)? = fixture["before"], case .object(let after)? = fixture["after"] else {
            Issue.record("no weights in the fixture")
            return
        }
        let users = try fixture["users"]!.featureMatrix()
        let items = try fixture["items"]!.featureMatrix()
        func tower(_ width: Int) throws -> Sequential {
            let first: Module =
                sparse ? try SparseLinear(inputs: width, outputs: 24) : try Linear(inputs: width, outputs: 24)
            return try Sequential([
                first, ReLU(), Dropout(0), Linear(inputs: 24, outputs: 12), ReLU(), Dropout(0),
                Linear(inputs: 12, outputs: 8), Normalize(),
            ])
        }
        let (user, item) = (try tower(users.width), try tower(items.width))
        let state = try members.map { (name: $0.name, tensor: try $0.value.tensor()) }
        try user.load(state.filter { $0.name.hasPrefix("user.") }, prefix: "user.")
        try item.load(state.filter { $0.name.hasPrefix("item.") }, prefix: "item.")
        let bias = try Tensor(scalar: Float(fixture["bias"]!.number)).requireGrad()
        let optimizer = try Adam([
            Optimizer.Group((user.parameters() + item.parameters()).map(\.tensor), lr: 0.003, weightDecay: 0.01),
            Optimizer.Group([bias], lr: 0.003, weightDecay: 0),
        ])
        let trainer = try Trainer(optimizer: optimizer, clipNorm: 1.5)
        for (step, batch) in fixture["batches"]!.array.enumerated() {
            let users = try users.rows(Indices(batch["user"]!.ints))
            let items = try items.rows(Indices(batch["item"]!.ints))
            let labels = batch["label"]!.array.map { Float($0.number) }
            let loss = try trainer.step {
                let inputs: [ModuleInput] =
                    sparse
                    ? [.rows(users), .rows(items)] : [.tensor(try users.toDense()), .tensor(try items.toDense())]
                let outputs = try Towers.forward([user, item], inputs)
                return try outputs[0].dotRows(outputs[1]).affine(10, 0).adding(bias)
                    .bceWithLogits(Tensor(shape: [labels.count], values: labels))
            }
            #expect(abs(loss - fixture["losses"]!.array[step].number) < 1e-5, "step \(step)")
            #expect(abs(trainer.gradientNorm - fixture["norms"]!.array[step].number) < 1e-4, "step \(step)")
        }
        for (found, expected) in zip(user.state(prefix: "user.") + item.state(prefix: "item."), after) {
            #expect(found.name == expected.name)
            #expect(try found.tensor.distance(to: expected.value.tensor()) < 1e-5, "\(found.name)")
        }
        #expect(abs(Double(bias.values[0]) - fixture["bias_after"]!.number) < 1e-5)
    }

    @Test func stepsAfterTheFirstTakeNoMemory() async {
        // A process of its own: the pool is shared.
        await #expect(processExitsWith: .success) {
            Threads.count = 1
            let tower = try Sequential([
                SparseLinear(inputs: 50, outputs: 300), ReLU(), Dropout(0.3), Linear(inputs: 300, outputs: 8),
                Normalize(),
            ])
            tower.initialize(seed: 1, name: "tower")
            let trainer = try Trainer(
                optimizer: Adam([.init(tower.parameters().map(\.tensor), lr: 0.01, weightDecay: 0.01)]), clipNorm: 1)
            let matrix = try FeatureMatrix(dense: Tensor.normal([64, 50], seed: 1), parts: [])
            let labels = Tensor.uniform([320], low: 0, high: 1, seed: 2)
            // With themselves the gradient would be zero but for rounding, and products go by what is zero.
            let others = Tensor.normal([320, 8], seed: 3)
            var made: [Int] = []
            for _ in 0..<5 {
                _ = try trainer.step {
                    let rows = try matrix.rows(Indices((0..<320).map { $0 % 64 }))
                    return try tower.forward(.rows(rows)).dotRows(others).bceWithLogits(labels)
                }
                made.append(StoragePool.made)
            }
            precondition(made[0] > 0 && made.allSatisfy { $0 == made[0] }, "\(made)")
            exit(0)
        }
    }

    @Test func weightsDoNotDependOnThreads() throws {
        func train(_ threads: Int) throws -> [[Float]] {
            Threads.count = threads
            let towers = try (0..<2).map { index in
                let tower = try Sequential([
                    SparseLinear(inputs: 50, outputs: 300), ReLU(), Dropout(0.3), Linear(inputs: 300, outputs: 8),
                    Normalize(),
                ])
                tower.initialize(seed: 1, name: "tower\(index)")
                return tower
            }
            let trainer = try Trainer(
                optimizer: Adam([.init(towers.flatMap { $0.parameters().map(\.tensor) }, lr: 0.01, weightDecay: 0.01)]),
                clipNorm: 1)
            // Batches large enough to be cut, of rows that repeat.
            let matrix = try FeatureMatrix(dense: Tensor.normal([64, 50], seed: 1), parts: [])
            let labels = Tensor.uniform([700], low: 0, high: 1, seed: 2)
            for epoch in 0..<3 {
                let batches = try Batches(
                    fields: [
                        ("rows", .rows(matrix.rows(Indices((0..<700).map { $0 * $0 % 64 })))),
                        ("label", .tensor(labels)),
                    ], size: 300, seed: 5, epoch: UInt64(epoch))
                while let batch = try batches.nextBatch() {
                    guard case .rows(let rows) = batch.fields[0].field, case .tensor(let label) = batch.fields[1].field
                    else { continue }
                    _ = try trainer.step {
                        let outputs = try Towers.forward(towers, [.rows(rows), .rows(rows)])
                        return try outputs[0].dotRows(outputs[1]).bceWithLogits(label)
                    }
                }
            }
            return towers.flatMap { $0.state().map(\.tensor.values) }
        }
        let before = Threads.count
        defer { Threads.count = before }
        let one = try train(1)
        #expect(try train(2) == one)
        #expect(try train(5) == one)
    }

    @Test func numbersThatAreNotFiniteStopTheStep() throws {
        let weight = try Tensor(shape: [1], values: [2]).requireGrad()
        let trainer = try Trainer(optimizer: SGD([.init([weight], lr: 0.1, weightDecay: 0)]))
        #expect(try trainer.step { try weight.sum() } == 2)
        func failure(_ loss: () throws -> Tensor) -> TrainingError? {
            do { _ = try trainer.step(loss) } catch { return error as? TrainingError }
            return nil
        }
        let value = weight.values
        let infinite = failure { try weight.affine(.infinity, 0).sum() }
        #expect(infinite?.code == "train.non_finite" && infinite?.message.hasPrefix("step 2: the loss is inf") == true)
        // A finite loss with an infinite slope.
        let slope = failure { try weight.subtracting(weight.detach()).sqrt().sum() }
        #expect(
            slope?.code == "train.non_finite" && slope?.message.hasPrefix("step 3: the norm of the gradients") == true)
        #expect(weight.values == value)
        weight.grad = Tensor(shape: [1], repeating: .nan)
        #expect { try Clip.gradients([weight], limit: 1) } throws: {
            ($0 as? TrainingError)?.code == "train.non_finite"
        }
    }

    @Test func clippingReturnsTheNormAndScales() throws {
        let a = try Tensor(shape: [2], values: [0, 0]).requireGrad()
        let b = try Tensor(shape: [1], values: [0]).requireGrad()
        a.grad = try Tensor(shape: [2], values: [1, 2])
        b.grad = try Tensor(shape: [1], values: [2])
        #expect(try Clip.gradients([a, b], limit: 10) == 3)
        #expect(a.grad!.values == [1, 2])
        #expect(try Clip.gradients([a, b], limit: 1.5) == 3)
        #expect(try abs(Clip.norm([a, b]) - 1.5) < 1e-5)
        a.grad = Tensor(shape: [2], repeating: 1e30)
        #expect(try Clip.gradients([a, b], limit: 1) > 1e30)
    }

    @Test func optimizersCheckWhatTheyGet() throws {
        let weight = try Tensor(shape: [1], values: [2]).requireGrad()
        #expect(throws: TrainingError.self) { try Adam([]) }
        #expect(throws: TrainingError.self) { try Adam([.init([weight, weight], lr: 1, weightDecay: 0)]) }
        #expect(throws: TrainingError.self) { try Adam([.init([Tensor(zeros: [1])], lr: 1, weightDecay: 0)]) }
        #expect(throws: TrainingError.self) { try Adam([.init([weight], lr: -1, weightDecay: 0)]) }
        #expect(throws: TrainingError.self) { try Adam([.init([weight], lr: 1, weightDecay: 0)], betas: (1, 0)) }
        #expect(throws: TrainingError.self) { try SGD([.init([weight], lr: 1, weightDecay: 0)], nesterov: true) }
        #expect(throws: TrainingError.self) {
            try Trainer(optimizer: SGD([.init([weight], lr: 1, weightDecay: 0)]), clipNorm: 0)
        }
    }

    @Test func batchesCoverEverySampleOnce() throws {
        let indices = try Indices(range: 0..<23)
        let labels = try Tensor(shape: [23, 2], values: (0..<46).map { Float($0) })
        func epoch(_ number: UInt64, shuffle: Bool = true) throws -> [[Int]] {
            let batches = try Batches(
                fields: [("user", .indices(indices)), ("label", .tensor(labels))], size: 10, seed: 42, epoch: number,
                shuffle: shuffle)
            #expect(batches.batchCount == 3)
            var all: [[Int]] = []
            while let batch = try batches.nextBatch() {
                guard case .indices(let users) = batch.fields[0].field, case .tensor(let label) = batch.fields[1].field
                else { continue }
                let ids = (0..<users.count).map { users[$0] }
                #expect(label.shape == [ids.count, 2] && batch.count == ids.count)
                #expect(label.values == ids.flatMap { [Float(2 * $0), Float(2 * $0 + 1)] })
                all.append(ids)
            }
            return all
        }
        let first = try epoch(1)
        #expect(first.map(\.count) == [10, 10, 3])
        #expect(first.joined().sorted() == Array(0..<23))
        #expect(try epoch(1) == first)
        #expect(try epoch(2) != first)
        #expect(try Array(epoch(1, shuffle: false).joined()) == Array(0..<23))
        #expect(throws: TrainingError.self) {
            try Batches(fields: [("a", .indices(indices)), ("b", .tensor(Tensor(zeros: [3])))], size: 2)
        }
    }
}
