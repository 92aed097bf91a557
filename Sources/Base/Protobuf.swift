/// Writes protocol buffer messages field by field, in the order of the calls.
///
/// Source: https://protobuf.dev/programming-guides/encoding. Repeated fields are one call per element, unpacked, which
/// every reader takes.
public struct ProtobufWriter {
    private var output = ByteWriter()

    public init() {}

    public var bytes: [UInt8] { output.bytes }
    public var count: Int { output.count }

    /// An int32, int64, bool or enum; negative numbers take ten bytes, as the format says.
    public mutating func int(_ field: Int, _ number: Int64) {
        tag(field, wire: 0)
        output.varint(UInt64(bitPattern: number))
    }

    public mutating func float(_ field: Int, _ number: Float) {
        tag(field, wire: 5)
        output.littleEndian(number.bitPattern)
    }

    public mutating func string(_ field: Int, _ text: String) {
        tag(field, wire: 2)
        output.varint(UInt64(text.utf8.count))
        output.append(text)
    }

    public mutating func bytes(_ field: Int, _ content: UnsafeRawBufferPointer) {
        tag(field, wire: 2)
        output.varint(UInt64(content.count))
        output.append(content)
    }

    /// A nested message, which `body` fills.
    public mutating func message(_ field: Int, _ body: (inout ProtobufWriter) throws -> Void) rethrows {
        var inner = ProtobufWriter()
        try body(&inner)
        tag(field, wire: 2)
        output.varint(UInt64(inner.count))
        output.append(inner.output.bytes)
    }

    private mutating func tag(_ field: Int, wire: UInt64) { output.varint(UInt64(field) << 3 | wire) }
}
