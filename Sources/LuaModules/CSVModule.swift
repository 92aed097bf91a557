import Base
import Frames
import LuaHost

/// `require "tt.csv"`.
enum CSVModule {
    static var module: LuaModule {
        LuaModule(
            "tt.csv",
            functions: [
                // csv.read(path, {header=, delimiter=, names=, types=, columns=, null=}) -> tt.Frame
                "read": { call in
                    call.push(object: try CSV.read(path: try call[1].string(), options: try readOptions(call[2])))
                },
                // csv.decode(text, opts) -> tt.Frame
                "decode": { call in
                    let options = try readOptions(call[2])
                    return call.push(object: try call[1].withBytes { try CSV.decode($0, options: options) })
                },
                // csv.write(path, frame, {header=, delimiter=, null=})
                "write": { call in
                    try CSV.write(
                        try call[2].object(Frame.self), path: try call[1].string(), options: try writeOptions(call[3]))
                    return 0
                },
                // csv.encode(frame, opts) -> string
                "encode": { call in
                    let text = try CSV.encode(try call[1].object(Frame.self), options: try writeOptions(call[2]))
                    return try text.withUnsafeBytes { try call.pushLarge($0) }
                },
            ])
    }

    private static func readOptions(_ argument: Argument) throws -> CSV.ReadOptions {
        let given = try argument.options(["header", "delimiter", "names", "types", "columns", "null"])
        var options = CSV.ReadOptions()
        if let header = try given.field("header").optional { options.hasHeader = try header.bool() }
        if let delimiter = try given.field("delimiter").optional { options.delimiter = try byte(delimiter) }
        if let null = try given.field("null").optional { options.nulls = try null.names() }
        options.names = try given.field("names").optional?.strings()
        options.columns = try given.field("columns").optional?.strings()
        options.types = try given.field("types").optional?.dtypes() ?? []
        return options
    }

    private static func writeOptions(_ argument: Argument) throws -> CSV.WriteOptions {
        let given = try argument.options(["header", "delimiter", "null"])
        var options = CSV.WriteOptions()
        if let header = try given.field("header").optional { options.hasHeader = try header.bool() }
        if let delimiter = try given.field("delimiter").optional { options.delimiter = try byte(delimiter) }
        if let null = try given.field("null").optional { options.null = try null.string() }
        return options
    }

    private static func byte(_ argument: Argument) throws -> UInt8 {
        let bytes = try argument.bytes()
        guard bytes.count == 1, bytes[0] < 0x80, ![0x0A, 0x0D, UInt8(ascii: "\"")].contains(bytes[0]) else {
            throw argument.error("a delimiter is one ASCII character other than a quote or a line end")
        }
        return bytes[0]
    }
}
