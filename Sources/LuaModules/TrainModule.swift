import Base
import LuaHost
import Networks
import Tensors
import Training

/// `tt.train`: optimizers, clipping, the training step, batches.
enum TrainModule {
    static var module: LuaModule {
        LuaModule(
            "tt.train", functions: functions,
            classes: [
                LuaClass(
                    Optimizer.self, "tt.Optimizer", methods: optimizerMethods,
                    // Two moments for each parameter, and the parameter.
                    byteCount: { 3 * $0.parameters.reduce(0) { $0 + $1.byteCount } }),
                LuaClass(TrainerObject.self, "tt.Trainer", methods: trainerMethods, close: { $0.loss = nil }),
                LuaClass(
                    Batches.self, "tt.Batches", methods: [:],
                    metamethods: [
                        // for batch in batches do
                        "__call": { call in
                            guard let batch = try call[1].object(Batches.self).nextBatch() else {
                                return call.push(nil)
                            }
                            let fields = batch.fields.map { ($0.name, LuaObject($0.field.object) as any LuaPushable) }
                            return call.pushTable(fields: fields + [("n", batch.count)])
                        },
                        "__len": { call in call.push(try call[1].object(Batches.self).batchCount) },
                    ]),
            ])
    }

    private static var functions: [String: LuaBody] {
        [
            // train.adamw(parameters, {lr, betas, eps, weight_decay}) -> Optimizer
            "adamw": { call in try adam(call, decoupled: true, weightDecay: 0.01) },
            // train.adam(parameters, {lr, betas, eps, weight_decay}) -> Optimizer
            "adam": { call in try adam(call, decoupled: false, weightDecay: 0) },
            // train.sgd(parameters, {lr, momentum, nesterov, weight_decay}) -> Optimizer
            "sgd": { call in
                let options = try call[2].options(["lr", "momentum", "nesterov", "weight_decay"])
                return call.push(
                    object: try SGD(
                        try groups(call[1], options, weightDecay: 0),
                        momentum: try options.field("momentum").optional?.double() ?? 0,
                        nesterov: try options.field("nesterov").optional?.bool() ?? false))
            },
            // train.clip_grad_norm(parameters, max) -> number
            "clip_grad_norm": { call in
                let parameters = try call[1].elements().map { try $0.object(Tensor.self) }
                return call.push(try Clip.gradients(parameters, limit: try call[2].double()))
            },
            // train.trainer({loss, optimizer, clip_norm}) -> Trainer
            "trainer": { call in
                let options = try call[1].options(["loss", "optimizer", "clip_norm"])
                let trainer = try Trainer(
                    optimizer: try options.field("optimizer").object(Optimizer.self),
                    clipNorm: try options.field("clip_norm").optional?.double())
                return call.push(object: TrainerObject(trainer, loss: try options.field("loss").function()))
            },
            // train.batches({size, seed, epoch, shuffle, fields}) -> iterator
            "batches": { call in
                let options = try call[1].options(["size", "seed", "epoch", "shuffle", "fields"])
                let fields = try options.field("fields").fields().map {
                    name, value -> (name: String, field: BatchField) in
                    guard name != "n" else {
                        throw value.error("'n' is the number of samples in a batch; choose another name")
                    }
                    return (name, try BatchField(value))
                }
                return call.push(
                    object: try Batches(
                        fields: fields, size: try options.field("size").int(in: 1...Argument.countLimit),
                        seed: try options.seed(),
                        epoch: UInt64(bitPattern: try options.field("epoch").optional?.int64() ?? 0),
                        shuffle: try options.field("shuffle").optional?.bool() ?? true))
            },
        ]
    }

    private static func adam(_ call: Call, decoupled: Bool, weightDecay: Double) throws -> Int32 {
        let options = try call[2].options(["lr", "betas", "eps", "weight_decay"])
        let betas = try options.field("betas").optional?.doubles() ?? [0.9, 0.999]
        guard betas.count == 2 else { throw call.argumentError(2, "field 'betas': two numbers expected") }
        return call.push(
            object: try Adam(
                try groups(call[1], options, weightDecay: weightDecay), betas: (betas[0], betas[1]),
                eps: try options.field("eps").optional?.double() ?? 1e-8, decoupled: decoupled))
    }

    /// A list of tensors, or of groups `{params = tensors, lr =, weight_decay =}`.
    private static func groups(_ list: Argument, _ options: Argument, weightDecay: Double) throws -> [Optimizer.Group] {
        let lr = try options.field("lr").optional?.double() ?? 1e-3
        let decay = try options.field("weight_decay").optional?.double() ?? weightDecay
        let elements = try list.elements()
        guard elements.contains(where: { $0.kind == .table }) else {
            return [Optimizer.Group(try elements.map { try $0.object(Tensor.self) }, lr: lr, weightDecay: decay)]
        }
        return try elements.map { element in
            let group = try element.options(["params", "lr", "weight_decay"])
            return Optimizer.Group(
                try group.field("params").elements().map { try $0.object(Tensor.self) },
                lr: try group.field("lr").optional?.double() ?? lr,
                weightDecay: try group.field("weight_decay").optional?.double() ?? decay)
        }
    }

    private static var optimizerMethods: [String: LuaBody] {
        [
            // optimizer:step()
            "step": { call in
                try call[1].object(Optimizer.self).step()
                return 0
            },
            // optimizer:zero_grad()
            "zero_grad": { call in
                try call[1].object(Optimizer.self).zeroGrad()
                return 0
            },
            // optimizer:set_lr(lr)
            "set_lr": { call in
                try call[1].object(Optimizer.self).setLearningRate(try call[2].double())
                return 0
            },
            // optimizer:lr() -> number
            "lr": { call in call.push(try call[1].object(Optimizer.self).groups[0].lr) },
            // optimizer:steps() -> integer
            "steps": { call in call.push(try call[1].object(Optimizer.self).steps) },
        ]
    }

    private static var trainerMethods: [String: LuaBody] {
        [
            // trainer:step(batch) -> number
            "step": { call in
                let object = try call[1].object(TrainerObject.self)
                guard let function = object.loss else { throw call.argumentError(1, "the trainer is closed") }
                let loss = try object.trainer.step {
                    let results = try call.invoke(function, call[2])
                    guard let loss = results.first?.tryObject(Tensor.self) else {
                        throw call.argumentError(1, "the loss function must return a tensor")
                    }
                    return loss
                }
                return call.push(loss)
            },
            // trainer:steps() -> integer
            "steps": { call in call.push(try call[1].object(TrainerObject.self).trainer.steps) },
            // trainer:grad_norm() -> number
            "grad_norm": { call in call.push(try call[1].object(TrainerObject.self).trainer.gradientNorm) },
        ]
    }
}

/// A trainer and the Lua function that gives its loss.
final class TrainerObject {
    let trainer: Trainer
    var loss: LuaFunction?

    init(_ trainer: Trainer, loss: LuaFunction) {
        self.trainer = trainer
        self.loss = loss
    }
}

extension BatchField {
    fileprivate init(_ argument: Argument) throws {
        if let indices = argument.tryObject(Indices.self) {
            self = .indices(indices)
        } else if let tensor = argument.tryObject(Tensor.self) {
            self = .tensor(tensor)
        } else if let rows = argument.tryObject(Rows.self) {
            self = .rows(rows)
        } else {
            throw argument.error("tt.Indices, tt.Tensor or tt.Rows expected")
        }
    }

    fileprivate var object: AnyObject {
        switch self {
        case .tensor(let tensor): tensor
        case .indices(let indices): indices
        case .rows(let rows): rows
        }
    }
}
