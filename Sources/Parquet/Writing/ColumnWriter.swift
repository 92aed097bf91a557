import Base
import Frames

/// Writes one column chunk: the rows of one column in one row group.
struct ColumnWriter {
    private let plan: ColumnPlan
    private let slices: [ColumnSlice]
    private let firstRow: Int
    private let options: WriteOptions
    private var chunk = ColumnChunkMetadata()
    // Reused by all pages.
    private var page: [UInt8] = []
    private var compressed: [UInt8] = []

    /// - Parameter firstRow: row of the file at which the chunk starts, for messages.
    init(plan: ColumnPlan, slices: [ColumnSlice], firstRow: Int, options: WriteOptions) {
        self.plan = plan
        self.slices = slices
        self.firstRow = firstRow
        self.options = options
    }

    /// Writes the pages at the end of the file.
    mutating func write(to file: AtomicFile) throws -> ColumnChunkMetadata {
        let leaves = slices.map(\.leaf)
        if plan.form == .string { try checkText(leaves) }
        chunk.type = plan.form.type
        chunk.path = plan.path
        chunk.codecNumber = options.codec.rawValue
        let dictionary =
            options.dictionary && plan.form.allowsDictionary ? try ChunkDictionary.build(leaves, plan.form) : nil
        if let dictionary {
            chunk.encodings = [.plain, .rle, .rleDictionary]
            chunk.dictionaryPageOffset = Int64(file.byteCount)
            let header = PageHeader(type: .dictionary, encoding: .plain, valueCount: dictionary.entryCount)
            try dictionary.page.withUnsafeBytes { try writePage(header, levels: [], values: $0, to: file) }
        } else {
            chunk.encodings = [.rle, plan.splitsBytes ? .byteStreamSplit : .plain]
        }
        chunk.dataPageOffset = Int64(file.byteCount)
        let pages = PageSplitter.pages(
            slices, isList: plan.isList, bitsPerValue: dictionary.map(\.bitWidth) ?? plan.form.bits,
            pageBytes: options.pageBytes)
        var present = 0
        for range in pages {
            try Interrupt.check()
            present += try writeData(slices.part(range), dictionary, from: present, to: file)
        }
        var statistics = Statistics()
        statistics.setBounds(leaves, plan.form)
        statistics.nullCount = chunk.valueCount - present
        chunk.statistics = statistics
        return chunk
    }

    /// Writes one data page.
    /// - Parameter start: how many values of the dictionary's index list earlier pages have used.
    /// - Returns: how many values (not nulls) the page has.
    private mutating func writeData(
        _ rows: [ColumnSlice], _ dictionary: ChunkDictionary?, from start: Int, to file: AtomicFile
    ) throws -> Int {
        var levels = LevelEncoder(plan: plan)
        for slice in rows { try levels.add(slice) }
        let leaves = rows.map(\.leaf)
        let present = leaves.reduce(0) { $0 + $1.presentCount }
        chunk.valueCount += levels.count
        let encoding: Encoding = dictionary != nil ? .rleDictionary : plan.splitsBytes ? .byteStreamSplit : .plain
        let header = PageHeader(type: .data, encoding: encoding, valueCount: levels.count)
        let levelBytes = levels.finish()
        page.removeAll(keepingCapacity: true)
        if let dictionary {
            page.append(UInt8(dictionary.bitWidth))
            var encoder = HybridRLEEncoder(bitWidth: dictionary.bitWidth)
            for index in start..<start + present { encoder.append(dictionary.indices[index]) }
            encoder.finish()
            page.append(contentsOf: encoder.bytes)
        } else if leaves.count == 1, let values = PlainWriter.memory(leaves[0]) {
            // The column's own memory is the plain encoding already.
            if !plan.splitsBytes {
                try writePage(header, levels: levelBytes, values: values, to: file)
                withExtendedLifetime(leaves) {}
                return present
            }
            ByteStreamSplit.encode(values, width: (plan.form.bits ?? 8) / 8, into: &page)
            withExtendedLifetime(leaves) {}
        } else if plan.splitsBytes {
            var plain: [UInt8] = []
            for leaf in leaves { PlainWriter.append(leaf, plan.form, to: &plain) }
            plain.withUnsafeBytes { ByteStreamSplit.encode($0, width: (plan.form.bits ?? 8) / 8, into: &page) }
        } else if plan.form == .bool {
            Plain.packBooleans(PlainWriter.booleans(leaves), into: &page)
        } else {
            for leaf in leaves { PlainWriter.append(leaf, plan.form, to: &page) }
        }
        let values = page
        page = []
        try values.withUnsafeBytes { try writePage(header, levels: levelBytes, values: $0, to: file) }
        page = values
        return present
    }

    /// Writes header and body, compressed if so configured, and adds them to the chunk's sizes.
    private mutating func writePage(
        _ header: PageHeader, levels: [UInt8], values: UnsafeRawBufferPointer, to file: AtomicFile
    ) throws {
        let size = levels.count + values.count
        guard size < Int(Int32.max) / 2 else {
            throw ParquetError.badParameter(
                "a single row takes about \(size) bytes; a page cannot be larger than 1 GiB")
        }
        var header = header
        header.uncompressedSize = size
        header.compressedSize = size
        if options.codec == .none {
            let head = header.encoded()
            try file.write(head)
            try file.write(levels)
            try file.write(values)
            count(head: head.count, size: size, stored: size)
            return
        }
        var joined: [UInt8] = []
        if !levels.isEmpty {
            joined.reserveCapacity(size)
            joined.append(contentsOf: levels)
            joined.append(contentsOf: values)
        }
        let level = Int32(options.compressionLevel)
        header.compressedSize =
            levels.isEmpty
            ? try options.codec.compress(values, into: &compressed, level: level)
            : try joined.withUnsafeBytes { try options.codec.compress($0, into: &compressed, level: level) }
        let head = header.encoded()
        try file.write(head)
        try compressed.withUnsafeBytes {
            try file.write(UnsafeRawBufferPointer(rebasing: $0[..<header.compressedSize]))
        }
        count(head: head.count, size: size, stored: header.compressedSize)
    }

    private mutating func count(head: Int, size: Int, stored: Int) {
        chunk.uncompressedByteCount += Int64(head + size)
        chunk.compressedByteCount += Int64(head + stored)
    }

    /// Other readers refuse a whole file for one String value that is not UTF-8.
    private func checkText(_ leaves: [ColumnSlice]) throws {
        for (leaf, slice) in zip(leaves, slices) {
            guard case .string(let codes, let pool) = leaf.column.storage else { continue }
            if let distinct = leaf.distinctCodes(),
                distinct.allSatisfy({ UTF8Check.isValid(pool[bytesAt: $0]) })
            {
                continue
            }
            for row in leaf.rows where !leaf.column.isNull(row) {
                guard UTF8Check.isValid(pool[bytesAt: Int(codes[row])]) else {
                    let place = slices.prefix { $0.column !== slice.column || $0.rows != slice.rows }
                        .reduce(firstRow) { $0 + $1.rows.count }
                    throw ParquetError.badParameter(
                        "the string in row \(place + slice.row(ofLeaf: row) + 1) is not valid UTF-8; repair it, or list the "
                            + "column in binary to store plain bytes")
                }
            }
        }
    }
}

extension ColumnSlice {
    /// The row, counted from the slice's start, that the leaf value `index` belongs to.
    fileprivate func row(ofLeaf index: Int) -> Int {
        guard case .list(let offsets, _) = column.storage else { return index - rows.lowerBound }
        var row = rows.lowerBound
        while row + 1 < rows.upperBound, offsets[row + 1] <= Int64(index) { row += 1 }
        return row - rows.lowerBound
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
