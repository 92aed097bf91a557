import Base
import Frames

/// The sink of strings. Equal strings share one pool entry, over all pages and row groups, until nearly every string turns
/// out to be new; from then on they are stored as they come.
final class StringSink: ValueSink {
    private let codes: Buffer<Int32>
    private var count = 0
    private let pool = StringPoolBuilder()
    private var interns = true
    /// The value count at which the share of new strings is looked at next.
    private var nextCheck = 1 << 14
    /// Pool codes of the current chunk's dictionary entries.
    private var dictionary: [Int32]?
    private let allowance: Allowance

    init(capacity: Int, allowance: Allowance) throws {
        try allowance.take(capacity, size: MemoryLayout<Int32>.stride)
        codes = Buffer(uninitialized: capacity)
        self.allowance = allowance
    }

    func append(_ values: PageValues) throws {
        let slices = try Self.slices(values)
        guard slices.count <= codes.count - count else {
            throw ParquetError.outOfSpec("the pages hold more values than the metadata says")
        }
        try reserve(slices)
        let target = codes.pointer + count
        for index in 0..<slices.count { target[index] = store(slices[index]) }
        count += slices.count
        if interns && count >= nextCheck { check() }
        withExtendedLifetime(slices) {}
    }

    func setDictionary(_ values: PageValues) throws {
        let slices = try Self.slices(values)
        try reserve(slices)
        var entries: [Int32] = []
        entries.reserveCapacity(slices.count)
        for index in 0..<slices.count { entries.append(store(slices[index])) }
        dictionary = entries
        withExtendedLifetime(slices) {}
    }

    func append(indices: UnsafeBufferPointer<UInt32>) throws {
        guard let dictionary else { throw ParquetError.outOfSpec("dictionary indices without a dictionary page") }
        guard indices.count <= codes.count - count else {
            throw ParquetError.outOfSpec("the pages hold more values than the metadata says")
        }
        let target = codes.pointer + count
        try dictionary.withUnsafeBufferPointer { entries in
            for position in 0..<indices.count {
                let index = Int(indices[position])
                guard index < entries.count else {
                    throw ParquetError.outOfSpec("dictionary index \(index) in a dictionary of \(entries.count)")
                }
                target[position] = entries[index]
            }
        }
        count += indices.count
    }

    func finish(slots: Int, validity: UnsafePointer<UInt8>?) throws -> Column.Storage {
        // Codes under nulls must be in range even when there is no string at all.
        if pool.count == 0 && slots > 0 { _ = store(UnsafeRawBufferPointer(start: nil, count: 0)) }
        let strings = pool.finish()
        if validity == nil && slots == codes.count { return .string(codes: codes, pool: strings) }
        try allowance.take(slots, size: MemoryLayout<Int32>.stride)
        let spread = Buffer<Int32>(repeating: 0, count: slots)
        var next = 0
        for slot in 0..<slots where validity == nil || validity![slot] == 1 {
            spread[slot] = codes[next]
            next += 1
        }
        return .string(codes: spread, pool: strings)
    }

    private func reserve(_ slices: ByteSlices) throws {
        try allowance.take(slices.byteCount, size: 1)
        try allowance.take(slices.count, size: 8)
        guard pool.count + slices.count < Int(Int32.max) else {
            throw ParquetError.unsupported("more than 2147483646 strings in one column; read fewer row groups at once")
        }
    }

    private func store(_ bytes: UnsafeRawBufferPointer) -> Int32 {
        let text = UnsafeBufferPointer(
            start: bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), count: bytes.count)
        return interns ? pool.code(for: text) : pool.append(text)
    }

    private func check() {
        nextCheck = count * 2
        if pool.count > count / 8 * 7 { interns = false }
    }

    /// Fixed-width values are byte arrays too.
    private static func slices(_ values: PageValues) throws -> ByteSlices {
        switch values {
        case .slices(let slices): return slices
        case .fixed(let page, let width, let count):
            let slices = Buffer<ByteSlices.Slice>(uninitialized: count)
            for index in 0..<count { slices[index] = ByteSlices.Slice(start: index * width, count: width) }
            return ByteSlices(bytes: page, slices: slices, byteCount: count * width)
        }
    }
}
