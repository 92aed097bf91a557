import Base
import LuaHost
import Networks
import Tensors

/// `tt.nn`: layers, losses, and modules run side by side.
enum NNModule {
    static var module: LuaModule {
        LuaModule(
            "tt.nn", functions: functions,
            classes: [
                LuaClass(
                    Module.self, "tt.Module", methods: methods,
                    metamethods: [
                        "__call": methods["forward"]!,
                        "__tostring": { call in call.push(try call[1].object(Module.self).description) },
                    ], byteCount: { $0.ownParameters.reduce(0) { $0 + $1.tensor.byteCount } })
            ])
    }

    private static var functions: [String: LuaBody] {
        [
            // nn.linear(inputs, outputs, {bias, seed, name}) -> Module
            "linear": { call in
                let options = try LayerOptions(call[3])
                return call.push(
                    object: try Linear(
                        inputs: try call[1].count(), outputs: try call[2].count(), bias: options.bias,
                        seed: options.seed,
                        name: options.name))
            },
            // nn.sparse_linear(inputs, outputs, {bias, seed, name}) -> Module
            "sparse_linear": { call in
                let options = try LayerOptions(call[3])
                // A list of widths stands for their sum.
                let inputs =
                    call[1].kind == .table
                    ? try call[1].ints(in: 0...Argument.countLimit).reduce(0, +) : try call[1].count()
                return call.push(
                    object: try SparseLinear(
                        inputs: inputs, outputs: try call[2].count(), bias: options.bias, seed: options.seed,
                        name: options.name))
            },
            // nn.relu() -> Module
            "relu": { call in call.push(object: ReLU()) },
            // nn.normalize() -> Module
            "normalize": { call in call.push(object: Normalize()) },
            // nn.dropout(probability, {seed, name}) -> Module
            "dropout": { call in
                let options = try LayerOptions(call[2], allowed: ["seed", "name"])
                return call.push(object: try Dropout(try call[1].double(), seed: options.seed, name: options.name))
            },
            // nn.sequential(layers, {seed, name}) -> Module
            "sequential": { call in
                let sequential = try Sequential(try call[1].elements().map { try $0.object(Module.self) })
                let options = try call[2].options(["seed", "name"])
                if options.isNil == false {
                    sequential.initialize(
                        seed: try options.seed(), name: try options.field("name").optional?.string() ?? "")
                }
                return call.push(object: sequential)
            },
            // nn.parameter(tensor) -> Tensor
            "parameter": { call in call.push(object: try call[1].tensor().clone().requireGrad()) },
            // nn.parallel(modules, inputs) -> Tensor...
            "parallel": { call in
                let outputs = try Towers.forward(
                    try call[1].elements().map { try $0.object(Module.self) },
                    try call[2].elements().map { try $0.moduleInput() })
                return try call.pushResults(outputs)
            },
            // nn.embed(module, rows, {block}) -> Tensor (n, e)
            "embed": { call in
                let module = try call[1].object(Module.self)
                let block =
                    try call[3].options(["block"]).field("block").optional?.int(in: 1...Argument.countLimit) ?? 4096
                if let matrix = call[2].tryObject(FeatureMatrix.self) {
                    return call.push(object: try Towers.embed(module, matrix, block: block))
                }
                if let rows = call[2].tryObject(Rows.self) {
                    return call.push(object: try Towers.embed(module, rows, block: block))
                }
                return call.push(object: try Towers.embed(module, try call[2].object(Tensor.self), block: block))
            },
            // nn.topk(queries, items, k, {exclude = {queries, items}}) -> Tensor (n, k), Indices
            "topk": { call in
                let options = try call[4].options(["exclude"])
                let exclude = try options.field("exclude").optional?.options(["queries", "items"])
                let (values, indices) = try Tensor.topProducts(
                    try call[1].object(Tensor.self), try call[2].object(Tensor.self), try call[3].count(),
                    exclude: try exclude.map {
                        (try $0.field("queries").indices(), try $0.field("items").indices())
                    })
                return call.push(object: values) + call.push(object: indices)
            },
            // nn.cosine(a, b) -> Tensor
            "cosine": { call in
                call.push(
                    object: try call[1].object(Tensor.self).normalized().dotRows(
                        try call[2].object(Tensor.self).normalized()))
            },
            // nn.bce_with_logits(logits, labels) -> Tensor
            "bce_with_logits": { call in
                call.push(object: try call[1].object(Tensor.self).bceWithLogits(try call[2].object(Tensor.self)))
            },
            // nn.mse(values, targets) -> Tensor
            "mse": { call in call.push(object: try call[1].object(Tensor.self).mse(try call[2].object(Tensor.self))) },
            // nn.cross_entropy(logits, labels) -> Tensor
            "cross_entropy": { call in
                call.push(object: try call[1].object(Tensor.self).crossEntropy(try call[2].indices()))
            },
        ]
    }

    private static var methods: [String: LuaBody] {
        [
            // m:forward(x), m(x) -> Tensor
            "forward": { call in
                call.push(object: try call[1].object(Module.self).forward(try call[2].moduleInput()))
            },
            // m:parameters() -> Tensors
            "parameters": { call in call.push(objects: try call[1].object(Module.self).parameters().map(\.tensor)) },
            // m:state_dict(prefix) -> table, ordered
            "state_dict": { call in
                let state = try call[1].object(Module.self).state(prefix: try call[2].optional?.string() ?? "")
                call.pushTable(fields: state.map { ($0.name, LuaObject($0.tensor)) })
                call.setOrder(state.map(\.name))
                return 1
            },
            // m:load_state_dict(table, prefix) -> m
            "load_state_dict": { call in
                let module = try call[1].object(Module.self)
                let state = try call[2].fields().map { (name: $0.name, tensor: try $0.value.object(Tensor.self)) }
                try module.load(state, prefix: try call[3].optional?.string() ?? "")
                return call.push(call[1])
            },
            // m:train(flag) -> m
            "train": { call in
                let module = try call[1].object(Module.self)
                module.train(try call[2].optional?.bool() ?? true)
                return call.push(call[1])
            },
            // m:eval() -> m
            "eval": { call in
                let module = try call[1].object(Module.self)
                module.train(false)
                return call.push(call[1])
            },
            // m:is_training() -> boolean
            "is_training": { call in call.push(try call[1].object(Module.self).isTraining) },
            // m:init({seed, name}) -> m
            "init": { call in
                let module = try call[1].object(Module.self)
                let options = try call[2].options(["seed", "name"])
                module.initialize(seed: try options.seed(), name: try options.field("name").optional?.string() ?? "")
                return call.push(call[1])
            },
        ]
    }
}

/// What layers with random numbers are told.
private struct LayerOptions {
    let bias: Bool
    let seed: UInt64
    let name: String

    init(_ argument: Argument, allowed: [String] = ["bias", "seed", "name"]) throws {
        let options = try argument.options(allowed)
        bias = allowed.contains("bias") ? try options.field("bias").optional?.bool() ?? true : true
        seed = try options.seed()
        name = try options.field("name").optional?.string() ?? Module.freshName()
    }
}

extension Argument {
    /// A tensor, or rows of a feature matrix.
    fileprivate func moduleInput() throws -> ModuleInput {
        if let rows = tryObject(Rows.self) { return .rows(rows) }
        guard let tensor = tryObject(Tensor.self) else { throw error("tt.Tensor or tt.Rows expected") }
        return .tensor(tensor)
    }
}
