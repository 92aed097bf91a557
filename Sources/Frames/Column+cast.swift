import Base
import JSON

extension Column {
    /// The same values as another type.
    ///
    /// Numbers convert when they fit exactly (a fraction or NaN is no int64; float64 to float32 rounds); bool is 0
    /// and 1; int64 and timestamp are microseconds; text is read as the target type (lists as JSON), and every type
    /// has a text.
    /// - Parameter strict: a value that does not convert is an error when true, null when false.
    /// - Throws: `frame.cast` with the row, `frame.type` when the types never convert.
    public func cast(to target: DType, strict: Bool = true) throws -> Column {
        if target == dtype { return self }
        let caster = Caster(source: self, target: target, strict: strict)
        switch (storage, target) {
        case (.int64(let values), .float64):
            return Column(.float64(caster.plain(values) { Double($0) }), validity: validity)
        case (.int64(let values), .float32):
            return Column(.float32(caster.plain(values) { Float($0) }), validity: validity)
        case (.int64(let values), .timestamp): return Column(.timestamp(values), validity: validity)
        case (.int64(let values), .bool):
            return try caster.checked(values, 0, Storage.bool) { $0 == 0 ? 0 : $0 == 1 ? 1 : nil }
        case (.timestamp(let values), .int64): return Column(.int64(values), validity: validity)
        case (.float32(let values), .float64):
            return Column(.float64(caster.plain(values) { Double($0) }), validity: validity)
        case (.float64(let values), .float32):
            return Column(.float32(caster.plain(values) { Float($0) }), validity: validity)
        case (.float32(let values), .int64): return try caster.checked(values, 0, Storage.int64) { Int64(exactly: $0) }
        case (.float64(let values), .int64): return try caster.checked(values, 0, Storage.int64) { Int64(exactly: $0) }
        case (.float32(let values), .bool):
            return try caster.checked(values, 0, Storage.bool) { $0 == 0 ? 0 : $0 == 1 ? 1 : nil }
        case (.float64(let values), .bool):
            return try caster.checked(values, 0, Storage.bool) { $0 == 0 ? 0 : $0 == 1 ? 1 : nil }
        case (.bool(let values), .int64): return Column(.int64(caster.plain(values) { Int64($0) }), validity: validity)
        case (.bool(let values), .float64):
            return Column(.float64(caster.plain(values) { Double($0) }), validity: validity)
        case (.bool(let values), .float32):
            return Column(.float32(caster.plain(values) { Float($0) }), validity: validity)
        case (.string, .int64): return try caster.text(0, Storage.int64) { NumberText.int64($0) }
        case (.string, .float64): return try caster.text(0, Storage.float64) { NumberText.double($0) }
        case (.string, .float32): return try caster.text(0, Storage.float32) { NumberText.double($0).map { Float($0) } }
        case (.string, .bool): return try caster.text(0, Storage.bool) { NumberText.bool($0).map { $0 ? 1 : 0 } }
        case (.string, .timestamp): return try caster.text(0, Storage.timestamp) { Timestamp.parse($0) }
        case (.string, .uuid):
            return try caster.text(UUID(high: 0, low: 0), { .uuid(UUIDs($0)) }) { UUID($0) }
        case (.list(let offsets, let child), .list(let element)):
            return Column(
                .list(offsets: offsets, child: try child.cast(to: element, strict: strict)), validity: validity)
        case (.string, .list(let element)): return try caster.lists(of: element)
        case (_, .string): return textColumn()
        default:
            throw FrameError("frame.type", "a \(dtype.name) column cannot be cast to \(target.name)")
        }
    }

    /// Every value's text: numbers in shortest round-trip form, timestamps in RFC 3339, lists as JSON.
    private func textColumn() -> Column {
        let builder = StringBuilder(capacity: count)
        var text: [UInt8] = []
        for row in 0..<count {
            if isNull(row) {
                builder.appendNull()
                continue
            }
            text.removeAll(keepingCapacity: true)
            appendText(row, to: &text)
            text.withUnsafeBufferPointer { builder.append($0) }
        }
        return builder.finish()
    }
}

private struct Caster {
    let source: Column
    let target: DType
    let strict: Bool

    func plain<A, B>(_ values: Buffer<A>, _ convert: (A) -> B) -> Buffer<B> {
        let result = Buffer<B>(uninitialized: values.count)
        for row in 0..<values.count { result.pointer[row] = convert(values.pointer[row]) }
        return result
    }

    func checked<A, B>(
        _ values: Buffer<A>, _ zero: B, _ storage: (Buffer<B>) -> Column.Storage, _ convert: (A) -> B?
    ) throws -> Column {
        let result = Buffer<B>(uninitialized: values.count)
        var lost = source.validity.map { $0.slice(0, $0.count) }
        for row in 0..<values.count {
            if let value = convert(values.pointer[row]) {
                result.pointer[row] = value
            } else {
                result.pointer[row] = zero
                try lose(row, &lost)
            }
        }
        return Column(storage(result), validity: lost)
    }

    func text<B>(
        _ zero: B, _ storage: (Buffer<B>) -> Column.Storage, _ convert: (UnsafeBufferPointer<UInt8>) -> B?
    ) throws -> Column {
        try checked(source.mapStrings(convert), zero, storage) { $0 }
    }

    /// JSON arrays.
    func lists(of element: DType) throws -> Column {
        let lists = JSONLists(of: element, capacity: source.count)
        var lost: Buffer<UInt8>?
        for row in 0..<source.count {
            if row % 4096 == 0 { try Interrupt.check() }
            if source.isNull(row) {
                lists.appendNull()
                continue
            }
            var problem: JSONError?
            do {
                if try lists.append(source.stringBytes(row)) { continue }
            } catch let error as JSONError {
                problem = error
            }
            try lose(row, &lost, problem)
            lists.appendNull()
        }
        return lists.finish()
    }

    private func lose(_ row: Int, _ lost: inout Buffer<UInt8>?, _ cause: JSONError? = nil) throws {
        if source.isNull(row) { return }
        if strict {
            var text: [UInt8] = []
            source.appendText(row, to: &text)
            if text.count > 60 { text = text.prefix(57) + Array("...".utf8) }
            throw FrameError(
                "frame.cast",
                "row \(row + 1): '\(String(decoding: text, as: UTF8.self))' is not \(target.article) \(target.name); "
                    + "cast with strict=false to get null instead",
                details: [("row", .int(Int64(row + 1)))], cause: cause)
        }
        if lost == nil { lost = Buffer(repeating: 1, count: source.count) }
        lost!.pointer[row] = 0
    }
}

extension DType {
    var article: String { self == .int64 ? "an" : "a" }
}
