import Base
import LuaHost
import Tensors

/// The methods and operators of `tt.Tensor`.
enum TensorMethods {
    static var methods: [String: LuaBody] { shapes.merging(arithmetic) { $1 }.merging(gradients) { $1 } }

    static var metamethods: [String: LuaBody] {
        [
            "__add": { call in
                try operation(call, number: { $0.affine(1, $1) }, reversed: { $0.affine(1, $1) }) { try $0.adding($1) }
            },
            "__sub": { call in
                try operation(call, number: { $0.affine(1, -$1) }, reversed: { $0.affine(-1, $1) }) {
                    try $0.subtracting($1)
                }
            },
            "__mul": { call in
                try operation(call, number: { $0.affine($1, 0) }, reversed: { $0.affine($1, 0) }) {
                    try $0.multiplying($1)
                }
            },
            "__div": { call in
                try operation(
                    call, number: { try $0.dividing(by: Tensor(scalar: $1)) },
                    reversed: { try Tensor(scalar: $1).dividing(by: $0) }
                ) { try $0.dividing(by: $1) }
            },
            "__pow": { call in call.push(object: try call[1].object(Tensor.self).power(Float(try call[2].double()))) },
            "__unm": { call in call.push(object: try call[1].object(Tensor.self).negated()) },
            // The size of the first dimension; of a scalar 0.
            "__len": { call in call.push(try call[1].object(Tensor.self).shape.first ?? 0) },
            "__tostring": { call in call.push(try call[1].object(Tensor.self).description) },
        ]
    }

    private static func operation(
        _ call: Call, number: (Tensor, Float) throws -> Tensor, reversed: (Tensor, Float) throws -> Tensor,
        _ both: (Tensor, Tensor) throws -> Tensor
    ) throws -> Int32 {
        if let left = call[1].tryObject(Tensor.self) {
            if let right = call[2].tryObject(Tensor.self) { return call.push(object: try both(left, right)) }
            return call.push(object: try number(left, Float(try call[2].double())))
        }
        return call.push(object: try reversed(try call[2].object(Tensor.self), Float(try call[1].double())))
    }

    /// `t.grad`; `t[i]`: a number of a vector, else the i-th part, nil outside.
    static func index(_ call: Call) throws -> Int32 {
        let tensor = try call[1].object(Tensor.self)
        switch call[2].kind {
        case .string: return call.push(object: try call[2].string() == "grad" ? tensor.grad : nil)
        case .int:
            let place = try call[2].int()
            guard let size = tensor.shape.first, place >= 1, place <= size else { return call.push(nil) }
            if tensor.rank == 1 { return call.push(Double(tensor.pointer[place - 1])) }
            let part = try tensor.slice(0, start: place - 1, length: 1)
            return call.push(object: try part.reshaped(Array(tensor.shape.dropFirst())))
        default: return call.push(nil)
        }
    }

    private static var shapes: [String: LuaBody] {
        [
            // t:shape() -> integers
            "shape": { call in call.push(list: try call[1].object(Tensor.self).shape) },
            // t:size(dimension) -> integer
            "size": { call in
                let shape = try call[1].object(Tensor.self).shape
                guard call.count >= 2 else { return call.push(shape.reduce(1, *)) }
                let dimension = try call[2].dimension()
                let place = dimension < 0 ? dimension + shape.count : dimension
                guard shape.indices.contains(place) else {
                    throw call.argumentError(
                        2, "there is no dimension \(try call[2].int()) in \(TensorError.describe(shape))")
                }
                return call.push(shape[place])
            },
            // t:reshape(shape) -> Tensor
            "reshape": { call in
                let sizes =
                    call[2].kind == .table
                    ? try call[2].ints() : try (2...max(2, call.count)).map { try call[$0].int() }
                return call.push(object: try call[1].object(Tensor.self).reshaped(sizes))
            },
            // t:transpose(first, second) -> Tensor
            "transpose": { call in
                call.push(
                    object: try call[1].object(Tensor.self).transposed(
                        try call[2].optional?.dimension() ?? -2, try call[3].optional?.dimension() ?? -1))
            },
            // t:slice(dimension, first, last) -> Tensor
            "slice": { call in
                let tensor = try call[1].object(Tensor.self)
                let dimension = try call[2].dimension()
                let place = dimension < 0 ? dimension + tensor.rank : dimension
                guard tensor.shape.indices.contains(place) else {
                    throw TensorError.shape("slice", tensor.shape, "there is no dimension \(try call[2].int())")
                }
                let (start, length) = try call.range(3, 4, count: tensor.shape[place])
                return call.push(object: try tensor.slice(place, start: start, length: length))
            },
            // t:rows(places) -> Tensor
            "rows": { call in call.push(object: try call[1].object(Tensor.self).rows(try call[2].indices())) },
            // t:item() -> number
            "item": { call in call.push(Double(try call[1].object(Tensor.self).item())) },
            // t:to_table() -> nested tables, or a number
            "to_table": { call in
                let tensor = try call[1].object(Tensor.self)
                return call.push(try NestedTable(shape: tensor.shape) { Double(tensor.pointer[$0]) })
            },
            // t:bytes() -> string
            "bytes": { call in
                let tensor = try call[1].object(Tensor.self)
                return try call.pushLarge(UnsafeRawBufferPointer(tensor.storage.elements))
            },
            // t:clone() -> Tensor
            "clone": { call in call.push(object: try call[1].object(Tensor.self).clone()) },
            // t:copy(other) -> t
            "copy": { call in
                let tensor = try call[1].object(Tensor.self)
                try tensor.copy(from: try call[2].object(Tensor.self))
                return call.push(call[1])
            },
        ]
    }

    private static var arithmetic: [String: LuaBody] {
        var methods: [String: LuaBody] = [
            // t:matmul(other) -> Tensor
            "matmul": { call in
                call.push(object: try call[1].object(Tensor.self).matmul(try call[2].object(Tensor.self)))
            },
            // t:dot(other) -> Tensor
            "dot": { call in
                call.push(object: try call[1].object(Tensor.self).dotRows(try call[2].object(Tensor.self)))
            },
            // t:pow(exponent) -> Tensor
            "pow": { call in call.push(object: try call[1].object(Tensor.self).power(Float(try call[2].double()))) },
            // t:clamp(low, high) -> Tensor
            "clamp": { call in
                let low = try call[2].optional?.double() ?? -.infinity
                let high = try call[3].optional?.double() ?? .infinity
                guard low <= high else { throw call.argumentError(3, "high \(high) is below low \(low)") }
                return call.push(object: try call[1].object(Tensor.self).clamp(Float(low), Float(high)))
            },
            // t:dropout(probability, seed) -> Tensor
            "dropout": { call in
                call.push(
                    object: try call[1].object(Tensor.self).dropout(
                        probability: try call[2].double(),
                        key: SplitMix64.mix(UInt64(bitPattern: try call[3].optional?.int64() ?? 0))))
            },
            // t:softmax() -> Tensor
            "softmax": { call in call.push(object: try call[1].object(Tensor.self).softmax()) },
            // t:log_softmax() -> Tensor
            "log_softmax": { call in call.push(object: try call[1].object(Tensor.self).logSoftmax()) },
            // t:normalize() -> Tensor
            "normalize": { call in call.push(object: try call[1].object(Tensor.self).normalized()) },
            // t:norm() -> number
            "norm": { call in call.push(try call[1].object(Tensor.self).norm()) },
            // t:is_finite() -> boolean
            "is_finite": { call in call.push(try call[1].object(Tensor.self).isFinite) },
            // t:sum(dimension, {keepdim}) -> Tensor
            "sum": { call in
                let (dimension, keep) = try reduction(call)
                return call.push(object: try call[1].object(Tensor.self).sum(dimension, keepDimension: keep))
            },
            // t:mean(dimension, {keepdim}) -> Tensor
            "mean": { call in
                let (dimension, keep) = try reduction(call)
                return call.push(object: try call[1].object(Tensor.self).mean(dimension, keepDimension: keep))
            },
            // t:max(dimension, {keepdim}) -> Tensor, Indices
            "max": { call in
                let (dimension, keep) = try reduction(call)
                let (values, indices) = try call[1].object(Tensor.self).max(dimension, keepDimension: keep)
                return call.push(object: values) + call.push(object: indices)
            },
            // t:topk(k) -> Tensor, Indices
            "topk": { call in
                let (values, indices) = try call[1].object(Tensor.self).topK(try call[2].count())
                return call.push(object: values) + call.push(object: indices)
            },
        ]
        // t:exp() -> Tensor, and so on
        let unary: [String: (Tensor) -> Tensor] = [
            "neg": { $0.negated() }, "exp": { $0.exp() }, "log": { $0.log() }, "sqrt": { $0.sqrt() },
            "tanh": { $0.tanh() }, "sigmoid": { $0.sigmoid() }, "relu": { $0.relu() }, "abs": { $0.abs() },
        ]
        for (name, body) in unary {
            methods[name] = { call in call.push(object: body(try call[1].object(Tensor.self))) }
        }
        // t:eq(other) -> Tensor, and so on
        let relations: [String: Tensor.Relation] = [
            "eq": .equal, "lt": .less, "le": .lessOrEqual, "gt": .greater, "ge": .greaterOrEqual,
        ]
        for (name, relation) in relations {
            methods[name] = { call in
                call.push(object: try call[1].object(Tensor.self).comparing(relation, try call[2].tensor()))
            }
        }
        return methods
    }

    private static func reduction(_ call: Call) throws -> (dimension: Int?, keep: Bool) {
        let options = try call[3].options(["keepdim"])
        return (try call[2].optional?.dimension(), try options.field("keepdim").optional?.bool() ?? false)
    }

    private static var gradients: [String: LuaBody] {
        [
            // t:requires_grad(flag) -> t, or boolean
            "requires_grad": { call in
                let tensor = try call[1].object(Tensor.self)
                guard call.count >= 2 else { return call.push(tensor.requiresGrad) }
                try tensor.requireGrad(try call[2].bool())
                return call.push(call[1])
            },
            // t:zero_grad() -> t
            "zero_grad": { call in
                let tensor = try call[1].object(Tensor.self)
                tensor.grad = nil
                return call.push(call[1])
            },
            // t:detach() -> Tensor
            "detach": { call in call.push(object: try call[1].object(Tensor.self).detach()) },
            // t:backward(gradient)
            "backward": { call in
                try call[1].object(Tensor.self).backward(try call[2].optional?.object(Tensor.self))
                return 0
            },
        ]
    }
}
