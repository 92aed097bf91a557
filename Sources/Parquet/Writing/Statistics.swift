import Base
import Frames
import Glibc

/// Smallest and largest value and null count of a column chunk, in the plain encoding, without a string's length.
/// Readers skip row groups by them, so a bound that cannot be trusted is left out.
struct Statistics {
    var minimum: [UInt8]?
    var maximum: [UInt8]?
    var nullCount = 0

    /// Longer strings are left out rather than cut.
    static let longestString = 64

    func write(to writer: inout ThriftWriter) {
        writer.i64(3, Int64(nullCount))
        guard let minimum, let maximum else { return }
        writer.binary(5, maximum)
        writer.binary(6, minimum)
        writer.bool(7, true)
        writer.bool(8, true)
    }

    /// Sets the bounds from the values of a chunk that are not null.
    mutating func setBounds(_ leaves: [ColumnSlice], _ form: ValueForm) {
        switch form {
        case .int64, .timestamp: integers(leaves)
        case .float32:
            var range = FloatRange(infinity: Int32(bitPattern: Float.infinity.bitPattern))
            for leaf in leaves {
                guard case .float32(let buffer) = leaf.column.storage else { continue }
                buffer.pointer.withMemoryRebound(to: Int32.self, capacity: buffer.count) { range.add($0, leaf) }
            }
            set(range.bounds.map { [Self.bytes($0.low.littleEndian), Self.bytes($0.high.littleEndian)] })
        case .float64:
            var range = FloatRange(infinity: Int64(bitPattern: Double.infinity.bitPattern))
            for leaf in leaves {
                guard case .float64(let buffer) = leaf.column.storage else { continue }
                buffer.pointer.withMemoryRebound(to: Int64.self, capacity: buffer.count) { range.add($0, leaf) }
            }
            set(range.bounds.map { [Self.bytes($0.low.littleEndian), Self.bytes($0.high.littleEndian)] })
        case .bool: booleans(leaves)
        case .uuidText, .uuidFixed: uuids(leaves, asText: form == .uuidText)
        case .string, .binary: strings(leaves)
        }
    }

    private mutating func set(_ bounds: [[UInt8]]?) {
        minimum = bounds?[0]
        maximum = bounds?[1]
    }

    private mutating func integers(_ leaves: [ColumnSlice]) {
        var low = Int64.max
        var high = Int64.min
        var found = false
        for leaf in leaves {
            let values: UnsafePointer<Int64>
            switch leaf.column.storage {
            case .int64(let buffer), .timestamp(let buffer): values = UnsafePointer(buffer.pointer)
            default: continue
            }
            if let validity = leaf.validity {
                for row in leaf.rows where validity[row] == 1 {
                    low = min(low, values[row])
                    high = max(high, values[row])
                    found = true
                }
            } else {
                for row in leaf.rows {
                    low = min(low, values[row])
                    high = max(high, values[row])
                }
                found = found || !leaf.rows.isEmpty
            }
        }
        if found { set([Self.bytes(low.littleEndian), Self.bytes(high.littleEndian)]) }
    }

    private mutating func booleans(_ leaves: [ColumnSlice]) {
        var seen: [Bool] = [false, false]
        for leaf in leaves {
            guard case .bool(let buffer) = leaf.column.storage else { continue }
            for row in leaf.rows where !leaf.column.isNull(row) { seen[Int(buffer[row] & 1)] = true }
        }
        if seen[0] || seen[1] { set([[seen[0] ? 0 : 1], [seen[1] ? 1 : 0]]) }
    }

    private mutating func uuids(_ leaves: [ColumnSlice], asText: Bool) {
        var bounds: (low: UUID, high: UUID)?
        for leaf in leaves {
            guard case .uuid(let buffer) = leaf.column.storage else { continue }
            for row in leaf.rows where !leaf.column.isNull(row) {
                let value = buffer[row]
                guard let known = bounds else {
                    bounds = (value, value)
                    continue
                }
                if value < known.low { bounds?.low = value } else if known.high < value { bounds?.high = value }
            }
        }
        guard let bounds else { return }
        set(
            [bounds.low, bounds.high].map { uuid in
                [UInt8](unsafeUninitializedCapacity: 36) { target, count in
                    if asText {
                        uuid.write(to: target.baseAddress!)
                    } else {
                        uuid.writeBigEndian(to: target.baseAddress!)
                    }
                    count = asText ? 36 : 16
                }
            })
    }

    /// Strings compare by their bytes.
    private mutating func strings(_ leaves: [ColumnSlice]) {
        var bounds: (low: UnsafeBufferPointer<UInt8>, high: UnsafeBufferPointer<UInt8>)?
        func add(_ value: UnsafeBufferPointer<UInt8>) {
            guard let known = bounds else {
                bounds = (value, value)
                return
            }
            if Self.isLess(value, known.low) {
                bounds?.low = value
            } else if Self.isLess(known.high, value) {
                bounds?.high = value
            }
        }
        for leaf in leaves {
            guard case .string(let codes, let pool) = leaf.column.storage else { continue }
            if let distinct = leaf.distinctCodes() {
                for code in distinct { add(pool[bytesAt: code]) }
            } else {
                for row in leaf.rows where !leaf.column.isNull(row) { add(pool[bytesAt: Int(codes[row])]) }
            }
        }
        guard let bounds, bounds.low.count <= Self.longestString, bounds.high.count <= Self.longestString else {
            return
        }
        set([Array(bounds.low), Array(bounds.high)])
    }

    private static func isLess(_ a: UnsafeBufferPointer<UInt8>, _ b: UnsafeBufferPointer<UInt8>) -> Bool {
        let common = min(a.count, b.count)
        let order = common > 0 ? memcmp(a.baseAddress!, b.baseAddress!, common) : 0
        return order != 0 ? order < 0 : a.count < b.count
    }

    private static func bytes(_ number: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: number) { Array($0) }
    }
}

/// The range of floats, by their bits: a float's bits, with the lower ones turned over when it is negative, order as the
/// floats do, and minima of integers vectorise where those of floats do not.
///
/// One NaN makes the bounds useless, for readers disagree about its place in the order; a zero bound gets the sign that
/// lets both zeros in, as the format asks.
struct FloatRange<Bits: FixedWidthInteger & SignedInteger> {
    private var low = Bits.max
    private var high = Bits.min
    /// Largest value without its sign; a NaN's is above infinity's.
    private var largest = Bits(0)
    private var found = false
    private let infinity: Bits

    init(infinity: Bits) { self.infinity = infinity }

    /// The bits of the least and the greatest value; nil when there is none or one is NaN.
    var bounds: (low: Bits, high: Bits)? {
        guard found, largest <= infinity else { return nil }
        let least = Self.order(low)
        let greatest = Self.order(high)
        return (least == 0 ? .min : least, greatest == .min ? 0 : greatest)
    }

    mutating func add(_ values: UnsafePointer<Bits>, _ slice: ColumnSlice) {
        var (low, high, largest) = (low, high, largest)
        if let validity = slice.validity {
            for row in slice.rows where validity[row] == 1 {
                found = true
                let key = Self.order(values[row])
                low = Swift.min(low, key)
                high = Swift.max(high, key)
                largest = Swift.max(largest, values[row] & .max)
            }
        } else {
            found = found || !slice.rows.isEmpty
            for row in slice.rows {
                let key = Self.order(values[row])
                low = Swift.min(low, key)
                high = Swift.max(high, key)
                largest = Swift.max(largest, values[row] & .max)
            }
        }
        (self.low, self.high, self.largest) = (low, high, largest)
    }

    /// From a float's bits to their place in the order, and back.
    @inline(__always) private static func order(_ bits: Bits) -> Bits {
        bits ^ (bits &>> Bits(truncatingIfNeeded: Bits.bitWidth - 1) & .max)
    }
}
