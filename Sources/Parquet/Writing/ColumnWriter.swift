import Base
import Files
import Frames

/// Writes one column chunk: the rows of one column in one row group.
struct ColumnWriter {
    private let plan: ColumnPlan
    private let slices: [ColumnSlice]
    private let firstRow: Int
    private let options: WriteOptions
    private var chunk = ColumnChunkMetadata()

    /// Pages encoded at a time, by the threads of the process; that many are in memory.
    private let batch: Int

    /// - Parameter firstRow: row of the file at which the chunk starts, for messages.
    init(plan: ColumnPlan, slices: [ColumnSlice], firstRow: Int, options: WriteOptions) {
        self.plan = plan
        self.slices = slices
        self.firstRow = firstRow
        self.options = options
        batch = max(1, min(8, (32 << 20) / options.pageBytes))
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
            let page = PageEncoder(codec: options.codec, level: options.compressionLevel)
            let header = PageHeader(type: .dictionary, encoding: .plain, valueCount: dictionary.entryCount)
            try dictionary.page.withUnsafeBytes { try page.finish(header, levels: [], values: $0) }
            try add(page, to: file)
        } else {
            chunk.encodings = [.rle, plan.splitsBytes ? .byteStreamSplit : .plain]
        }
        chunk.dataPageOffset = Int64(file.byteCount)
        let present = try writePages(dictionary, to: file)
        var statistics = Statistics()
        statistics.setBounds(leaves, plan.form)
        statistics.nullCount = chunk.valueCount - present
        chunk.statistics = statistics
        return chunk
    }

    /// Writes the data pages, several of which are encoded at once.
    /// - Returns: how many values (not nulls) they have.
    private mutating func writePages(_ dictionary: ChunkDictionary?, to file: AtomicFile) throws -> Int {
        let ranges = PageSplitter.pages(
            slices, isList: plan.isList, bitsPerValue: dictionary.map(\.bitWidth) ?? plan.form.bits,
            pageBytes: options.pageBytes)
        let (plan, options) = (plan, options)
        let pages = (0..<min(batch, ranges.count)).map { _ in
            PageEncoder(codec: options.codec, level: options.compressionLevel)
        }
        var present = 0
        for first in stride(from: 0, to: ranges.count, by: batch) {
            try Interrupt.check()
            let count = min(batch, ranges.count - first)
            for index in 0..<count {
                pages[index].take(slices.part(ranges[first + index]), from: present)
                present += pages[index].presentCount
            }
            Workers.run(count) { pages[$0].encode(plan, dictionary) }
            for page in pages[..<count] { try add(page, to: file) }
        }
        return present
    }

    /// Writes a finished page and adds it to the chunk's sizes.
    private mutating func add(_ page: PageEncoder, to file: AtomicFile) throws {
        try page.write(to: file)
        chunk.valueCount += page.header.type == .data ? page.header.valueCount : 0
        chunk.uncompressedByteCount += Int64(page.head.count + page.header.uncompressedSize)
        chunk.compressedByteCount += Int64(page.head.count + page.header.compressedSize)
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
