import Base

/// The type nibble of a Thrift compact field or element.
/// https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
enum ThriftKind: UInt8 {
    case yes = 1
    case no = 2
    case byte = 3
    case i16 = 4
    case i32 = 5
    case i64 = 6
    case double = 7
    case binary = 8
    case list = 9
    case set = 10
    case map = 11
    case structure = 12
    case uuid = 13
}

/// Reads Thrift's compact protocol. Counts are checked against the bytes that are left, nesting against a fixed depth, so
/// that no input can make it allocate or recurse without end.
struct ThriftReader {
    private var input: ByteReader
    private var depth = 0
    private static let deepest = 32

    init(_ bytes: UnsafeRawBufferPointer) { input = ByteReader(bytes) }

    /// Bytes consumed so far.
    var offset: Int { input.offset }

    /// Reads the fields of a structure; `field` must consume or `skip` each one.
    mutating func structure(_ field: (inout ThriftReader, Int16, ThriftKind) throws -> Void) throws {
        try enter()
        defer { depth -= 1 }
        var identifier: Int16 = 0
        while true {
            let header: UInt8 = try input.littleEndian()
            if header == 0 { return }
            let kind = try Self.kind(header & 0x0F)
            if header >> 4 == 0 {
                identifier = Int16(truncatingIfNeeded: try input.zigzag())
            } else {
                identifier = identifier &+ Int16(header >> 4)
            }
            try field(&self, identifier, kind)
        }
    }

    /// Reads a list of structures or scalars; `element` must consume each one.
    mutating func list(_ element: (inout ThriftReader, ThriftKind) throws -> Void) throws {
        try enter()
        defer { depth -= 1 }
        let header: UInt8 = try input.littleEndian()
        let count = header >> 4 == 15 ? try length() : Int(header >> 4)
        // Every element takes at least a byte.
        guard count <= input.remaining else {
            throw ParquetError.outOfSpec("a metadata list claims \(count) elements in \(input.remaining) bytes")
        }
        if count == 0 { return }
        let kind = try Self.kind(header & 0x0F)
        for _ in 0..<count { try element(&self, kind) }
    }

    mutating func i32() throws -> Int32 {
        guard let value = Int32(exactly: try input.zigzag()) else {
            throw ParquetError.outOfSpec("a 32-bit metadata number is out of range")
        }
        return value
    }

    mutating func i64() throws -> Int64 { try input.zigzag() }

    mutating func byte() throws -> Int8 { try input.littleEndian() }

    mutating func binary() throws -> UnsafeRawBufferPointer { try input.take(try length()) }

    mutating func string() throws -> String { String(decoding: try binary(), as: UTF8.self) }

    /// A boolean inside a list, where it takes a byte; as a field its kind is its value.
    mutating func skip(_ kind: ThriftKind, inList: Bool = false) throws {
        switch kind {
        case .yes, .no: if inList { try input.skip(1) }
        case .byte: try input.skip(1)
        case .i16, .i32, .i64: _ = try input.varint()
        case .double: try input.skip(8)
        case .uuid: try input.skip(16)
        case .binary: try input.skip(try length())
        case .structure: try structure { reader, _, kind in try reader.skip(kind) }
        case .list, .set: try list { reader, kind in try reader.skip(kind, inList: true) }
        case .map: try skipMap()
        }
    }

    private mutating func skipMap() throws {
        try enter()
        defer { depth -= 1 }
        let count = try length()
        if count == 0 { return }
        guard count <= input.remaining else {
            throw ParquetError.outOfSpec("a metadata map claims \(count) entries in \(input.remaining) bytes")
        }
        let kinds: UInt8 = try input.littleEndian()
        let key = try Self.kind(kinds >> 4)
        let value = try Self.kind(kinds & 0x0F)
        for _ in 0..<count {
            try skip(key, inList: true)
            try skip(value, inList: true)
        }
    }

    private mutating func length() throws -> Int {
        let raw = try input.varint()
        guard raw <= UInt64(Int32.max) else { throw ParquetError.outOfSpec("a metadata length of \(raw) bytes") }
        return Int(raw)
    }

    private mutating func enter() throws {
        depth += 1
        guard depth <= Self.deepest else { throw ParquetError.outOfSpec("the metadata is nested too deeply") }
    }

    private static func kind(_ nibble: UInt8) throws -> ThriftKind {
        guard let kind = ThriftKind(rawValue: nibble) else {
            throw ParquetError.outOfSpec("unknown metadata field type \(nibble)")
        }
        return kind
    }
}

/// Writes Thrift's compact protocol. Fields of a structure must come in ascending order of their numbers.
struct ThriftWriter {
    private(set) var output = ByteWriter()
    private var previous: Int16 = 0

    mutating func bool(_ id: Int16, _ value: Bool) { header(id, value ? .yes : .no) }

    mutating func byte(_ id: Int16, _ value: UInt8) {
        header(id, .byte)
        output.append(value)
    }

    mutating func i16(_ id: Int16, _ value: Int16) {
        header(id, .i16)
        output.zigzag(Int64(value))
    }

    mutating func i32(_ id: Int16, _ value: Int32) {
        header(id, .i32)
        output.zigzag(Int64(value))
    }

    mutating func i64(_ id: Int16, _ value: Int64) {
        header(id, .i64)
        output.zigzag(value)
    }

    mutating func binary(_ id: Int16, _ value: [UInt8]) {
        header(id, .binary)
        rawBinary(value)
    }

    mutating func string(_ id: Int16, _ value: String) { binary(id, Array(value.utf8)) }

    mutating func structure(_ id: Int16, _ fields: (inout ThriftWriter) -> Void) {
        header(id, .structure)
        element(fields)
    }

    /// A structure in a list, or the outermost one.
    mutating func element(_ fields: (inout ThriftWriter) -> Void) {
        let outer = previous
        previous = 0
        fields(&self)
        output.append(0)
        previous = outer
    }

    mutating func list<T>(
        _ id: Int16, of kind: ThriftKind, _ items: [T], _ write: (inout ThriftWriter, T) -> Void
    ) {
        header(id, .list)
        if items.count < 15 {
            output.append(UInt8(items.count) << 4 | kind.rawValue)
        } else {
            output.append(0xF0 | kind.rawValue)
            output.varint(UInt64(items.count))
        }
        for item in items { write(&self, item) }
    }

    mutating func rawI32(_ value: Int32) { output.zigzag(Int64(value)) }

    mutating func rawBinary(_ value: [UInt8]) {
        output.varint(UInt64(value.count))
        output.append(value)
    }

    private mutating func header(_ id: Int16, _ kind: ThriftKind) {
        let step = id - previous
        if step > 0 && step < 16 {
            output.append(UInt8(step) << 4 | kind.rawValue)
        } else {
            output.append(kind.rawValue)
            output.zigzag(Int64(id))
        }
        previous = id
    }
}
