// The enumerations of parquet.thrift, under the specification's names.
// https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift

/// How values are stored.
enum PhysicalType: Int32 {
    case boolean = 0
    case int32 = 1
    case int64 = 2
    case int96 = 3
    case float = 4
    case double = 5
    case byteArray = 6
    case fixedLenByteArray = 7

    var name: String {
        switch self {
        case .boolean: "BOOLEAN"
        case .int32: "INT32"
        case .int64: "INT64"
        case .int96: "INT96"
        case .float: "FLOAT"
        case .double: "DOUBLE"
        case .byteArray: "BYTE_ARRAY"
        case .fixedLenByteArray: "FIXED_LEN_BYTE_ARRAY"
        }
    }
}

enum Repetition: Int32 {
    case required = 0
    case optional = 1
    case repeated = 2
}

/// The older, flat way to say what a physical type means; still written beside the logical type.
enum ConvertedType: Int32 {
    case utf8 = 0
    case map = 1
    case mapKeyValue = 2
    case list = 3
    case enumeration = 4
    case decimal = 5
    case date = 6
    case timeMillis = 7
    case timeMicros = 8
    case timestampMillis = 9
    case timestampMicros = 10
    case uint8 = 11
    case uint16 = 12
    case uint32 = 13
    case uint64 = 14
    case int8 = 15
    case int16 = 16
    case int32 = 17
    case int64 = 18
    case json = 19
    case bson = 20
    case interval = 21
}

enum TimeUnit: Int16 {
    case millis = 1
    case micros = 2
    case nanos = 3

    var name: String {
        switch self {
        case .millis: "MILLIS"
        case .micros: "MICROS"
        case .nanos: "NANOS"
        }
    }
}

/// What a physical type means. `other` is a type newer than this reader.
enum LogicalType {
    case string, map, list, enumeration
    case decimal(scale: Int32)
    case date
    case time(TimeUnit)
    case timestamp(TimeUnit)
    case integer(bits: Int, signed: Bool)
    case unknown, json, bson, uuid, float16, interval
    case other(String)

    var name: String {
        switch self {
        case .string: "String"
        case .map: "Map"
        case .list: "List"
        case .enumeration: "Enum"
        case .decimal(let scale): "Decimal(scale \(scale))"
        case .date: "Date"
        case .time(let unit): "Time(\(unit.name))"
        case .timestamp(let unit): "Timestamp(\(unit.name))"
        case .integer(let bits, let signed): signed ? "Int\(bits)" : "UInt\(bits)"
        case .unknown: "Null"
        case .json: "JSON"
        case .bson: "BSON"
        case .uuid: "UUID"
        case .float16: "Float16"
        case .interval: "Interval"
        case .other(let name): name
        }
    }

    init(reading reader: inout ThriftReader) throws {
        var found: LogicalType?
        try reader.structure { reader, id, kind in
            guard kind == .structure else { return try reader.skip(kind) }
            switch id {
            case 1: found = .string
            case 2: found = .map
            case 3: found = .list
            case 4: found = .enumeration
            case 5:
                var scale: Int32 = 0
                try reader.structure { reader, id, kind in
                    if id == 1 && kind == .i32 { scale = try reader.i32() } else { try reader.skip(kind) }
                }
                found = .decimal(scale: scale)
                return
            case 6: found = .date
            case 7, 8:
                var unit: TimeUnit?
                try reader.structure { reader, id, kind in
                    guard id == 2 && kind == .structure else { return try reader.skip(kind) }
                    try reader.structure { reader, id, kind in
                        unit = TimeUnit(rawValue: id)
                        try reader.skip(kind)
                    }
                }
                guard let unit else { throw ParquetError.outOfSpec("a time type without a known unit") }
                found = id == 7 ? .time(unit) : .timestamp(unit)
                return
            case 10:
                var bits = 64
                var signed = true
                try reader.structure { reader, id, kind in
                    switch (id, kind) {
                    case (1, .byte): bits = Int(try reader.byte())
                    case (2, .yes), (2, .no): signed = kind == .yes
                    default: try reader.skip(kind)
                    }
                }
                found = .integer(bits: bits, signed: signed)
                return
            case 11: found = .unknown
            case 12: found = .json
            case 13: found = .bson
            case 14: found = .uuid
            case 15: found = .float16
            case 16: found = .other("Variant")
            case 17: found = .other("Geometry")
            case 18: found = .other("Geography")
            default: found = .other("logical type \(id)")
            }
            try reader.skip(kind)
        }
        guard let found else { throw ParquetError.outOfSpec("an empty logical type") }
        self = found
    }

    /// The logical type that a converted type stands for.
    init(_ converted: ConvertedType, scale: Int32) {
        switch converted {
        case .utf8: self = .string
        case .map, .mapKeyValue: self = .map
        case .list: self = .list
        case .enumeration: self = .enumeration
        case .decimal: self = .decimal(scale: scale)
        case .date: self = .date
        case .timeMillis: self = .time(.millis)
        case .timeMicros: self = .time(.micros)
        case .timestampMillis: self = .timestamp(.millis)
        case .timestampMicros: self = .timestamp(.micros)
        case .uint8: self = .integer(bits: 8, signed: false)
        case .uint16: self = .integer(bits: 16, signed: false)
        case .uint32: self = .integer(bits: 32, signed: false)
        case .uint64: self = .integer(bits: 64, signed: false)
        case .int8: self = .integer(bits: 8, signed: true)
        case .int16: self = .integer(bits: 16, signed: true)
        case .int32: self = .integer(bits: 32, signed: true)
        case .int64: self = .integer(bits: 64, signed: true)
        case .json: self = .json
        case .bson: self = .bson
        case .interval: self = .interval
        }
    }
}

enum Encoding: Int32 {
    case plain = 0
    case plainDictionary = 2
    case rle = 3
    case bitPacked = 4
    case deltaBinaryPacked = 5
    case deltaLengthByteArray = 6
    case deltaByteArray = 7
    case rleDictionary = 8
    case byteStreamSplit = 9

    var name: String {
        switch self {
        case .plain: "PLAIN"
        case .plainDictionary: "PLAIN_DICTIONARY"
        case .rle: "RLE"
        case .bitPacked: "BIT_PACKED"
        case .deltaBinaryPacked: "DELTA_BINARY_PACKED"
        case .deltaLengthByteArray: "DELTA_LENGTH_BYTE_ARRAY"
        case .deltaByteArray: "DELTA_BYTE_ARRAY"
        case .rleDictionary: "RLE_DICTIONARY"
        case .byteStreamSplit: "BYTE_STREAM_SPLIT"
        }
    }
}

enum PageType: Int32 {
    case data = 0
    case index = 1
    case dictionary = 2
    case dataV2 = 3
}
