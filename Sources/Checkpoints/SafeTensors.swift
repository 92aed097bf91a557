import Base
import Files
import JSON
import Tensors

/// Hugging Face's safetensors files: named tensors behind a JSON header, nothing else.
///
/// Source: https://github.com/huggingface/safetensors#format
public struct SafeTensors {
    /// Tensors in the order of their data.
    public var tensors: [(name: String, tensor: Tensor)]
    /// Free text by name.
    public var metadata: [(name: String, text: String)]

    public init(tensors: [(name: String, tensor: Tensor)], metadata: [(name: String, text: String)] = []) {
        self.tensors = tensors
        self.metadata = metadata
    }

    /// The reference library's own limit.
    private static let maximumHeader = 100_000_000
    private static let metadataKey = "__metadata__"

    /// Reads a file; tensors of other types become float32.
    public static func load(_ path: String) throws -> SafeTensors {
        let file = try FileContent(path: path)
        return try CheckpointError.naming("read", path) { try withExtendedLifetime(file) { try read(file.bytes) } }
    }

    /// Writes float32 tensors, 8-byte aligned, in the order given; the file appears whole or not at all.
    public func save(to path: String) throws {
        try CheckpointError.naming("write", path) {
            var header = try Array(JSON.encode(headerValue()).utf8)
            while header.count % 8 != 0 { header.append(UInt8(ascii: " ")) }
            guard header.count <= Self.maximumHeader else {
                throw CheckpointError(.badValue, "the header would exceed \(Self.maximumHeader) bytes")
            }
            let file = try AtomicFile(path: path)
            var start = ByteWriter()
            start.littleEndian(UInt64(header.count))
            try file.write(start.bytes)
            try file.write(header)
            for (_, tensor) in tensors { try tensor.withStoredBytes { try file.write($0) } }
            try file.commit()
        }
    }

    private func headerValue() throws -> Value {
        var members: [Value.Member] = []
        if !metadata.isEmpty {
            members.append(.init(Self.metadataKey, .object(metadata.map { .init($0.name, .string($0.text)) })))
        }
        var seen: Set<ByteKey> = []
        var offset = 0
        for (name, tensor) in tensors {
            guard name != Self.metadataKey, seen.insert(ByteKey(name)).inserted else {
                throw CheckpointError(.badValue, "tensor name '\(name)' is reserved or used twice")
            }
            let end = offset + 4 * tensor.shape.reduce(1, *)
            members.append(
                .init(
                    name,
                    .object(
                        ("dtype", "F32"), ("shape", .array(tensor.shape.map { .int(Int64($0)) })),
                        ("data_offsets", .array([.int(Int64(offset)), .int(Int64(end))])))))
            offset = end
        }
        return .object(members)
    }

    // MARK: - Reading

    private struct Field {
        let name: String
        let type: ElementType
        let shape: [Int64]
        let range: Range<Int>
    }

    /// - Parameter bytes: the whole file.
    static func read(_ bytes: UnsafeRawBufferPointer) throws -> SafeTensors {
        var reader = ByteReader(bytes)
        let size: UInt64 = try reader.littleEndian()
        guard size <= UInt64(maximumHeader), Int(size) <= reader.remaining else {
            throw CheckpointError(
                .outOfSpec, "its header claims \(size) bytes, so the file is cut short or no safetensors file")
        }
        let text = try reader.take(Int(size))
        guard text.first == UInt8(ascii: "{") else {
            throw CheckpointError(.outOfSpec, "the header does not start with '{'; this is no safetensors file")
        }
        let (fields, metadata) = try header(text)
        let data = try reader.take(reader.remaining)
        try refuseGaps(fields, dataSize: data.count)
        let tensors = try fields.map { field in
            do {
                return (name: field.name, tensor: try tensor(field, data))
            } catch let error as CheckpointError {
                throw CheckpointError(error.kind, "tensor '\(field.name)': \(error.message)", details: error.details)
            }
        }
        return SafeTensors(tensors: tensors, metadata: metadata)
    }

    private static func header(
        _ text: UnsafeRawBufferPointer
    ) throws -> (fields: [Field], metadata: [(name: String, text: String)]) {
        let value: Value
        do {
            value = try JSON.decode(text)
        } catch let error as JSONError {
            throw CheckpointError(.outOfSpec, "the header is not valid JSON: \(error.message)")
        }
        guard case .object(let members) = value else {
            throw CheckpointError(.outOfSpec, "the header is not a JSON object")
        }
        var fields: [Field] = []
        var metadata: [(name: String, text: String)] = []
        for member in members {
            if member.name == metadataKey {
                guard case .object(let entries) = member.value else { throw badField(metadataKey) }
                for entry in entries {
                    guard case .string(let text) = entry.value else { throw badField(metadataKey) }
                    metadata.append((entry.name, text))
                }
            } else {
                fields.append(try field(member))
            }
        }
        // Readers may list tensors in any order; the data's order is the one that means something.
        fields.sort { ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound) }
        return (fields, metadata)
    }

    private static func badField(_ name: String) -> CheckpointError {
        CheckpointError(.outOfSpec, "the header describes '\(name)' in an unknown way")
    }

    private static func field(_ member: Value.Member) throws -> Field {
        guard case .object(let entries) = member.value, entries.count == 3,
            case .string(let code)? = member.value["dtype"], case .array(let shape)? = member.value["shape"],
            case .array(let offsets)? = member.value["data_offsets"], offsets.count == 2, shape.count <= 64,
            case .int(let start) = offsets[0], case .int(let end) = offsets[1], start >= 0, start <= end
        else { throw badField(member.name) }
        let lengths = try shape.map { length -> Int64 in
            guard case .int(let length) = length, length >= 0 else { throw badField(member.name) }
            return length
        }
        guard let type = ElementType(safetensors: code) else {
            throw CheckpointError(
                .notSupported, "tensor '\(member.name)' is of type \(code), which is not read; convert it to F32")
        }
        return Field(name: member.name, type: type, shape: lengths, range: Int(start)..<Int(end))
    }

    /// Tensors must tile the data exactly, as the reference library demands.
    private static func refuseGaps(_ fields: [Field], dataSize: Int) throws {
        var end = 0
        for field in fields {
            guard field.range.lowerBound == end else {
                throw CheckpointError(.outOfSpec, "the data of tensor '\(field.name)' overlaps or leaves a gap")
            }
            end = field.range.upperBound
        }
        guard end == dataSize else {
            throw CheckpointError(.outOfSpec, "the header describes \(end) bytes of data, the file has \(dataSize)")
        }
    }

    private static func tensor(_ field: Field, _ data: UnsafeRawBufferPointer) throws -> Tensor {
        guard let count = StridedView.product(field.shape) else { throw badField(field.name) }
        let (size, overflow) = count.multipliedReportingOverflow(by: field.type.byteCount)
        guard !overflow, size == field.range.count else {
            throw CheckpointError(
                .outOfSpec, "shape \(field.shape) of \(field.type.rawValue) does not take \(field.range.count) bytes")
        }
        let view = StridedView(contiguous: field.shape.map { Int($0) }, count: count)
        _ = try Tensor.checkedElements(view.shape, "tensor '\(field.name)'")
        let buffer = Buffer<Float>(uninitialized: count)
        try ElementDecoder(type: field.type, swapped: false).decode(
            UnsafeRawBufferPointer(rebasing: data[field.range]), view, into: buffer.pointer)
        return Tensor(shape: view.shape, storage: buffer)
    }
}
