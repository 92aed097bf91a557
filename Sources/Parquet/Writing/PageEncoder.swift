import Base
import Files
import Frames

/// Makes one page at a time: header and body, compressed if so configured. Its buffers serve the next page again.
final class PageEncoder {
    private let codec: Codec
    private let level: Int32
    private var rows: [ColumnSlice] = []
    private var start = 0
    private var values: [UInt8] = []
    private var body: [UInt8] = []
    private var failure: (any Error)?
    /// How many values (not nulls) the rows have.
    private(set) var presentCount = 0
    private(set) var header = PageHeader(type: .data, encoding: .plain, valueCount: 0)
    /// The header's bytes.
    private(set) var head: [UInt8] = []

    init(codec: Codec, level: Int) {
        self.codec = codec
        self.level = Int32(level)
    }

    /// Takes the rows of the next data page.
    /// - Parameter start: how many values of the dictionary's index list earlier pages have used.
    func take(_ rows: [ColumnSlice], from start: Int) {
        self.rows = rows
        self.start = start
        presentCount = rows.reduce(0) { $0 + $1.leaf.presentCount }
    }

    /// Encodes the rows as a data page. What goes wrong is thrown when the page is written.
    func encode(_ plan: ColumnPlan, _ dictionary: ChunkDictionary?) {
        do { try encodeRows(plan, dictionary) } catch { failure = error }
        rows = []
    }

    private func encodeRows(_ plan: ColumnPlan, _ dictionary: ChunkDictionary?) throws {
        var levels = LevelEncoder(plan: plan)
        for slice in rows { try levels.add(slice) }
        let leaves = rows.map(\.leaf)
        let encoding: Encoding = dictionary != nil ? .rleDictionary : plan.splitsBytes ? .byteStreamSplit : .plain
        let header = PageHeader(type: .data, encoding: encoding, valueCount: levels.count)
        let levelBytes = levels.finish()
        values.removeAll(keepingCapacity: true)
        if let dictionary {
            values.append(UInt8(dictionary.bitWidth))
            var encoder = HybridRLEEncoder(bitWidth: dictionary.bitWidth)
            for index in start..<start + presentCount { encoder.append(dictionary.indices[index]) }
            encoder.finish()
            values.append(contentsOf: encoder.bytes)
        } else if leaves.count == 1, let memory = PlainWriter.memory(leaves[0]) {
            // The column's own memory is the plain encoding already.
            defer { withExtendedLifetime(leaves) {} }
            guard plan.splitsBytes else { return try finish(header, levels: levelBytes, values: memory) }
            ByteStreamSplit.encode(memory, width: (plan.form.bits ?? 8) / 8, into: &values)
        } else if plan.splitsBytes {
            var plain: [UInt8] = []
            for leaf in leaves { PlainWriter.append(leaf, plan.form, to: &plain) }
            plain.withUnsafeBytes { ByteStreamSplit.encode($0, width: (plan.form.bits ?? 8) / 8, into: &values) }
        } else if plan.form == .bool {
            Plain.packBooleans(PlainWriter.booleans(leaves), into: &values)
        } else {
            for leaf in leaves { PlainWriter.append(leaf, plan.form, to: &values) }
        }
        let taken = values
        values = []
        defer { values = taken }
        try taken.withUnsafeBytes { try finish(header, levels: levelBytes, values: $0) }
    }

    /// Joins and compresses the parts of a page.
    func finish(_ header: PageHeader, levels: [UInt8], values: UnsafeRawBufferPointer) throws {
        let size = levels.count + values.count
        guard size < Int(Int32.max) / 2 else {
            throw ParquetError.badParameter(
                "a single row takes about \(size) bytes; a page cannot be larger than 1 GiB")
        }
        self.header = header
        self.header.uncompressedSize = size
        if codec != .none, levels.isEmpty {
            self.header.compressedSize = try codec.compress(values, into: &body, level: level)
        } else {
            var joined: [UInt8] = []
            joined.reserveCapacity(size)
            joined.append(contentsOf: levels)
            joined.append(contentsOf: values)
            if codec == .none {
                body = joined
                self.header.compressedSize = size
            } else {
                self.header.compressedSize = try joined.withUnsafeBytes {
                    try codec.compress($0, into: &body, level: level)
                }
            }
        }
        head = self.header.encoded()
    }

    /// Writes the page, or throws what went wrong when it was made.
    func write(to file: AtomicFile) throws {
        if let failure { throw failure }
        try file.write(head)
        try body.withUnsafeBytes { try file.write(UnsafeRawBufferPointer(rebasing: $0[..<header.compressedSize])) }
    }
}

/// Repetition and definition levels of one data page.
struct LevelEncoder {
    private let isList: Bool
    private var repetition = HybridRLEEncoder(bitWidth: 1)
    private var definition: HybridRLEEncoder
    /// Levels so far: values, nulls and empty lists.
    private(set) var count = 0

    init(plan: ColumnPlan) {
        isList = plan.isList
        definition = HybridRLEEncoder(bitWidth: HybridRLE.bitWidth(plan.maxDefinition))
    }

    mutating func add(_ slice: ColumnSlice) throws {
        if case .list(let offsets, let child) = slice.column.storage {
            try addLists(slice, offsets, child)
            return
        }
        count += slice.rows.count
        if let validity = slice.validity {
            for row in slice.rows { definition.append(UInt32(validity[row])) }
        } else {
            definition.append(1, times: slice.rows.count)
        }
    }

    /// Definition levels: 0 null, 1 empty, 2 null element, 3 element.
    private mutating func addLists(_ slice: ColumnSlice, _ offsets: Buffer<Int64>, _ child: Column) throws {
        let elements = child.validity.map { UnsafePointer($0.pointer) }
        for row in slice.rows {
            let (start, end) = (Int(offsets[row]), Int(offsets[row + 1]))
            repetition.append(0)
            if end <= start || slice.column.isNull(row) {
                guard end == start else { throw ParquetError.badParameter("a null row has list elements") }
                definition.append(slice.column.isNull(row) ? 0 : 1)
                count += 1
                continue
            }
            repetition.append(1, times: end - start - 1)
            count += end - start
            if let elements {
                for index in start..<end { definition.append(2 + UInt32(elements[index])) }
            } else {
                definition.append(3, times: end - start)
            }
        }
    }

    /// The levels as they stand at the start of a v1 page.
    mutating func finish() -> [UInt8] {
        var bytes: [UInt8] = []
        if isList {
            repetition.finish()
            bytes.append(byteArray: repetition.bytes)
        }
        definition.finish()
        bytes.append(byteArray: definition.bytes)
        return bytes
    }
}

/// Values that are not null, in the plain encoding.
enum PlainWriter {
    /// The values' own memory, where that is the plain encoding.
    static func memory(_ leaf: ColumnSlice) -> UnsafeRawBufferPointer? {
        guard leaf.validity == nil else { return nil }
        switch leaf.column.storage {
        case .int64(let buffer), .timestamp(let buffer):
            return UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: buffer.elements[leaf.rows]))
        case .float32(let buffer):
            return UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: buffer.elements[leaf.rows]))
        case .float64(let buffer):
            return UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: buffer.elements[leaf.rows]))
        default: return nil
        }
    }

    /// Appends everything but booleans, which need `booleans` and packing.
    static func append(_ leaf: ColumnSlice, _ form: ValueForm, to page: inout [UInt8]) {
        if let bytes = memory(leaf) {
            page.append(contentsOf: bytes)
            return
        }
        switch leaf.column.storage {
        case .int64(let buffer), .timestamp(let buffer): appendPresent(buffer, leaf, to: &page)
        case .float32(let buffer): appendPresent(buffer, leaf, to: &page)
        case .float64(let buffer): appendPresent(buffer, leaf, to: &page)
        case .uuid(let buffer):
            for row in leaf.rows where !leaf.column.isNull(row) { page.append(buffer[row], asText: form == .uuidText) }
        case .string(let codes, let pool):
            for row in leaf.rows where !leaf.column.isNull(row) {
                page.append(byteArray: pool[bytesAt: Int(codes[row])])
            }
        case .bool, .list: break
        }
    }

    static func booleans(_ leaves: [ColumnSlice]) -> [UInt8] {
        var values: [UInt8] = []
        for leaf in leaves {
            guard case .bool(let buffer) = leaf.column.storage else { continue }
            for row in leaf.rows where !leaf.column.isNull(row) { values.append(buffer[row]) }
        }
        return values
    }

    private static func appendPresent<T>(_ buffer: Buffer<T>, _ leaf: ColumnSlice, to page: inout [UInt8]) {
        guard let validity = leaf.validity else { return }
        // Copy stretches between nulls at once.
        var row = leaf.rows.lowerBound
        while row < leaf.rows.upperBound {
            guard validity[row] == 1 else {
                row += 1
                continue
            }
            var end = row + 1
            while end < leaf.rows.upperBound, validity[end] == 1 { end += 1 }
            page.append(contentsOf: UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: buffer.elements[row..<end])))
            row = end
        }
    }
}
