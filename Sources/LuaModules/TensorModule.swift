import Base
import LuaHost
import Tensors

/// `tt.tensor`: float32 tensors with gradients, positions, and feature matrices.
enum TensorModule {
    static var module: LuaModule {
        LuaModule(
            "tt.tensor", functions: functions,
            classes: [
                LuaClass(
                    Tensor.self, "tt.Tensor", methods: TensorMethods.methods, metamethods: TensorMethods.metamethods,
                    index: TensorMethods.index, byteCount: { $0.byteCount }),
                LuaClass(
                    Indices.self, "tt.Indices", methods: indicesMethods,
                    metamethods: [
                        "__len": { call in call.push(try call[1].object(Indices.self).count) },
                        "__tostring": { call in
                            call.push("Indices\(TensorError.describe(try call[1].object(Indices.self).shape))")
                        },
                    ],
                    index: { call in
                        let indices = try call[1].object(Indices.self)
                        guard call[2].kind == .int else { return call.push(nil) }
                        let place = try call[2].int()
                        return place >= 1 && place <= indices.count ? call.push(indices[place - 1] + 1) : call.push(nil)
                    },
                    byteCount: { $0.byteCount }),
                LuaClass(
                    FeatureMatrix.self, "tt.FeatureMatrix", methods: matrixMethods,
                    metamethods: [
                        "__len": { call in call.push(try call[1].object(FeatureMatrix.self).count) },
                        "__tostring": { call in
                            let matrix = try call[1].object(FeatureMatrix.self)
                            return call.push("FeatureMatrix\(TensorError.describe([matrix.count, matrix.width]))")
                        },
                    ],
                    byteCount: { $0.byteCount }),
                LuaClass(
                    Rows.self, "tt.Rows", methods: rowsMethods,
                    metamethods: [
                        "__len": { call in call.push(try call[1].object(Rows.self).count) },
                        "__tostring": { call in
                            let rows = try call[1].object(Rows.self)
                            return call.push("Rows\(TensorError.describe([rows.count, rows.width]))")
                        },
                    ],
                    byteCount: { $0.indices.byteCount }),
            ])
    }

    private static var functions: [String: LuaBody] {
        [
            // tensor.zeros(shape) -> Tensor
            "zeros": { call in call.push(object: Tensor(zeros: try call[1].shape("zeros"))) },
            // tensor.ones(shape) -> Tensor
            "ones": { call in call.push(object: Tensor(shape: try call[1].shape("ones"), repeating: 1)) },
            // tensor.full(shape, value) -> Tensor
            "full": { call in
                call.push(object: Tensor(shape: try call[1].shape("full"), repeating: Float(try call[2].double())))
            },
            // tensor.from_table(values) -> Tensor
            "from_table": { call in call.push(object: try NestedTable.read(call[1])) },
            // tensor.uniform(shape, {seed, low, high}) -> Tensor
            "uniform": { call in
                let options = try call[2].options(["seed", "low", "high"])
                return call.push(
                    object: Tensor.uniform(
                        try call[1].shape("uniform"), low: try options.field("low").optional?.double() ?? 0,
                        high: try options.field("high").optional?.double() ?? 1, seed: try options.seed()))
            },
            // tensor.randn(shape, {seed}) -> Tensor
            "randn": { call in
                let options = try call[2].options(["seed"])
                return call.push(object: Tensor.normal(try call[1].shape("randn"), seed: try options.seed()))
            },
            // tensor.concat(tensors, dimension) -> Tensor
            "concat": { call in
                let tensors = try call[1].elements().map { try $0.object(Tensor.self) }
                return call.push(object: try Tensor.concatenating(tensors, try call[2].optional?.dimension() ?? 0))
            },
            // tensor.indices(list) -> Indices
            "indices": { call in call.push(object: try call[1].indices()) },
            // tensor.range(first, last) -> Indices
            "range": { call in
                let first = try call[1].int(in: 1...Argument.countLimit)
                let last = try call[2].int(in: 0...Argument.countLimit)
                guard last >= first - 1 else {
                    throw call.argumentError(2, "positions \(first) to \(last) are not a range from 1 up")
                }
                return call.push(object: try Indices(range: (first - 1)..<last))
            },
            // tensor.feature_matrix({dense, sparse = {{width, offsets, codes, values}}}) -> FeatureMatrix
            "feature_matrix": { call in
                let options = try call[1].options(["dense", "sparse"])
                let parts = try options.field("sparse").optional?.elements().map { part in
                    let part = try part.options(["width", "offsets", "codes", "values"])
                    return FeatureMatrix.Part(
                        offsets: Buffer(try part.field("offsets").ints().map { Int64($0) }),
                        codes: Buffer(try part.field("codes").positions().map { Int32($0) }),
                        values: Buffer(try part.field("values").doubles().map { Float($0) }),
                        width: try part.field("width").count())
                }
                return call.push(
                    object: try FeatureMatrix(dense: try options.field("dense").object(Tensor.self), parts: parts ?? [])
                )
            },
            // tensor.no_grad(fn, ...) -> results of fn
            "no_grad": { call in
                let function = try call[1].function()
                let arguments = call.count < 2 ? [] : (2...call.count).map { call[$0] }
                let results = try Gradients.off { try call.invoke(function, arguments: arguments) }
                return call.giveBack(results)
            },
            // tensor.empty_cache()
            "empty_cache": { _ in
                StoragePool.drain()
                LargePages.drain()
                return 0
            },
            // tensor.kernels() -> string
            "kernels": { $0.push(Threads.kernels) },
            // tensor.threads(n) -> integer
            "threads": { call in
                if let wanted = try call[1].optional?.int(in: 1...256) { Threads.count = wanted }
                return call.push(Threads.count)
            },
        ]
    }

    private static var indicesMethods: [String: LuaBody] {
        [
            // indices:to_table() -> integers, nested as the shape
            "to_table": { call in
                let indices = try call[1].object(Indices.self)
                return call.push(try NestedTable(shape: indices.shape) { Double(indices[$0] + 1) }.integers)
            },
            // indices:rows(places) -> Indices
            "rows": { call in
                call.push(object: try call[1].object(Indices.self).rows(try call[2].indices()))
            },
            // indices:slice(first, last) -> Indices
            "slice": { call in
                let indices = try call[1].object(Indices.self)
                let (start, length) = try call.range(2, 3, count: indices.count)
                return call.push(object: try indices.slice(start: start, length: length))
            },
            // indices:shift(by) -> Indices
            "shift": { call in
                let distance = try call[2].int(in: -Argument.countLimit...Argument.countLimit)
                return call.push(object: try call[1].object(Indices.self).shifted(by: distance))
            },
        ]
    }

    private static var matrixMethods: [String: LuaBody] {
        [
            // matrix:rows(places) -> Rows
            "rows": { call in
                call.push(object: try call[1].object(FeatureMatrix.self).rows(try call[2].indices()))
            },
            // matrix:width() -> integer
            "width": { call in call.push(try call[1].object(FeatureMatrix.self).width) },
            // matrix:dense() -> Tensor (n, d0)
            "dense": { call in call.push(object: try call[1].object(FeatureMatrix.self).dense) },
            // matrix:to_dense() -> Tensor (n, d)
            "to_dense": { call in call.push(object: try call[1].object(FeatureMatrix.self).toDense()) },
        ]
    }

    private static var rowsMethods: [String: LuaBody] {
        [
            // rows:to_dense() -> Tensor (b, d)
            "to_dense": { call in call.push(object: try call[1].object(Rows.self).toDense()) },
            // rows:width() -> integer
            "width": { call in call.push(try call[1].object(Rows.self).width) },
            // rows:indices() -> Indices
            "indices": { call in call.push(object: try call[1].object(Rows.self).indices) },
        ]
    }
}

/// Elements of a shape as nested tables, and back.
struct NestedTable: LuaPushable {
    let shape: [Int]
    var dimension = 0
    var offset = 0
    var isInteger = false
    let element: (Int) -> Double

    /// - Throws: `memory` when Lua has no room for the tables, of which a tensor without elements may have many too.
    init(shape: [Int], element: @escaping (Int) -> Double) throws {
        var tables = [1]
        for size in shape {
            let (product, overflow) = tables.last!.multipliedReportingOverflow(by: size)
            tables.append(overflow ? .max : product)
        }
        try LuaTables.check(tables.dropLast(), values: tables.last!, for: "to_table: \(TensorError.describe(shape))")
        self.shape = shape
        self.element = element
    }

    /// The same, as Lua integers.
    var integers: NestedTable {
        var copy = self
        copy.isInteger = true
        return copy
    }

    func push(to call: Call) {
        guard dimension < shape.count else {
            if isInteger { call.push(Int64(element(offset))) } else { call.push(element(offset)) }
            return
        }
        let step = shape[(dimension + 1)...].reduce(1, *)
        call.push(
            list: (0..<shape[dimension]).lazy.map { place in
                var inner = self
                inner.dimension += 1
                inner.offset += place * step
                return inner
            })
    }

    /// A tensor of numbers nested to any depth, all tables of one depth equally long; of a number a scalar.
    static func read(_ argument: Argument) throws -> Tensor {
        if argument.kind != .table { return Tensor(scalar: Float(try argument.double())) }
        var shape: [Int] = []
        var values: [Float] = []
        try append(argument, depth: 0, &shape, &values)
        return try Tensor(shape: shape, values: values)
    }

    private static func append(_ argument: Argument, depth: Int, _ shape: inout [Int], _ values: inout [Float]) throws {
        guard depth < Tensor.maximumRank else {
            throw argument.error("tables nest \(Tensor.maximumRank) deep at most")
        }
        let count = try argument.length()
        if depth == shape.count {
            guard values.isEmpty else { throw argument.error("a table where others have a number") }
            shape.append(count)
        }
        guard shape[depth] == count else { throw argument.error("\(count) elements, others have \(shape[depth])") }
        let isInnermost = try count == 0 || argument.element(1).kind != .table
        if isInnermost {
            guard depth == shape.count - 1 else { throw argument.error("a number where others have a table") }
            // Tables that occur again and again hold more numbers than there is memory for.
            if values.isEmpty { _ = try Tensor.checkedElements(shape, "from_table") }
            values += try argument.doubles().map { Float($0) }
        } else {
            try argument.forEach { _, element in try append(element, depth: depth + 1, &shape, &values) }
        }
    }
}

extension Argument {
    /// A size or a list of sizes.
    func shape(_ operation: String) throws -> [Int] {
        let shape = kind == .table ? try ints() : [try int()]
        _ = try Tensor.checkedElements(shape, operation)
        return shape
    }

    /// A dimension counted from 1, or from the end with -1; 0-based.
    func dimension() throws -> Int {
        let dimension = try int()
        guard dimension != 0 else { throw error("dimensions are counted from 1, or from the end with -1") }
        return dimension > 0 ? dimension - 1 : dimension
    }

    /// A seed field of options; 0 when absent.
    func seed() throws -> UInt64 { UInt64(bitPattern: try field("seed").optional?.int64() ?? 0) }

    /// Indices, or a list of positions counted from 1.
    func indices() throws -> Indices {
        if let indices = tryObject(Indices.self) { return indices }
        guard kind == .table else { return try object(Indices.self) }
        return try Indices(try positions())
    }

    /// A tensor, or a number as a scalar tensor.
    func tensor() throws -> Tensor {
        if let tensor = tryObject(Tensor.self) { return tensor }
        return kind == .int || kind == .float ? Tensor(scalar: Float(try double())) : try object(Tensor.self)
    }
}

extension Call {
    /// Places `first` to `last`, both counted from 1 and included, negative ones from the end; as start and length.
    func range(_ first: Int, _ last: Int, count: Int) throws -> (start: Int, length: Int) {
        func place(_ argument: Argument, _ fallback: Int) throws -> Int {
            let place = try argument.optional?.int() ?? fallback
            return place < 0 ? count + place + 1 : place
        }
        let start = try place(self[first], 1)
        let end = try place(self[last], count)
        guard start >= 1, end <= count, end >= start - 1 else {
            throw argumentError(first, "places \(start) to \(end) are outside 1 to \(count)")
        }
        return (start - 1, end - start + 1)
    }
}

/// The memory of tables that are made for Lua. Lua itself cannot refuse while Swift is on the stack.
enum LuaTables {
    /// - Parameters:
    ///   - tables: how many tables, in parts that are added up.
    ///   - values: elements and fields in all of them.
    /// - Throws: `memory`.
    static func check(_ tables: some Sequence<Int>, values: Int, for what: @autoclosure () -> String) throws {
        let bytes = tables.reduce(Double(values) * 40) { $0 + Double($1) * 64 }
        try Memory.check(bytes < 0x1p62 ? Int(bytes) : .max, of: 1, for: what())
    }
}
