import Base

/// The element types that are read; all become float32. Integers and bools must be exact as float32.
enum ElementType: String, Sendable {
    case float64, float32, float16, bfloat16, int64, int32, int16, int8, uint8, bool

    /// By PyTorch's storage class: `FloatStorage`.
    init?(torchStorage name: String) {
        guard let type = Self.storages.first(where: { $0.name == name })?.type else { return nil }
        self = type
    }

    /// By the name in a safetensors header: `F32`.
    init?(safetensors name: String) {
        guard let type = Self.codes.first(where: { $0.name == name })?.type else { return nil }
        self = type
    }

    var torchStorage: String { Self.storages.first { $0.type == self }!.name }

    var byteCount: Int {
        switch self {
        case .float64, .int64: 8
        case .float32, .int32: 4
        case .float16, .bfloat16, .int16: 2
        case .int8, .uint8, .bool: 1
        }
    }

    private static let storages: [(name: String, type: ElementType)] = [
        ("DoubleStorage", .float64), ("FloatStorage", .float32), ("HalfStorage", .float16),
        ("BFloat16Storage", .bfloat16), ("LongStorage", .int64), ("IntStorage", .int32), ("ShortStorage", .int16),
        ("CharStorage", .int8), ("ByteStorage", .uint8), ("BoolStorage", .bool),
    ]

    private static let codes: [(name: String, type: ElementType)] = [
        ("F64", .float64), ("F32", .float32), ("F16", .float16), ("BF16", .bfloat16), ("I64", .int64),
        ("I32", .int32), ("I16", .int16), ("I8", .int8), ("U8", .uint8), ("BOOL", .bool),
    ]
}

/// Stored elements into float32.
struct ElementDecoder {
    let type: ElementType
    /// True when the file is big-endian.
    let swapped: Bool

    /// Reads the elements of a view, row-major, into `target`, which has room for `view.count`.
    /// - Parameter bytes: the whole storage; its length has been checked against the view's reach.
    /// - Throws: `checkpoint.bad_value` for a value float32 cannot hold: an integer that is not exact, an overflow.
    func decode(
        _ bytes: UnsafeRawBufferPointer, _ view: StridedView, into target: UnsafeMutablePointer<Float>
    ) throws {
        switch type {
        case .float32:
            if view.isContiguous, !swapped, let base = bytes.baseAddress, view.count > 0 {
                UnsafeMutableRawPointer(target).copyMemory(
                    from: base + 4 * view.offset, byteCount: 4 * view.count)
            } else {
                try gather(bytes, view, target) { (bits: UInt32) in Float(bitPattern: bits) }
            }
        case .float64:
            try gather(bytes, view, target) { (bits: UInt64) in
                let number = Double(bitPattern: bits)
                let rounded = Float(number)
                return rounded.isInfinite && number.isFinite ? nil : rounded
            }
        case .float16: try gather(bytes, view, target) { (bits: UInt16) in Float(Float16(bitPattern: bits)) }
        case .bfloat16: try gather(bytes, view, target) { (bits: UInt16) in Float(bitPattern: UInt32(bits) << 16) }
        case .int64: try gather(bytes, view, target) { (bits: UInt64) in Float(exactly: Int64(bitPattern: bits)) }
        case .int32: try gather(bytes, view, target) { (bits: UInt32) in Float(exactly: Int32(bitPattern: bits)) }
        case .int16: try gather(bytes, view, target) { (bits: UInt16) in Float(Int16(bitPattern: bits)) }
        case .int8: try gather(bytes, view, target) { (bits: UInt8) in Float(Int8(bitPattern: bits)) }
        case .uint8: try gather(bytes, view, target) { (bits: UInt8) in Float(bits) }
        case .bool: try gather(bytes, view, target) { (bits: UInt8) in bits == 0 ? 0 : 1 }
        }
    }

    @inline(__always)
    private func gather<Bits: FixedWidthInteger & UnsignedInteger>(
        _ bytes: UnsafeRawBufferPointer, _ view: StridedView, _ target: UnsafeMutablePointer<Float>,
        _ convert: (Bits) -> Float?
    ) throws {
        try view.forEachRow { start, stride, count, position in
            var source = start * MemoryLayout<Bits>.size
            let step = stride * MemoryLayout<Bits>.size
            for index in 0..<count {
                let bits = bytes.loadUnaligned(fromByteOffset: source, as: Bits.self)
                guard let number = convert(swapped ? Bits(bigEndian: bits) : Bits(littleEndian: bits)) else {
                    throw CheckpointError(
                        .badValue, "holds a \(type.rawValue) value that float32 cannot hold; convert it before saving")
                }
                target[position + index] = number
                source += step
            }
        }
    }
}
