import Base
import Features
import Frames
import LuaHost
import Tensors

/// `tt.features`: vocabularies, scalers, feature stores, and the road between columns and tensors.
enum FeaturesModule {
    static var module: LuaModule {
        LuaModule(
            "tt.features",
            functions: [
                // features.fit_vocabulary(owners, tokens, {min_count=, max_size=}) | (lists, {…}) -> Vocabulary
                "fit_vocabulary": fitVocabulary,
                // features.vocabulary(tokens) -> Vocabulary
                "vocabulary": { call in call.push(object: try Vocabulary(tokens: try call[1].strings())) },
                // features.fit_scaler(frame) -> Scaler
                "fit_scaler": { call in call.push(object: try Scaler.fit(try call[1].object(Frame.self))) },
                // features.scaler(names, mean, scale) -> Scaler
                "scaler": { call in
                    call.push(
                        object: try Scaler(
                            names: try call[1].strings(), means: try call[2].doubles(), scales: try call[3].doubles()))
                },
                // features.store{ids=, numbers=, scaler=, bags=} -> FeatureStore
                "store": store,
                // features.row_index(ids) -> RowIndex
                "row_index": { call in call.push(object: try RowIndex(try call[1].object(Column.self))) },
                // features.indices(column) | ({indices, …}) -> Indices
                "indices": { call in
                    if call[1].kind == .table {
                        let parts = try call[1].elements().map { try $0.object(Indices.self).storage }
                        let total = parts.reduce(0) { $0 + $1.count }
                        try Memory.check(total, of: 4, for: "indices: \(total) positions")
                        return call.push(object: Indices(Buffer.concat(parts)))
                    }
                    return call.push(
                        object: Indices(try positions(try call[1].object(Column.self), "rows", nulls: false)))
                },
                // features.to_tensor(column | frame, {rows=}) -> Tensor
                "to_tensor": { call in
                    if let frame = call[1].tryObject(Frame.self) {
                        return call.push(object: try ColumnTensor.tensor(frame))
                    }
                    let rows = try call[2].options(["rows"]).field("rows").optional?.count()
                    return call.push(object: try ColumnTensor.tensor(try call[1].object(Column.self), rows: rows))
                },
                // features.to_column(tensor | indices) -> Column
                "to_column": { call in
                    if let indices = call[1].tryObject(Indices.self) {
                        return call.push(object: column(indices.storage))
                    }
                    return call.push(object: try ColumnTensor.column(try call[1].object(Tensor.self)))
                },
                // features.taken(groups, items, {groups=, population=}) -> Taken
                "taken": { call in
                    let options = try call[3].options(["groups", "population"])
                    return call.push(
                        object: try TakenItems(
                            groups: try rows(call[1], "groups"), items: try rows(call[2], "items"),
                            groupCount: try options.field("groups").count(),
                            population: try options.field("population").count()))
                },
                // features.sample_without{wanted=, taken=, before_groups=, before_items=, seed=, stream=}
                //     -> Indices, Indices
                "sample_without": sampleWithout,
                // features.digest_split(prefix, keys, fraction, {among=}) -> Column
                "digest_split": { call in
                    var keys: [Column] = []
                    try call[2].forEach { _, key in keys.append(try key.object(Column.self)) }
                    return call.push(
                        object: try DigestSplit.mark(
                            prefix: try call[1].string(), keys: keys, fraction: try call[3].double(),
                            among: try call[4].options(["among"]).field("among").optional?.object(Column.self)))
                },
                // features.auc(scores, labels) -> number | nil
                "auc": { call in
                    let auc = try Ranking.auc(scores: try numbers(call[1]), labels: try numbers(call[2]))
                    return call.push(auc)
                },
            ],
            classes: [vocabularyClass, scalerClass, storeClass, indexClass, takenClass])
    }

    private static var vocabularyClass: LuaClass {
        LuaClass(
            Vocabulary.self, "tt.Vocabulary",
            methods: [
                // vocabulary:tokens() -> string[]
                "tokens": { call in call.push(list: try call[1].object(Vocabulary.self).tokens) },
                // vocabulary:index(token) -> integer | nil
                "index": { call in
                    call.push(try call[1].object(Vocabulary.self).slot(of: try call[2].string()).map { $0 + 1 })
                },
            ],
            metamethods: [
                "__len": { call in call.push(try call[1].object(Vocabulary.self).count) },
                "__tostring": { call in
                    let count = try call[1].object(Vocabulary.self).count
                    return call.push("vocabulary of \(count) token\(count == 1 ? "" : "s")")
                },
            ])
    }

    private static var scalerClass: LuaClass {
        LuaClass(
            Scaler.self, "tt.Scaler",
            methods: [
                // scaler:names() -> string[]
                "names": { call in call.push(list: try call[1].object(Scaler.self).names) },
                // scaler:mean() -> number[]
                "mean": { call in call.push(list: try call[1].object(Scaler.self).means) },
                // scaler:scale() -> number[]
                "scale": { call in call.push(list: try call[1].object(Scaler.self).scales) },
                // scaler:transform(frame) -> Frame
                "transform": { call in
                    call.push(
                        object: try call[1].object(Scaler.self).transform(try call[2].object(Frame.self)))
                },
            ],
            metamethods: [
                "__tostring": { call in
                    call.push("scaler of \(try call[1].object(Scaler.self).names.joined(separator: ", "))")
                }
            ])
    }

    private static var storeClass: LuaClass {
        LuaClass(
            FeatureStore.self, "tt.FeatureStore",
            methods: [
                // store:names() -> string[]
                "names": { call in call.push(list: try call[1].object(FeatureStore.self).names) },
                // store:matrix() -> FeatureMatrix
                "matrix": { call in call.push(object: try call[1].object(FeatureStore.self).matrix) },
                // store:width() -> integer
                "width": { call in call.push(try call[1].object(FeatureStore.self).matrix.width) },
                // store:indices(ids) -> Indices
                "indices": { call in
                    let store = try call[1].object(FeatureStore.self)
                    return call.push(object: Indices(try store.index.knownRows(of: try call[2].object(Column.self))))
                },
            ],
            metamethods: [
                "__len": { call in call.push(try call[1].object(FeatureStore.self).count) },
                "__tostring": { call in
                    let store = try call[1].object(FeatureStore.self)
                    return call.push("feature store of \(store.count) rows, \(store.matrix.width) columns")
                },
            ],
            byteCount: { $0.byteCount })
    }

    private static var indexClass: LuaClass {
        LuaClass(
            RowIndex.self, "tt.RowIndex",
            methods: [
                // index:rows(ids) -> Column
                "rows": { call in
                    let rows = try call[1].object(RowIndex.self).rows(of: try call[2].object(Column.self))
                    return call.push(object: column(rows))
                },
                // index:indices(ids) -> Indices
                "indices": { call in
                    let rows = try call[1].object(RowIndex.self).rows(of: try call[2].object(Column.self))
                    return call.push(object: Indices(rows))
                },
            ],
            metamethods: [
                "__len": { call in call.push(try call[1].object(RowIndex.self).count) },
                "__tostring": { call in call.push("index of \(try call[1].object(RowIndex.self).count) ids") },
            ],
            byteCount: { $0.byteCount })
    }

    private static var takenClass: LuaClass {
        LuaClass(
            TakenItems.self, "tt.Taken", methods: [:],
            metamethods: ["__len": { call in call.push(try call[1].object(TakenItems.self).groupCount) }],
            byteCount: { $0.byteCount })
    }

    // MARK: Functions with many arguments

    private static func fitVocabulary(_ call: Call) throws -> Int32 {
        let first = try call[1].object(Column.self)
        let tokens = call[2].tryObject(Column.self)
        let options = try call[tokens == nil ? 2 : 3].options(["min_count", "max_size"])
        let least = try options.field("min_count").optional?.count() ?? 1
        let size = try options.field("max_size").optional?.count() ?? 0
        let fitted =
            if let tokens {
                try Vocabulary.fit(entities: first, tokens: tokens, minCount: least, maxCount: size)
            } else {
                try Vocabulary.fit(lists: first, minCount: least, maxCount: size)
            }
        return call.push(object: fitted)
    }

    private static func store(_ call: Call) throws -> Int32 {
        let options = try call[1].options(["ids", "numbers", "scaler", "bags"])
        let ids = try options.field("ids").object(Column.self)
        let index = try RowIndex(ids)
        let numbers = try options.field("numbers").object(Frame.self)
        let scaler =
            try options.field("scaler").optional?.object(Scaler.self) ?? Scaler(names: [], means: [], scales: [])
        var bags: [TokenBag] = []
        try options.field("bags").optional?.forEach { _, bag in
            let bag = try bag.options(["owners", "tokens", "held", "token_owners", "vocabulary"])
            let owners = try bag.field("owners").object(Column.self)
            let tokens = try bag.field("tokens").object(Column.self)
            let vocabulary = try bag.field("vocabulary").object(Vocabulary.self)
            if let held = try bag.field("held").optional?.object(Column.self) {
                let tokens = (owners: try bag.field("token_owners").object(Column.self), tokens: tokens)
                bags.append(
                    try TokenBag(index: index, owners: owners, held: held, tokens: tokens, vocabulary: vocabulary))
            } else {
                bags.append(try TokenBag(index: index, owners: owners, tokens: tokens, vocabulary: vocabulary))
            }
        }
        return call.push(object: try FeatureStore(ids: ids, numbers: numbers, scaler: scaler, bags: bags, index: index))
    }

    private static func sampleWithout(_ call: Call) throws -> Int32 {
        let options = try call[1].options(["wanted", "taken", "before_groups", "before_items", "seed", "stream"])
        let wanted = try options.field("wanted").object(Column.self)
        guard case .int64(let counts) = wanted.storage, wanted.nullCount == 0 else {
            throw options.error("'wanted' must be an int64 column without nulls")
        }
        let before = try options.field("before_groups").optional.map {
            (groups: try rows($0, "before_groups"), items: try rows(options.field("before_items"), "before_items"))
        }
        let drawn = try ComplementSampler.sample(
            wanted: counts, taken: try options.field("taken").object(TakenItems.self), before: before,
            seed: UInt64(bitPattern: try options.field("seed").optional?.int64() ?? 0),
            stream: UInt64(bitPattern: try options.field("stream").optional?.int64() ?? 0))
        return call.push(object: Indices(drawn.groups)) + call.push(object: Indices(drawn.items))
    }

    // MARK: Rows, counted from 1 in Lua

    /// Row numbers from indices or an int64 column.
    private static func rows(_ argument: Argument, _ name: String) throws -> Buffer<Int32> {
        if let indices = argument.tryObject(Indices.self) { return indices.storage }
        return try positions(try argument.object(Column.self), name)
    }

    /// Row numbers from an int64 column; null becomes -1 unless nulls are refused.
    private static func positions(_ column: Column, _ name: String, nulls: Bool = true) throws -> Buffer<Int32> {
        guard case .int64(let rows) = column.storage else {
            throw FeatureError("features.type", "'\(name)' must be an int64 column of rows, it is \(column.dtype.name)")
        }
        let result = Buffer<Int32>(uninitialized: rows.count)
        for row in 0..<rows.count {
            if column.isNull(row), nulls {
                result[row] = -1
            } else if !column.isNull(row), rows[row] >= 1, rows[row] < Int64(Int32.max) {
                result[row] = Int32(rows[row] - 1)
            } else {
                throw FeatureError(
                    "features.range",
                    "'\(name)' holds \(column.isNull(row) ? "null" : "\(rows[row])") in row \(row + 1); rows count from 1",
                    details: [("row", .int(Int64(row) + 1))])
            }
        }
        return result
    }

    /// Row numbers as an int64 column; -1 becomes null.
    private static func column(_ rows: Buffer<Int32>) -> Column {
        let numbers = Buffer<Int64>(uninitialized: rows.count)
        var validity: Buffer<UInt8>?
        for row in 0..<rows.count {
            numbers[row] = Int64(rows[row]) + 1
            if rows[row] < 0 {
                validity = validity ?? Buffer(repeating: 1, count: rows.count)
                validity![row] = 0
            }
        }
        return Column(.int64(numbers), validity: validity)
    }

    private static func numbers(_ argument: Argument) throws -> Buffer<Double> {
        if let tensor = argument.tryObject(Tensor.self) {
            let result = Buffer<Double>(uninitialized: tensor.count)
            for index in 0..<tensor.count { result[index] = Double(tensor.pointer[index]) }
            return result
        }
        return try argument.object(Column.self).float64(name: "column")
    }
}
