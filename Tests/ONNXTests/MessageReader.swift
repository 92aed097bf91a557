import Base

/// Reads a protocol buffer message back into its fields, so that tests see what the exporter wrote.
struct Message {
    enum Field {
        case number(UInt64)
        case bytes([UInt8])
        case fixed(UInt32)
    }

    let fields: [(number: Int, content: Field)]

    init(_ bytes: [UInt8]) throws {
        fields = try bytes.withUnsafeBytes { raw in
            var reader = ByteReader(raw)
            var fields: [(Int, Field)] = []
            while reader.remaining > 0 {
                let tag = try reader.varint()
                let number = Int(tag >> 3)
                switch tag & 7 {
                case 0: fields.append((number, .number(try reader.varint())))
                case 2: fields.append((number, .bytes(Array(try reader.take(Int(try reader.varint()))))))
                case 5: fields.append((number, .fixed(try reader.littleEndian())))
                default: throw BaseError("test", "wire type \(tag & 7)")
                }
            }
            return fields
        }
    }

    func all(_ number: Int) -> [[UInt8]] {
        fields.compactMap { field in
            if field.number == number, case .bytes(let bytes) = field.content { bytes } else { nil }
        }
    }

    func messages(_ number: Int) throws -> [Message] { try all(number).map { try Message($0) } }

    func texts(_ number: Int) -> [String] { all(number).map { String(decoding: $0, as: UTF8.self) } }

    func text(_ number: Int) -> String? { texts(number).first }

    func numbers(_ number: Int) -> [Int64] {
        fields.compactMap { field in
            if field.number == number, case .number(let value) = field.content {
                Int64(bitPattern: value)
            } else {
                nil
            }
        }
    }
}
