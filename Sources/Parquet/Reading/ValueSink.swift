import Base
import Frames
import Glibc

/// Collects a leaf's values over all pages and row groups of a read, already in the column's type and without nulls.
protocol ValueSink: AnyObject {
    /// Takes the values of a page that stores them directly.
    func append(_ values: PageValues) throws
    /// Takes the dictionary of the current column chunk.
    func setDictionary(_ values: PageValues) throws
    /// Takes the values of a page that stores indices into the dictionary.
    func append(indices: UnsafeBufferPointer<UInt32>) throws
    /// The storage of `slots` rows: values go to the rows whose validity byte is 1, in order; nil: to all.
    func finish(slots: Int, validity: UnsafePointer<UInt8>?) throws -> Column.Storage
}

extension Conversion {
    /// The sink for at most `capacity` values.
    func sink(capacity: Int, allowance: Allowance) throws -> any ValueSink {
        let conversion = self
        switch self {
        case .int32, .uint32, .int64, .uint64, .null, .time:
            return try FixedSink<Int64>(
                capacity: capacity, zero: 0, allowance: allowance, storage: { .int64($0) },
                convert: { try conversion.integers($0, count: $2, into: $3) })
        case .date, .timestamp, .int96:
            return try FixedSink<Int64>(
                capacity: capacity, zero: 0, allowance: allowance, storage: { .timestamp($0) },
                convert: { try conversion.integers($0, count: $2, into: $3) })
        case .float32, .float16:
            return try FixedSink<Float>(
                capacity: capacity, zero: 0, allowance: allowance, storage: { .float32($0) },
                convert: { try conversion.floats($0, count: $2, into: $3) })
        case .float64, .decimal32, .decimal64, .decimalBytes:
            return try FixedSink<Double>(
                capacity: capacity, zero: 0, allowance: allowance, storage: { .float64($0) },
                convert: { try conversion.doubles($0, width: $1, count: $2, into: $3) })
        case .bool:
            return try FixedSink<UInt8>(
                capacity: capacity, zero: 0, allowance: allowance, storage: { .bool($0) },
                convert: { raw, _, count, target in
                    if let base = raw.baseAddress { memcpy(target, base, count) }
                })
        case .uuid:
            return try FixedSink<UUID>(
                capacity: capacity, zero: UUID(high: 0, low: 0), allowance: allowance, storage: { .uuid(UUIDs($0)) },
                convert: { raw, _, count, target in
                    guard let base = raw.baseAddress else { return }
                    for index in 0..<count { target[index] = UUID(bigEndian: base + 16 * index) }
                })
        case .string: return try StringSink(capacity: capacity, allowance: allowance)
        }
    }
}

/// The sink of every type whose values have one width.
final class FixedSink<T>: ValueSink {
    /// Stored bytes, their width, the count, and where the converted values go.
    typealias Convert = (UnsafeRawBufferPointer, Int, Int, UnsafeMutablePointer<T>) throws -> Void

    private let output: Buffer<T>
    private var count = 0
    private var dictionary: Buffer<T>?
    private let zero: T
    private let allowance: Allowance
    private let storage: (Buffer<T>) -> Column.Storage
    private let convert: Convert
    // The loops over values are closures made where T is known: called through the protocol, a method of a generic class
    // runs unspecialised, some twenty times slower.
    private let gather: (UnsafeBufferPointer<UInt32>, Buffer<T>, UnsafeMutablePointer<T>) throws -> Void
    private let spread: (UnsafePointer<T>, UnsafePointer<UInt8>, T, Buffer<T>) -> Void

    init(
        capacity: Int, zero: T, allowance: Allowance, storage: @escaping (Buffer<T>) -> Column.Storage,
        convert: @escaping Convert
    ) throws {
        try allowance.take(capacity, size: MemoryLayout<T>.stride)
        output = Buffer(uninitialized: capacity)
        self.zero = zero
        self.allowance = allowance
        self.storage = storage
        self.convert = convert
        gather = { try Self.gather($0, from: $1, into: $2) }
        spread = { Self.spread($0, over: $1, zero: $2, into: $3) }
    }

    func append(_ values: PageValues) throws {
        count += try place(values, at: output.pointer + count, room: output.count - count)
    }

    func setDictionary(_ values: PageValues) throws {
        let size: Int
        switch values {
        case .fixed(_, _, let count): size = count
        case .slices(let slices): size = slices.count
        }
        try allowance.check(size, size: MemoryLayout<T>.stride)
        let entries = Buffer<T>(uninitialized: size)
        _ = try place(values, at: entries.pointer, room: size)
        dictionary = entries
    }

    func append(indices: UnsafeBufferPointer<UInt32>) throws {
        guard let dictionary else { throw ParquetError.outOfSpec("dictionary indices without a dictionary page") }
        guard indices.count <= output.count - count else { throw Self.tooMany }
        try gather(indices, dictionary, output.pointer + count)
        count += indices.count
    }

    func finish(slots: Int, validity: UnsafePointer<UInt8>?) throws -> Column.Storage {
        if validity == nil && slots == output.count { return storage(output) }
        try allowance.take(slots, size: MemoryLayout<T>.stride)
        let result = Buffer<T>(uninitialized: slots)
        if let validity {
            spread(output.pointer, validity, zero, result)
        } else {
            result.pointer.update(from: output.pointer, count: slots)
        }
        return storage(result)
    }

    @inline(__always)
    private static func gather(
        _ indices: UnsafeBufferPointer<UInt32>, from dictionary: Buffer<T>, into target: UnsafeMutablePointer<T>
    ) throws {
        let entries = dictionary.pointer
        let size = UInt32(dictionary.count)
        for position in 0..<indices.count {
            let index = indices[position]
            guard index < size else {
                throw ParquetError.outOfSpec("dictionary index \(index) in a dictionary of \(size)")
            }
            target[position] = entries[Int(index)]
        }
    }

    @inline(__always)
    private static func spread(
        _ values: UnsafePointer<T>, over validity: UnsafePointer<UInt8>, zero: T, into target: Buffer<T>
    ) {
        var next = 0
        for slot in 0..<target.count {
            if validity[slot] == 1 {
                target.pointer[slot] = values[next]
                next += 1
            } else {
                target.pointer[slot] = zero
            }
        }
    }

    private func place(_ values: PageValues, at target: UnsafeMutablePointer<T>, room: Int) throws -> Int {
        switch values {
        case .fixed(let page, let width, let count):
            guard count <= room else { throw Self.tooMany }
            try convert(page.bytes, width, count, target)
            withExtendedLifetime(page) {}
            return count
        case .slices(let slices):
            // Only decimals come as byte arrays of their own lengths.
            guard slices.count <= room else { throw Self.tooMany }
            for index in 0..<slices.count {
                let slice = slices[index]
                try convert(slice, slice.count, 1, target + index)
            }
            withExtendedLifetime(slices) {}
            return slices.count
        }
    }

    private static var tooMany: ParquetError {
        ParquetError.outOfSpec("the pages hold more values than the metadata says")
    }
}
