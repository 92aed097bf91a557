import Base
import Testing

@testable import Frames

@Suite struct CSVTests {
    private func read(_ text: String, _ change: (inout CSV.ReadOptions) -> Void = { _ in }) throws -> Frame {
        var options = CSV.ReadOptions()
        change(&options)
        return try Array(text.utf8).withUnsafeBytes { try CSV.decode($0, source: "x.csv", options: options) }
    }

    @Test func typesComeFromTheWholeText() throws {
        let frame = try read(
            """
            i,f,b,t,u,s,z,n,big
            1,1,true,2025-01-31,00000000-0000-4000-8000-00000000000a,a,007,,18446744073709551615
            -2,1e3,False,2025-01-31T12:00:00Z,00000000-0000-4000-8000-00000000000b,1,1,,2
            ,,,,,,,,

            """)
        #expect(
            frame.columns.map(\.dtype.name) == [
                "int64", "float64", "bool", "timestamp", "uuid", "string", "string", "string", "string",
            ])
        #expect(frame["i"]!.values == [1, -2, .null])
        #expect(frame["f"]!.values == [.double(1), .double(1000), .null])
        #expect(frame["z"]!.values == ["007", "1", .null])
        #expect(frame.rowCount == 3)
    }

    @Test func aLateMisfitWidensTheColumn() throws {
        var text = "a,b,c\n"
        for row in 0..<5000 { text += "\(row),\(row),x\n" }
        text += "1.5,2,x\n,none,x\n"
        let frame = try read(text)
        #expect(frame["a"]!.dtype == .float64)
        #expect(frame["b"]!.dtype == .string)
        #expect(frame["b"]!.value(5001) == "none")
        #expect(frame.rowCount == 5002)
    }

    @Test func quotingLineEndsAndMarks() throws {
        let frame = try read("\u{FEFF}\"a b\",c\r\n\"x, \"\"y\"\"\nz\",1\r\n\"\",2\r\n,3\r\rlast,4")
        #expect(frame.names == ["a b", "c"])
        #expect(frame["a b"]!.values == ["x, \"y\"\nz", "", .null, "last"])
        #expect(frame["c"]!.values == [1, 2, 3, 4])
    }

    @Test func optionsAreHonoured() throws {
        let frame = try read("1;NA;x\n2;;y\n") {
            $0.hasHeader = false
            $0.delimiter = UInt8(ascii: ";")
            $0.nulls = ["NA"]
            $0.types = [("column_1", .string)]
        }
        #expect(frame.names == ["column_1", "column_2", "column_3"])
        #expect(frame["column_1"]!.values == ["1", "2"])
        #expect(frame["column_2"]!.values == [.null, ""])
        let named = try read("1,2\n") {
            $0.hasHeader = false
            $0.names = ["p", "q"]
            $0.columns = ["q"]
        }
        #expect(named.names == ["q"])
        let lists = try read("tags\n\"[\"\"a\"\",\"\"b\"\"]\"\n[]\n\n") { $0.types = [("tags", .list(.string))] }
        #expect(lists["tags"]!.values == [.array(["a", "b"]), .array([]), .null])
    }

    @Test(arguments: [
        ("a,b\n1\n", "csv.fields", "x.csv, line 2: the row has 1 field, expected 2"),
        ("a,b\n1,2\n\n1,2,3\n", "csv.fields", "x.csv, line 4: the row has 3 fields, expected 2"),
        ("a,a\n", "csv.header", "x.csv, line 1: two columns are named 'a'; give 'names' to rename them"),
        (
            "a\n\"b\"c\n", "csv.syntax",
            "x.csv, line 2: text after a closing quote; a quote inside of a quoted field is written twice"
        ),
        ("a\nx\n\"b\n\n", "csv.syntax", "x.csv, line 3: a quoted field starts here and is never closed"),
    ])
    func errorsNameTheLine(_ text: String, _ code: String, _ message: String) {
        let error = #expect(throws: CSVError.self) { try read(text) }
        #expect(error?.code == code)
        #expect(error?.message == message)
    }

    @Test func givenTypesAreStrict() {
        let error = #expect(throws: CSVError.self) {
            try read("a,b\n1,\"x\ny\"\n2,z\nq,w\n") { $0.types = [("a", .int64)] }
        }
        #expect(error?.message == "x.csv, line 5, column 'a': 'q' is not an int64")
        let unknown = #expect(throws: CSVError.self) { try read("price\n1\n") { $0.types = [("prise", .int64)] } }
        #expect(unknown?.message == "x.csv: 'types' names 'prise', which is no column; did you mean 'price'?")
    }

    @Test(arguments: ["", "\n", "a,b", "a,b\n"]) func emptyFilesHaveNoRows(_ text: String) throws {
        #expect(try read(text).rowCount == 0)
    }

    @Test func roundTrip() throws {
        let frame = try Frame([
            ("i", .int64([1, nil, .min])), ("f", .float64([0.1, nil, 1e300])), ("b", .bool([true, nil, false])),
            ("t", .timestamp([1, nil, -1])), ("u", .uuid([UUID(high: 1, low: 2), nil, UUID(high: 0, low: 0)])),
            ("s, \"q\"", .string(["a\nb", nil, ""])), ("l", try .from([.array(["x,y"]), .null, .array([])])),
        ])
        let text = try CSV.encode(frame)
        let back = try text.withUnsafeBytes { bytes in
            var options = CSV.ReadOptions()
            options.types = [("l", .list(.string))]
            return try CSV.decode(bytes, options: options)
        }
        #expect(back.names == frame.names)
        for (a, b) in zip(back.columns, frame.columns) {
            #expect(a.dtype == b.dtype)
            #expect(a.values == b.values)
        }
    }

    @Test func damagedTextNeverTraps() {
        let text = Array("a,b\n\"x\"\"y\",1\r\n\"\n\",\"2\"\n\u{FEFF}é,3".utf8)
        for cut in 0..<text.count {
            _ = try? Array(text[..<cut]).withUnsafeBytes { try CSV.decode($0) }
            var changed = text
            for byte: UInt8 in [0, 0x0A, 0x0D, 0x22, 0x2C, 0xFF] {
                changed[cut] = byte
                _ = try? changed.withUnsafeBytes { try CSV.decode($0) }
            }
        }
    }
}
