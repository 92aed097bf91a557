import Base
import Frames
import Glibc

/// The sink of strings. Dictionary entries go into the pool once, over all row groups; values of pages without a dictionary
/// are appended one by one, after which the pool may repeat itself.
final class StringSink: ValueSink {
    private let codes: Buffer<Int32>
    private var count = 0
    private var pool = PoolBuilder()
    private var isDistinct = true
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
        isDistinct = isDistinct && slices.count == 0
        for index in 0..<slices.count {
            codes[count] = pool.append(slices[index])
            count += 1
        }
        withExtendedLifetime(slices) {}
    }

    func setDictionary(_ values: PageValues) throws {
        let slices = try Self.slices(values)
        try reserve(slices)
        var entries: [Int32] = []
        entries.reserveCapacity(slices.count)
        for index in 0..<slices.count { entries.append(pool.intern(slices[index])) }
        dictionary = entries
        withExtendedLifetime(slices) {}
    }

    func append(indices: UnsafeBufferPointer<UInt32>) throws {
        guard let dictionary else { throw ParquetError.outOfSpec("dictionary indices without a dictionary page") }
        guard indices.count <= codes.count - count else {
            throw ParquetError.outOfSpec("the pages hold more values than the metadata says")
        }
        try dictionary.withUnsafeBufferPointer { entries in
            for index in indices {
                guard Int(index) < entries.count else {
                    throw ParquetError.outOfSpec("dictionary index \(index) in a dictionary of \(entries.count)")
                }
                codes.pointer[count] = entries[Int(index)]
                count += 1
            }
        }
    }

    func finish(slots: Int, validity: UnsafePointer<UInt8>?) throws -> Column.Storage {
        let strings = pool.finish(isDistinct: isDistinct)
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
        pool.reserve(strings: slices.count, bytes: slices.byteCount)
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

/// Grows a `StringPool`, finding equal entries again for those that are interned.
struct PoolBuilder {
    private var bytes: [UInt8] = []
    private var offsets: [Int64] = [0]
    /// Open addressing: code + 1, 0 where free. Holds interned entries only.
    private var table: [Int32] = []
    private var interned = 0

    var count: Int { offsets.count - 1 }

    mutating func reserve(strings: Int, bytes more: Int) {
        // Twice the size, so that growing page by page stays linear.
        if bytes.capacity < bytes.count + more { bytes.reserveCapacity(max(bytes.count + more, 2 * bytes.count)) }
        if offsets.capacity < offsets.count + strings {
            offsets.reserveCapacity(max(offsets.count + strings, 2 * offsets.count))
        }
    }

    mutating func append(_ string: UnsafeRawBufferPointer) -> Int32 {
        bytes.append(contentsOf: string)
        offsets.append(Int64(bytes.count))
        return Int32(offsets.count - 2)
    }

    mutating func intern(_ string: UnsafeRawBufferPointer) -> Int32 {
        if (interned + 1) * 2 > table.count { grow() }
        var slot = Int(truncatingIfNeeded: StringHash.hash(string)) & (table.count - 1)
        while true {
            let entry = table[slot]
            if entry == 0 { break }
            if equals(Int(entry - 1), string) { return entry - 1 }
            slot = (slot + 1) & (table.count - 1)
        }
        let code = append(string)
        table[slot] = code + 1
        interned += 1
        return code
    }

    mutating func finish(isDistinct: Bool) -> StringPool {
        StringPool(offsets: Buffer(offsets), bytes: Buffer(bytes), isDistinct: isDistinct)
    }

    private func equals(_ code: Int, _ string: UnsafeRawBufferPointer) -> Bool {
        let start = Int(offsets[code])
        guard Int(offsets[code + 1]) - start == string.count else { return false }
        guard string.count > 0, let base = string.baseAddress else { return true }
        return bytes.withUnsafeBytes { memcmp($0.baseAddress! + start, base, string.count) == 0 }
    }

    private mutating func grow() {
        let old = table
        table = [Int32](repeating: 0, count: max(64, old.count * 2))
        bytes.withUnsafeBytes { all in
            for entry in old where entry != 0 {
                let range = Int(offsets[Int(entry) - 1])..<Int(offsets[Int(entry)])
                var slot =
                    Int(truncatingIfNeeded: StringHash.hash(UnsafeRawBufferPointer(rebasing: all[range])))
                    & (table.count - 1)
                while table[slot] != 0 { slot = (slot + 1) & (table.count - 1) }
                table[slot] = entry
            }
        }
    }
}

/// A fast hash of bytes for the tables here; never stored.
enum StringHash {
    static func hash(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        var state = UInt64(bytes.count) &* 0x9E37_79B9_7F4A_7C15
        var at = 0
        while at + 8 <= bytes.count {
            state = SplitMix64.mix(state ^ bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self))
            at += 8
        }
        var tail: UInt64 = 0
        while at < bytes.count {
            tail = tail << 8 | UInt64(bytes[at])
            at += 1
        }
        return SplitMix64.mix(state ^ tail)
    }
}
