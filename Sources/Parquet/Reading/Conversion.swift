import Base
import Frames
import Glibc

/// How the stored values of a leaf become a column's values.
enum Conversion {
    case bool, float32, float64, string, uuid
    case float16
    case int32, uint32, int64, uint64
    /// All rows are null (Arrow's null type).
    case null
    /// Days since 1970.
    case date
    /// Stored units times `multiplier`, or divided by `divisor` with rounding down, give microseconds.
    case timestamp(multiplier: Int64, divisor: Int64)
    /// Microseconds since midnight, as int64; `wide` when stored in 64 bits.
    case time(multiplier: Int64, divisor: Int64, wide: Bool)
    /// Nanoseconds of the day and a Julian day number, as Impala and old Spark write.
    case int96
    case decimal32(scale: Int)
    case decimal64(scale: Int)
    /// Big-endian two's complement of the stored length.
    case decimalBytes(scale: Int)

    struct Obstacle: Error {
        let reason: String
    }

    var dtype: DType {
        switch self {
        case .bool: .bool
        case .float32, .float16: .float32
        case .float64, .decimal32, .decimal64, .decimalBytes: .float64
        case .string: .string
        case .uuid: .uuid
        case .int32, .uint32, .int64, .uint64, .null, .time: .int64
        case .date, .timestamp, .int96: .timestamp
        }
    }

    static func choose(type: PhysicalType, length: Int, logical: LogicalType?) -> Result<Conversion, Obstacle> {
        func bad(_ reason: String) -> Result<Conversion, Obstacle> { .failure(Obstacle(reason: reason)) }
        let mismatch = { () -> Result<Conversion, Obstacle> in
            bad("its type \(logical?.name ?? "") does not go with \(type.name)")
        }
        if case .decimal(let scale) = logical {
            guard (0...300).contains(scale) else { return bad("a decimal scale of \(scale) cannot be read") }
            switch type {
            case .int32: return .success(.decimal32(scale: Int(scale)))
            case .int64: return .success(.decimal64(scale: Int(scale)))
            case .fixedLenByteArray where length > 0: return .success(.decimalBytes(scale: Int(scale)))
            case .byteArray: return .success(.decimalBytes(scale: Int(scale)))
            default: return mismatch()
            }
        }
        switch (type, logical) {
        case (_, .unknown): return .success(.null)
        case (.boolean, nil): return .success(.bool)
        case (.float, nil): return .success(.float32)
        case (.double, nil): return .success(.float64)
        case (.int96, _): return .success(.int96)
        case (.int32, nil), (.int32, .integer(_, signed: true)): return .success(.int32)
        case (.int32, .integer(_, signed: false)): return .success(.uint32)
        case (.int64, nil), (.int64, .integer(_, signed: true)): return .success(.int64)
        case (.int64, .integer(_, signed: false)): return .success(.uint64)
        case (.int32, .date): return .success(.date)
        case (.int32, .time(.millis)): return .success(.time(multiplier: 1000, divisor: 1, wide: false))
        case (.int64, .time(.micros)): return .success(.time(multiplier: 1, divisor: 1, wide: true))
        case (.int64, .time(.nanos)): return .success(.time(multiplier: 1, divisor: 1000, wide: true))
        case (.int64, .timestamp(.millis)): return .success(.timestamp(multiplier: 1000, divisor: 1))
        case (.int64, .timestamp(.micros)): return .success(.timestamp(multiplier: 1, divisor: 1))
        case (.int64, .timestamp(.nanos)): return .success(.timestamp(multiplier: 1, divisor: 1000))
        case (.fixedLenByteArray, .uuid): return length == 16 ? .success(.uuid) : mismatch()
        case (.fixedLenByteArray, .float16): return length == 2 ? .success(.float16) : mismatch()
        case (.fixedLenByteArray, .interval): return bad("an interval has no column type here")
        case (.fixedLenByteArray, nil):
            return length > 0 ? .success(.string) : bad("a FIXED_LEN_BYTE_ARRAY without a length")
        case (.byteArray, nil), (.byteArray, .string), (.byteArray, .enumeration), (.byteArray, .json),
            (.byteArray, .bson):
            return .success(.string)
        case (.fixedLenByteArray, .string), (.fixedLenByteArray, .enumeration): return .success(.string)
        case (_, .other(let name)): return bad("\(name) has no column type here")
        default: return mismatch()
        }
    }
}

// The loops that convert a block of fixed-width values. Sources may lie at any address.
extension Conversion {
    /// Converts values to int64: integers, timestamps, dates, times.
    func integers(_ raw: UnsafeRawBufferPointer, count: Int, into target: UnsafeMutablePointer<Int64>) throws {
        func load<T: FixedWidthInteger>(_ index: Int, _: T.Type) -> T {
            T(littleEndian: raw.loadUnaligned(fromByteOffset: index * MemoryLayout<T>.size, as: T.self))
        }
        switch self {
        case .int64, .timestamp(multiplier: 1, divisor: 1), .time(multiplier: 1, divisor: 1, wide: true):
            if let base = raw.baseAddress { memcpy(target, base, count * 8) }
        case .int32: for index in 0..<count { target[index] = Int64(load(index, Int32.self)) }
        case .uint32: for index in 0..<count { target[index] = Int64(load(index, UInt32.self)) }
        case .uint64:
            for index in 0..<count {
                let value = load(index, UInt64.self)
                guard let signed = Int64(exactly: value) else {
                    throw ParquetError.unsupported("the unsigned value \(value) does not fit an int64 column")
                }
                target[index] = signed
            }
        case .date:
            for index in 0..<count {
                let days = Int64(load(index, Int32.self))
                let (value, overflow) = days.multipliedReportingOverflow(by: Timestamp.microsecondsPerDay)
                guard !overflow else {
                    throw ParquetError.unsupported("the date \(days) days from 1970 is too far away")
                }
                target[index] = value
            }
        case .timestamp(let multiplier, let divisor), .time(let multiplier, let divisor, wide: true):
            for index in 0..<count {
                let stored = load(index, Int64.self)
                let (value, overflow) = stored.multipliedReportingOverflow(by: multiplier)
                guard !overflow else { throw ParquetError.unsupported("the time \(stored) is too far away") }
                target[index] = divisor == 1 ? value : Timestamp.floorDivide(value, divisor)
            }
        case .time(let multiplier, _, wide: false):
            for index in 0..<count { target[index] = Int64(load(index, Int32.self)) * multiplier }
        case .int96:
            for index in 0..<count {
                let nanos = Int64(littleEndian: raw.loadUnaligned(fromByteOffset: index * 12, as: Int64.self))
                let julian = UInt32(littleEndian: raw.loadUnaligned(fromByteOffset: index * 12 + 8, as: UInt32.self))
                let (day, tooFar) = (Int64(julian) - 2_440_588)
                    .multipliedReportingOverflow(by: Timestamp.microsecondsPerDay)
                let (value, overflow) = day.addingReportingOverflow(Timestamp.floorDivide(nanos, 1000))
                guard !tooFar, !overflow else {
                    throw ParquetError.unsupported("the INT96 time at Julian day \(julian) is too far away")
                }
                target[index] = value
            }
        case .null:
            if count > 0 { throw ParquetError.outOfSpec("a column of the null type holds values") }
        default: preconditionFailure("not an integer conversion")
        }
    }

    /// Converts values to float64: doubles and decimals. `width` is the stored length of a byte decimal.
    func doubles(
        _ raw: UnsafeRawBufferPointer, width: Int, count: Int, into target: UnsafeMutablePointer<Double>
    ) throws {
        switch self {
        case .float64: if let base = raw.baseAddress { memcpy(target, base, count * 8) }
        case .decimal32(let scale):
            let power = Self.powerOfTen(scale)
            for index in 0..<count {
                let value = Int32(littleEndian: raw.loadUnaligned(fromByteOffset: index * 4, as: Int32.self))
                target[index] = Self.decimal(Int128(value), scale, power)
            }
        case .decimal64(let scale):
            let power = Self.powerOfTen(scale)
            for index in 0..<count {
                let value = Int64(littleEndian: raw.loadUnaligned(fromByteOffset: index * 8, as: Int64.self))
                target[index] = Self.decimal(Int128(value), scale, power)
            }
        case .decimalBytes(let scale):
            let power = Self.powerOfTen(scale)
            for index in 0..<count {
                let bytes = UnsafeRawBufferPointer(rebasing: raw[index * width..<(index + 1) * width])
                if width <= 16 {
                    target[index] = Self.decimal(Self.bigEndian(bytes), scale, power)
                } else {
                    target[index] = Self.approximate(bytes) / power
                }
            }
        default: preconditionFailure("not a float64 conversion")
        }
    }

    /// Converts values to float32: floats and half floats.
    func floats(_ raw: UnsafeRawBufferPointer, count: Int, into target: UnsafeMutablePointer<Float>) throws {
        if case .float16 = self {
            for index in 0..<count {
                target[index] = Self.half(
                    UInt16(littleEndian: raw.loadUnaligned(fromByteOffset: index * 2, as: UInt16.self)))
            }
        } else if let base = raw.baseAddress {
            memcpy(target, base, count * 4)
        }
    }

    /// `value` / 10^`scale` as the nearest double.
    private static func decimal(_ value: Int128, _ scale: Int, _ power: Double) -> Double {
        // One division of two exact numbers is rounded once; the rest goes through the text, which is slow and right.
        if value.magnitude <= 1 << 53 && scale <= 22 { return Double(Int64(value)) / power }
        return Double("\(value)e-\(scale)") ?? .nan
    }

    /// A two's complement number of at most 16 bytes.
    static func bigEndian(_ bytes: UnsafeRawBufferPointer) -> Int128 {
        guard let first = bytes.first else { return 0 }
        var value: Int128 = first >= 0x80 ? -1 : 0
        for byte in bytes { value = value << 8 | Int128(byte) }
        return value
    }

    /// A longer one, rounded on the way.
    static func approximate(_ bytes: UnsafeRawBufferPointer) -> Double {
        var value = bytes.first ?? 0 >= 0x80 ? -1.0 : 0.0
        for byte in bytes { value = value * 256 + Double(byte) }
        return value
    }

    private static func powerOfTen(_ scale: Int) -> Double {
        var power = 1.0
        for _ in 0..<scale { power *= 10 }
        return power
    }

    /// IEEE 754 binary16 to binary32, exactly.
    static func half(_ bits: UInt16) -> Float {
        let sign = UInt32(bits & 0x8000) << 16
        let exponent = UInt32(bits >> 10 & 0x1F)
        let fraction = UInt32(bits & 0x3FF)
        switch exponent {
        case 0:
            let magnitude = Float(fraction) * 0x1p-24
            return sign == 0 ? magnitude : -magnitude
        case 31: return Float(bitPattern: sign | 0x7F80_0000 | fraction << 13)
        default: return Float(bitPattern: sign | (exponent + 112) << 23 | fraction << 13)
        }
    }
}
