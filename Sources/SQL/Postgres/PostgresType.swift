import Base
import CPostgres
import Frames

/// A type of the server, as far as reading and writing its binary form needs to know it.
struct PostgresType: Sendable {
    let name: String
    let form: PostgresForm
}

/// The binary form of a type.
indirect enum PostgresForm: Sendable {
    case bool, int2, int4, int8
    /// Unsigned 32-bit: oid, xid, cid.
    case oid
    case float4, float8, numeric
    /// The text's bytes, as `text`, `varchar`, `citext`, `json` and every enum send them.
    case text
    /// A version byte, then text: `jsonb`, `jsonpath`, `ltree`.
    case versionedText
    case bytea, uuid
    /// Microseconds since 2000-01-01.
    case timestamp
    /// Days since 2000-01-01.
    case date
    case time, interval
    /// pgvector's `vector`: a count and float4s.
    case vector
    case array(element: PostgresForm, elementType: UInt32)
    /// Read and written through its text form, which the server makes.
    case other

    /// The column type its values get.
    var dtype: DType {
        switch self {
        case .bool: .bool
        case .int2, .int4, .int8, .oid: .int64
        case .float4: .float32
        case .float8, .numeric: .float64
        case .text, .versionedText, .bytea, .time, .interval, .other: .string
        case .uuid: .uuid
        case .timestamp, .date: .timestamp
        case .vector: .list(.float32)
        case .array(let element, _): .list(element.dtype)
        }
    }

    var isOther: Bool {
        switch self {
        case .other: true
        case .array(let element, _): element.isOther
        default: false
        }
    }

    /// Whether tt writes the binary form itself; else values travel as text and the server reads them.
    var isWritable: Bool {
        switch self {
        case .time, .interval, .other: false
        case .array(let element, _): element.isWritable
        default: true
        }
    }

    var isVersionedText: Bool {
        if case .versionedText = self { true } else { false }
    }
}

extension PostgresType {
    static let json: UInt32 = 114
    static let jsonb: UInt32 = 3802
    static let text: UInt32 = 25

    /// The types every server has under the same OID, and those of their arrays.
    static let builtIn: [UInt32: PostgresType] = {
        let scalars: [(UInt32, String, PostgresForm, UInt32)] = [
            (16, "bool", .bool, 1000), (17, "bytea", .bytea, 1001), (18, "\"char\"", .text, 1002),
            (19, "name", .text, 1003), (20, "bigint", .int8, 1016), (21, "smallint", .int2, 1005),
            (23, "integer", .int4, 1007), (25, "text", .text, 1009), (26, "oid", .oid, 1028), (28, "xid", .oid, 1011),
            (29, "cid", .oid, 1012), (114, "json", .text, 199), (142, "xml", .text, 143), (700, "real", .float4, 1021),
            (701, "double precision", .float8, 1022), (705, "unknown", .text, 0), (1042, "character", .text, 1014),
            (1043, "character varying", .text, 1015), (1082, "date", .date, 1182), (1083, "time", .time, 1183),
            (1114, "timestamp", .timestamp, 1115), (1184, "timestamptz", .timestamp, 1185),
            (1186, "interval", .interval, 1187), (1700, "numeric", .numeric, 1231), (2950, "uuid", .uuid, 2951),
            (3802, "jsonb", .versionedText, 3807), (4072, "jsonpath", .versionedText, 4073),
        ]
        var types: [UInt32: PostgresType] = [:]
        for (oid, name, form, array) in scalars {
            types[oid] = PostgresType(name: name, form: form)
            if array != 0 {
                types[array] = PostgresType(name: name + "[]", form: .array(element: form, elementType: oid))
            }
        }
        return types
    }()
}

extension PostgresConnection {
    /// Looks up the types among `oids` that are not known yet. Not while a statement is running.
    func learn(_ oids: some Sequence<UInt32>) throws {
        for oid in Set(oids) where types[oid] == nil {
            let rows = try rows(
                """
                SELECT pg_catalog.format_type(t.oid, NULL), t.typtype::text, t.typbasetype::text,
                    CASE WHEN t.typcategory = 'A' THEN t.typelem ELSE 0 END::text, p.proname::text
                FROM pg_catalog.pg_type t LEFT JOIN pg_catalog.pg_proc p ON p.oid = t.typsend WHERE t.oid = $1::oid
                """, [.int(Int64(oid))])
            guard let row = rows.first, let name = row[0], let base = UInt32(row[2] ?? ""),
                let element = UInt32(row[3] ?? "")
            else {
                types[oid] = PostgresType(name: "type \(oid)", form: .other)
                continue
            }
            // Domains and arrays are described by another type.
            let needed = base != 0 ? base : element
            if needed != 0 { try learn([needed]) }
            let form: PostgresForm
            if base != 0 {
                form = types[needed]?.form ?? .other
            } else if element != 0 {
                let inner = types[element]?.form ?? .other
                if case .array = inner { form = .other } else { form = .array(element: inner, elementType: element) }
            } else if row[1] == "e" {
                form = .text
            } else {
                switch row[4] {
                case "textsend", "varcharsend", "bpcharsend", "namesend", "citextsend", "enum_send", "json_send",
                    "xml_send", "unknownsend":
                    form = .text
                case "jsonb_send", "jsonpath_send", "ltree_send", "lquery_send", "ltxtq_send": form = .versionedText
                case "vector_send" where name.hasSuffix("vector"): form = .vector
                default: form = .other
                }
            }
            types[oid] = PostgresType(name: name, form: form)
        }
    }

    /// A small result as texts; for tt's own questions to the catalogs.
    func rows(_ sql: String, _ parameters: [Parameter] = []) throws -> [[String?]] {
        let statement = try Statement(sql, parameters, dialect: .postgresql)
        var rows: [[String?]] = []
        let values = try PostgresValues(parameters)
        try run(statement, send: { values.send($0, statement.text, binaryResults: false) }) { result, _ in
            for row in 0..<tt_PQntuples(result) {
                rows.append(
                    (0..<tt_PQnfields(result)).map { column in
                        tt_PQgetisnull(result, row, column) != 0
                            ? nil : String(cString: tt_PQgetvalue(result, row, column))
                    })
            }
        }
        return rows
    }

    /// Runs one or more statements of tt's own.
    func command(_ sql: String, uninterruptible: Bool = false) throws {
        try run(nil, uninterruptible: uninterruptible, send: { PostgresSend.text($0, sql) }) { _, _ in }
    }
}

/// Parameters in the memory libpq reads them from.
final class PostgresValues {
    private var texts: [UnsafeMutablePointer<CChar>?] = []

    init(_ parameters: [Parameter]) throws {
        for (index, parameter) in parameters.enumerated() {
            guard let bytes = try parameter.postgresText(index + 1) else {
                texts.append(nil)
                continue
            }
            let memory = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count + 1)
            for (at, byte) in bytes.enumerated() { memory[at] = CChar(bitPattern: byte) }
            memory[bytes.count] = 0
            texts.append(memory)
        }
    }

    deinit { for text in texts { text?.deallocate() } }

    /// Types are left to the server, which infers them from where each placeholder stands.
    func send(_ connection: OpaquePointer, _ sql: String, binaryResults: Bool) -> Int32 {
        StatementTrace.note(sql)
        return texts.map { UnsafePointer($0) }.withUnsafeBufferPointer {
            tt_PQsendQueryParams(
                connection, sql, Int32($0.count), nil, $0.baseAddress, nil, nil, binaryResults ? 1 : 0)
        }
    }
}

/// Sends statements without values.
enum PostgresSend {
    /// One or more statements, answered in text.
    static func text(_ connection: OpaquePointer, _ sql: String) -> Int32 {
        StatementTrace.note(sql)
        return tt_PQsendQuery(connection, sql)
    }

    /// One statement, answered in binary.
    static func binary(_ connection: OpaquePointer, _ sql: String) -> Int32 {
        StatementTrace.note(sql)
        return tt_PQsendQueryParams(connection, sql, 0, nil, nil, nil, nil, 1)
    }
}
