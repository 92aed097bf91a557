import Base
import Tensors
import Testing

@testable import Networks

@Suite struct ModuleTests {
    func tower(_ inputs: Int, sparse: Bool = false, seed: UInt64 = 3) throws -> Sequential {
        let first: Module =
            sparse ? try SparseLinear(inputs: inputs, outputs: 20) : try Linear(inputs: inputs, outputs: 20)
        let tower = try Sequential([
            first, ReLU(), Dropout(0.2), Linear(inputs: 20, outputs: 10), ReLU(), Dropout(0.1),
            Linear(inputs: 10, outputs: 4), Normalize(),
        ])
        tower.initialize(seed: seed, name: "tower")
        return tower
    }

    @Test func parametersHavePyTorchsNames() throws {
        let names = ["0.weight", "0.bias", "3.weight", "3.bias", "6.weight", "6.bias"]
        #expect(try tower(7).state().map(\.name) == names)
        let sparse = try tower(7, sparse: true)
        #expect(sparse.state(prefix: "user_tower.backbone.").map(\.name) == names.map { "user_tower.backbone." + $0 })
        #expect(sparse.state()[0].tensor.shape == [20, 7])
        #expect(sparse.parameters()[0].tensor.shape == [7, 20])
    }

    @Test func firstNumbersDependOnSeedAndNameAlone() throws {
        let (a, b) = (try tower(7), try tower(7, sparse: true))
        #expect(a.state().map(\.tensor.values) == b.state().map(\.tensor.values))
        #expect(try tower(7, seed: 4).state()[0].tensor.values != a.state()[0].tensor.values)
        let weight = a.state()[0].tensor
        let bound = Float(1 / 7.0.squareRoot())
        #expect(weight.values.allSatisfy { abs($0) <= bound } && weight.values.contains { abs($0) > 0.9 * bound })
        #expect(a.state()[0].tensor.values.prefix(4) != a.state()[2].tensor.values.prefix(4))
    }

    @Test func statesAreCopiesAndLoadBack() throws {
        let (a, b) = (try tower(7), try tower(7, sparse: true, seed: 9))
        let state = a.state(prefix: "x.")
        try b.load(state, prefix: "x.")
        #expect(b.state().map(\.tensor.values) == a.state().map(\.tensor.values))
        state[0].tensor.pointer[0] = 99
        #expect(a.state()[0].tensor.values[0] != 99)
    }

    @Test func loadingIsStrict() throws {
        let module = try tower(7)
        let before = module.state().map(\.tensor.values)
        func message(_ state: [(name: String, tensor: Tensor)]) -> String {
            do {
                try module.load(state)
                return "no error"
            } catch { return (error as? NetworkError)?.message ?? "\(error)" }
        }
        var state = try tower(7, seed: 8).state()
        #expect(message(Array(state.dropLast())) == "load_state_dict: missing \"6.bias\"")
        #expect(message(state + [("7.bias", Tensor(zeros: [1]))]) == "load_state_dict: unexpected \"7.bias\"")
        #expect(message(state + [state[0]]) == "load_state_dict: \"0.weight\" occurs twice")
        state[5].tensor = Tensor(zeros: [5])
        #expect(message(state) == "load_state_dict: \"6.bias\" has shape (5,), the module has (4,)")
        #expect(module.state().map(\.tensor.values) == before)
    }

    @Test func joinedLayersGiveWhatSingleLayersGive() throws {
        let x = Tensor.normal([6, 7], seed: 1)
        let (joined, single) = (try tower(7), try tower(7))
        for _ in 0..<3 {
            var value = x
            for layer in single.layers { value = try layer.forward(value) }
            #expect(try joined.forward(x).values == value.values)
        }
        joined.train(false)
        #expect(joined.layers.allSatisfy { !$0.isTraining })
        #expect(try joined.forward(x).values == joined.forward(x).values)
        joined.train()
        #expect(try joined.forward(x).values != joined.forward(x).values)
    }

    @Test func unitRowsAndNothingRecordedWithoutGradients() throws {
        let module = try tower(7)
        let y = try Gradients.off { try module.forward(Tensor.normal([6, 7], seed: 1)) }
        #expect(!y.requiresGrad)
        for row in 0..<6 { #expect(abs(try y.slice(0, start: row, length: 1).norm() - 1) < 1e-5) }
    }

    @Test(arguments: [1, 2, 3]) func towersRunTogetherAsApart(_ threads: Int) throws {
        let before = Threads.count
        Threads.count = threads
        defer { Threads.count = before }
        let (a, b) = (try tower(7), try tower(5, sparse: true))
        let (c, d) = (try tower(7), try tower(5, sparse: true))
        let x = Tensor.normal([6, 7], seed: 1)
        let matrix = try FeatureMatrix(dense: Tensor.normal([6, 5], seed: 2), parts: [])
        let rows = try matrix.rows(try Indices(range: 0..<6))
        let together = try Towers.forward([a, b], [.tensor(x), .rows(rows)])
        let apart = [try c.forward(x), try d.forward(.rows(rows))]
        #expect(together.map(\.values) == apart.map(\.values))
        try together[0].dotRows(together[1]).sum().backward()
        try apart[0].dotRows(apart[1]).sum().backward()
        for (one, other) in zip(a.parameters() + b.parameters(), c.parameters() + d.parameters()) {
            #expect(one.tensor.grad!.values == other.tensor.grad!.values, "\(one.name)")
        }
    }

    @Test func oneModuleTwiceKeepsItsOrder() throws {
        let (a, b) = (try tower(7), try tower(7))
        let x = Tensor.normal([6, 7], seed: 1)
        let together = try Towers.forward([a, a], [.tensor(x), .tensor(x)])
        let apart = [try b.forward(x), try b.forward(x)]
        #expect(together.map(\.values) == apart.map(\.values))
    }

    @Test func embeddingDoesNotDependOnThreads() throws {
        let module = try tower(5, sparse: true)
        let matrix = try FeatureMatrix(dense: Tensor.normal([103, 5], seed: 2), parts: [])
        let before = Threads.count
        defer { Threads.count = before }
        Threads.count = 1
        let one = try Towers.embed(module, matrix, block: 10)
        Threads.count = 3
        #expect(try Towers.embed(module, matrix, block: 10).values == one.values)
        let some = try matrix.rows(try Indices(range: 20..<60))
        #expect(try Towers.embed(module, some, block: 10).values == Array(one.values[80..<240]))
        #expect(one.shape == [103, 4] && !one.requiresGrad && module.isTraining)
        #expect(try Towers.embed(module, matrix.toDense(), block: 1000).distance(one) < 1e-5)
        let none = try FeatureMatrix(dense: Tensor(zeros: [0, 5]), parts: [])
        #expect(try Towers.embed(module, none).shape == [0, 4])
    }

    @Test func wrongSizesAreRefused() throws {
        #expect(throws: NetworkError.self) { try Linear(inputs: 0, outputs: 3) }
        #expect(throws: NetworkError.self) { try Sequential([]) }
        #expect(throws: TensorError.self) { try Dropout(1.5) }
        let module = try tower(7)
        #expect { try module.forward(Tensor(zeros: [2, 8])) } throws: {
            ($0 as? TensorError)?.message == "linear: (2, 8) × (20, 7): the layer takes 7 inputs"
        }
    }
}

extension Tensor {
    fileprivate func distance(_ other: Tensor) -> Float {
        zip(values, other.values).reduce(0) { Swift.max($0, Swift.abs($1.0 - $1.1)) }
    }
}
