import Base
import JSON
import Testing

@testable import Frames

@Suite struct FrameJSONTests {
    func column(_ name: String, _ type: String, path: String? = nil) throws -> JSONColumn {
        try JSONColumn(name, type == "json" ? .json : .dtype(try #require(DType(name: type))), path: path)
    }

    /// The values of one column `v` of rows `{"v": …}`.
    func values(_ type: String, _ rows: String...) throws -> [Value] {
        let text = "[" + rows.map { "{\"v\":\($0)}" }.joined(separator: ",") + "]"
        return try Frame.fromJSON(text, columns: [column("v", type)]).column("v").values
    }

    /// The values of a column as JSON texts, by a semicolon.
    func texts(_ name: String, of frame: Frame) throws -> String {
        guard case .array(let rows) = try JSON.decode(String(decoding: frame.toJSON(), as: UTF8.self)) else {
            return ""
        }
        return try rows.map { try JSON.encode($0[name] ?? .null) }.joined(separator: ";")
    }

    func failure(_ text: String, _ columns: [JSONColumn]) -> (code: String, message: String)? {
        do {
            _ = try Frame.fromJSON(text, columns: columns)
            return nil
        } catch {
            return (error as? any TTError).map { ($0.code, $0.message) } ?? ("\(error)", "")
        }
    }

    @Test func scalarsAreRead() throws {
        #expect(
            try values("int64", "1", "-9223372036854775808", "\"42\"", "3.0", "\" 7 \"", "\"1e3\"", "null")
                == [1, .int(.min), 42, 3, 7, 1000, .null])
        #expect(
            try values("float64", "1", "0.1", "-1e-3", "\"2.5\"", "\"NaN\"", "\"Infinity\"", "\"-Infinity\"", "null")
                == [1.0, 0.1, -0.001, 2.5, .null, .null, .null, .null])
        #expect(
            try values("float64", "123456789012345678901234567890", "0.1000000000000000055511151231257827")
                == [.double(123_456_789_012_345_677_877_719_597_056), 0.1])
        #expect(
            try values("float32", "0.1", "\"16777217\"", "null") == [.float(0.1), .float(16777216), .null])
        #expect(try values("bool", "true", "false", "null") == [true, false, .null])
        #expect(
            try values("string", "\"a\\u0062\"", "\"\"", "12.50", "null", "\"日本\"") == ["ab", "", "12.50", .null, "日本"])
        let uuid = "00112233-4455-6677-8899-aabbccddeeff"
        #expect(try values("uuid", "\"\(uuid.uppercased())\"", "null") == [.string(uuid), .null])
        #expect(
            try values("timestamp", "\"2025-01-31T12:00:00+09:00\"", "\"infinity\"", "\"-infinity\"", "null")
                == [.int(1_738_292_400_000_000), .null, .null, .null])
        #expect(
            try values("json", "{ \"b\" : [1.50, null] , \"a\" : \"\\u00e9\" }", "null", "\"x\"", "[]", "1e400")
                == ["{\"b\":[1.50,null],\"a\":\"é\"}", .null, "\"x\"", "[]", "1e400"])
    }

    @Test func listsAreRead() throws {
        func lists(_ type: String, _ rows: String...) throws -> String {
            let text = "[" + rows.map { "{\"v\":\($0)}" }.joined(separator: ",") + "]"
            return try texts("v", of: Frame.fromJSON(text, columns: [column("v", type)]))
        }
        #expect(
            try lists("list<string>", "[\"a\",null,\"b\"]", "[]", "null", "[ 7 ]") == #"["a",null,"b"];[];null;["7"]"#)
        #expect(
            try lists("list<float32>", "[1,2.5,\"3\",\"NaN\"]", "\"[1,2.5,-3e-1]\"", "\"[]\"", "\"[ ]\"", "null")
                == "[1.0,2.5,3.0,null];[1.0,2.5,-0.3];[];[];null")
        #expect(try lists("list<float64>", "\"[ 1, 2 ]\"") == "[1.0,2.0]")
        #expect(try lists("list<int64>", "[1,2]", "[null]") == "[1,2];[null]")
        #expect(try lists("list<bool>", "[true,false]") == "[true,false]")
        #expect(
            try lists("list<uuid>", "[\"00112233-4455-6677-8899-AABBCCDDEEFF\"]")
                == #"["00112233-4455-6677-8899-aabbccddeeff"]"#)
        #expect(try lists("list<timestamp>", "[\"1970-01-01\",\"infinity\"]") == #"["1970-01-01T00:00:00Z",null]"#)
    }

    @Test func unreadableValuesAreNamedAndNotShown() throws {
        let wrong: [(String, [String])] = [
            (
                "int64",
                [
                    "1.5", "\"secret\"", "true", "[]", "{}", "9223372036854775808", "1e300", "\"NaN\"", "\"\"",
                    "9007199254740993.5",
                ]
            ),
            ("float64", ["\"secret\"", "false", "\"1x\"", "[1]", "{}", "1e400", "\"1e400\"", "\"\"", "\"1 2\""]),
            ("float32", ["1e39", "\"1e39\"", "\"secret\"", "true"]),
            ("bool", ["1", "\"true\"", "[]"]),
            ("string", ["true", "[]", "{\"secret\":1}"]),
            ("uuid", ["\"secret\"", "1", "\"0011223344556677\"", "{}"]),
            ("timestamp", ["\"secret\"", "5", "\"2025-02-30\"", "\"\"", "[]"]),
            ("list<string>", ["\"secret\"", "{}", "[true]", "[[]]", "5"]),
            (
                "list<float32>",
                [
                    "[\"secret\"]", "\"secret\"", "\"[1,]\"", "\"[,1]\"", "\"[1\"", "\"1,2\"", "\"[1;2]\"", "\"[NaN]\"",
                    "\"[1e99]\"", "\"[1 2]\"", "\"[\"", "\"]\"", "[[1]]", "[1e99]", "{}",
                ]
            ),
            ("list<bool>", ["\"[1]\"", "[1]"]),
        ]
        for (type, texts) in wrong {
            for text in texts {
                let found = failure("[{\"v\":null},{\"v\":\(text)}]", [try column("v", type)])
                #expect(found?.code == "json.column", "\(type): \(text)")
                #expect(found?.message == "row 2, column 'v': the value is no \(type)", "\(text)")
            }
        }
        let error = #expect(throws: FrameError.self) {
            try Frame.fromJSON("[{\"v\":{}}]", columns: [column("v", "int64")])
        }
        #expect(error?.details.map(\.0) == ["row", "column", "expected"])
        #expect(error?.details.map(\.1) == [1, "v", "int64"])
    }

    @Test func pathsReachFurtherInside() throws {
        let text = #"""
            [{"id": 1, "a": {"b": 5, "x": [1]}, "links": [{"tag": {"name": "p"}}, {"tag": null}, {"tag": {"name": "q"}}, {}, null, {"tag": {"name": null}}]},
             {"id": 2, "a": {}, "links": []},
             {"id": 3, "a": null, "links": null},
             {"id": 4},
             {"links": [{"n": 2, "tag": {"other": 1, "name": "r"}}], "a": {"b": null}, "id": 5}]
            """#
        let frame = try Frame.fromJSON(
            text,
            columns: [
                column("tags", "list<string>", path: "links[].tag.name"), column("b", "int64", path: "a.b"),
                column("id", "int64"), column("raw", "json", path: "links"),
                column("n", "list<int64>", path: "links[].n"),
                column("x", "list<float32>", path: "a.x"), column("missing", "uuid"),
            ])
        #expect(try texts("tags", of: frame) == #"["p","q"];[];null;null;["r"]"#)
        #expect(try frame.column("b").values == [5, .null, .null, .null, .null])
        #expect(try frame.column("id").values == [1, 2, 3, 4, 5])
        #expect(try texts("n", of: frame) == "[];[];null;null;[2]")
        #expect(try texts("x", of: frame) == "[1.0];null;null;null;null")
        #expect(try frame.column("missing").values == [.null, .null, .null, .null, .null])
        #expect(try frame.column("raw").values[4] == #"[{"n":2,"tag":{"other":1,"name":"r"}}]"#)
        let nested = try Frame.fromJSON(
            "[{\"a\":[{\"b\":[1,null,2]},{\"b\":[]},{\"b\":[3]}]},{\"a\":[]}]",
            columns: [column("v", "list<int64>", path: "a[].b[]")])
        #expect(try texts("v", of: nested) == "[1,2,3];[]")
        // A name of its own is no path.
        #expect(try Frame.fromJSON("[{\"a.b\":1}]", columns: [column("a.b", "int64")]).column("a.b").values == [1])
        for (row, type, path, missing) in [
            ("{\"a\":[]}", "int64", "a.b", "object"), ("{\"a\":\"x\"}", "int64", "a.b", "object"),
            ("{\"a\":{}}", "list<int64>", "a[]", "array"), ("{\"a\":[[]]}", "list<int64>", "a[].b", "object"),
        ] {
            let found = failure("[\(row)]", [try column("v", type, path: path)])
            #expect(found?.code == "json.column")
            #expect(
                found?.message == "row 1, column 'v': the path '\(path)' goes through a value that is no \(missing)")
        }
        #expect(
            failure("[{\"a\":[{\"b\":1},{\"b\":true}]}]", [try column("v", "list<int64>", path: "a[].b")])?.message
                == "row 1, column 'v': the value is no list<int64>")
    }

    @Test func wrongPathsAreRefused() throws {
        for path in ["", ".", "a.", ".a", "a..b", "[]", "a[].", "a[0]", "a[", "a]", "a[]b"] {
            let error = #expect(throws: FrameError.self, "\(path)") { try column("v", "list<string>", path: path) }
            #expect(error?.code == "json.path")
        }
        for (type, path) in [("string", "a[]"), ("json", "a[].b"), ("list<list<int64>>", "a")] {
            let error = #expect(throws: FrameError.self) { try column("v", type, path: path) }
            #expect(error?.code == "frame.type")
        }
    }

    @Test func rowsMayDifferInShape() throws {
        let columns = try [column("a", "int64"), column("b", "string")]
        let frame = try Frame.fromJSON(
            "[{\"a\":1,\"b\":\"x\"},{\"b\":\"y\",\"a\":2},{},{\"c\":{\"a\":9},\"a\":3},{\"a\":4,\"b\":\"z\",\"c\":0},{\"\\u0061\":5},{\"ab\":1,\"a\":6}]",
            columns: columns)
        #expect(try frame.column("a").values == [1, 2, .null, 3, 4, 5, 6])
        #expect(try frame.column("b").values == ["x", "y", .null, .null, "z", .null, .null])
        #expect(try Frame.fromJSON(" [ ] ", columns: columns).rowCount == 0)
        #expect(try Frame.fromJSON("[{\"x\":1},{}]", columns: []).rowCount == 2)
        // The same shape again and again, then random ones, against a reader of trees.
        var random = Random(seed: 5)
        let names = ["a", "b", "c", "aa", "bb", "\\u0062", "long name of more than eight"]
        for _ in 0..<300 {
            let rows = (0..<8).map { _ in
                var used: Set<String> = []
                return (0..<random.below(6)).compactMap { _ -> String? in
                    let name = names[random.below(names.count)]
                    guard used.insert(name == "\\u0062" ? "b" : name).inserted else { return nil }
                    return "\"\(name)\":\(name == "a" ? "\(random.below(9))" : "\"\(random.below(9))\"")"
                }.joined(separator: ",")
            }
            let text = "[" + rows.map { "{\($0)}" }.joined(separator: ", ") + "]"
            guard case .array(let trees) = try JSON.decode(text) else { return }
            let frame = try Frame.fromJSON(text, columns: columns)
            #expect(try frame.column("a").values == trees.map { $0["a"] ?? .null }, "\(text)")
            #expect(try frame.column("b").values == trees.map { $0["b"] ?? .null }, "\(text)")
        }
    }

    static let page = #"""
        [{"id": "00112233-4455-6677-8899-aabbccddeeff", "price": "12.50", "at": "2025-01-31T12:00:00+00:00", "n": 7,
          "ok": true, "title": "日本 \"x\"\n\ud83d\ude00", "links": [{"tag": {"name": "a"}}, {"tag": null}],
          "urls": ["u", 1, {"k": null}], "v": "[1,2.5,-3e-1]", "w": [0.5, null]},
         {"id": null, "price": "NaN", "n": -1.0, "links": [], "v": [1], "extra": {"deep": [[[]]]}}]
        """#

    static func pageColumns() throws -> [JSONColumn] {
        try [
            JSONColumn("id", .dtype(.uuid)), JSONColumn("price", .dtype(.float64)),
            JSONColumn("at", .dtype(.timestamp)),
            JSONColumn("n", .dtype(.int64)), JSONColumn("ok", .dtype(.bool)), JSONColumn("title", .dtype(.string)),
            JSONColumn("tags", .dtype(.list(.string)), path: "links[].tag.name"), JSONColumn("urls", .json),
            JSONColumn("v", .dtype(.list(.float32))), JSONColumn("w", .dtype(.list(.float64))),
        ]
    }

    @Test func malformedTextHasTheCodesOfDecode() throws {
        let columns = try [column("a", "string"), column("b", "json")]
        let texts = [
            "", " ", "[", "[{", "[{\"a\"", "[{\"a\":", "[{\"a\":\"x", "[{\"a\":\"x\"", "[{\"a\":\"x\"}",
            "[{\"a\":\"x\"},]",
            "[{\"a\":\"x\",}]", "[{\"a\":\"x\"}] x", "[{\"a\":\"x\" \"b\":1}]", "[{\"a\":1,\"a\":2}]",
            "[{\"c\":1,\"c\":2}]",
            "[{\"b\":{\"c\":1,\"c\":2}}]", "[{\"c\":{\"d\":1,\"d\":2}}]", "[{\"a\":\"\\ud800\"}]", "[{\"a\":01}]",
            "[{\"c\":tru}]", "\u{FEFF}[]", "[{\"a\":\"\u{2}\"}]", "[nope]", "nope", "{\"a\":}", "[{\"a\":nope}]",
            "[{\"a\":true},", "[{\"a\":1\0}]",
            "[{\"c\":" + String(repeating: "[", count: 5000) + "1" + String(repeating: "]", count: 5000) + "}]",
        ]
        for text in texts {
            let expected = #expect(throws: JSONError.self, "\(text.prefix(40))") { try JSON.decode(text) }
            let found = failure(text, columns)
            #expect(found?.code == expected?.code && found?.message == expected?.message, "\(text.prefix(40))")
        }
        let bytes: [UInt8] = Array("[{\"c\":\"".utf8) + [0xFF] + Array("\"}]".utf8)
        let error = bytes.withUnsafeBytes { raw in
            #expect(throws: JSONError.self) { try Frame.fromJSON(raw, columns: columns) }
        }
        #expect(error?.code == "json.utf8")
        for (text, message) in [
            ("{\"a\":1}", "an array of objects expected, got an object"),
            ("5", "an array of objects expected, got a number"),
            ("[{},[]]", "row 2: an object expected, got an array"), ("[null]", "row 1: an object expected, got null"),
        ] {
            let found = failure(text, columns)
            #expect(found?.code == "json.rows" && found?.message == message)
        }
    }

    @Test func damagedPagesNeverTrap() throws {
        let columns = try Self.pageColumns()
        let bytes = Array(Self.page.utf8)
        #expect(try Frame.fromJSON(Self.page, columns: columns).rowCount == 2)
        for count in 0..<bytes.count {
            // At its end the text may lie against memory that is not ours.
            let part = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 1)
            part.copyBytes(from: bytes[..<count])
            #expect(throws: (any Error).self) { try Frame.fromJSON(UnsafeRawBufferPointer(part), columns: columns) }
            part.deallocate()
        }
        var random = Random(seed: 9)
        var read = 0
        for _ in 0..<20_000 {
            var damaged = bytes
            for _ in 0..<random.below(3) + 1 {
                let at = random.below(damaged.count)
                switch random.below(3) {
                case 0: damaged[at] = UInt8(random.below(256))
                case 1: damaged.remove(at: at)
                default: damaged.insert(bytes[random.below(bytes.count)], at: at)
                }
            }
            damaged.withUnsafeBytes { raw in
                guard let frame = try? Frame.fromJSON(raw, columns: columns) else { return }
                read += 1
                #expect((try? JSON.decode(raw)) != nil, "\(String(decoding: damaged, as: UTF8.self))")
                #expect((try? frame.toJSON()) != nil)
            }
        }
        #expect(read > 500)
    }

    @Test func framesAreWritten() throws {
        let frame = try Frame.fromJSON(Self.page, columns: Self.pageColumns())
        let text = String(decoding: try frame.toJSON(json: ["urls"]), as: UTF8.self)
        #expect(
            text
                == #"[{"id":"00112233-4455-6677-8899-aabbccddeeff","price":12.5,"at":"2025-01-31T12:00:00Z","n":7,"ok":true,"#
                + #""title":"日本 \"x\"\n😀","tags":["a"],"urls":["u",1,{"k":null}],"v":[1.0,2.5,-0.3],"w":[0.5,null]},"#
                + #"{"id":null,"price":null,"at":null,"n":-1,"ok":null,"title":null,"tags":[],"urls":null,"v":[1.0],"w":null}]"#
        )
        let columns = try frame.names.map { name in
            try column(name, name == "urls" ? "json" : frame.column(name).dtype.name)
        }
        #expect(frame.isEqual(to: try Frame.fromJSON(text, columns: columns)))
        #expect(
            String(decoding: try frame.toJSON(columns: ["n", "ok"]), as: UTF8.self)
                == #"[{"n":7,"ok":true},{"n":-1,"ok":null}]"#)
        #expect(try Frame([], rowCount: 2).toJSON() == Array("[{},{}]".utf8))
        #expect(try frame.head(0).toJSON() == Array("[]".utf8))
    }

    @Test func whatIsNoJSONIsNamed() throws {
        func failure(_ column: Column, json: [String] = []) -> FrameError? {
            #expect(throws: FrameError.self) { try Frame([("v", column)]).toJSON(json: json) }
        }
        let nan = failure(.float64([1, .nan]))
        #expect(nan?.code == "json.number")
        #expect(nan?.message == "row 2, column 'v': NaN is no JSON number; use null instead")
        #expect(nan?.details.map(\.1) == [2, "v"])
        let infinite = ListBuilder(FixedBuilder<Float>.float32())
        infinite.child.append(-.infinity)
        infinite.endList()
        #expect(
            failure(infinite.finish())?.message == "row 1, column 'v': infinity is no JSON number; use null instead")
        let builder = StringBuilder()
        builder.append("fine")
        [UInt8(0xFF)].withUnsafeBufferPointer { builder.append($0) }
        #expect(failure(builder.finish())?.message == "row 2, column 'v': the text is not UTF-8")
        #expect(failure(.string(["[1]", "[1"]), json: ["v"])?.message == "row 2, column 'v': the text is no JSON")
        #expect(failure(.int64([1]), json: ["v"])?.code == "frame.type")
        #expect(failure(.int64([1]), json: ["w"])?.code == "frame.no_column")
    }

    @Test func floatsSurviveTheRoundTrip() throws {
        var random = Random(seed: 4)
        let floats =
            (0..<20_000).map { _ in Float(bitPattern: UInt32(truncatingIfNeeded: random.next())) }
            .filter(\.isFinite) + [0.1, .leastNonzeroMagnitude, 3.4028235e38, 1.1754944e-38, -0.0, 16777216]
        let builder = FixedBuilder<Float>.float32()
        for value in floats { builder.append(value) }
        let text = try Frame([("v", builder.finish())]).toJSON()
        let back = try text.withUnsafeBytes { try Frame.fromJSON($0, columns: [column("v", "float32")]) }
        guard case .float32(let values) = try back.column("v").storage else { return }
        #expect(values.elements.map(\.bitPattern) == floats.map(\.bitPattern))
        // Half-way between two floats and a little beyond: rounding to double first would lose the little.
        #expect(
            try self.values(
                "float32", "16777217.0000000001", "16777217", "7.006492321624085354619e-46",
                "7.006492321624085354618e-46"
            )
                == [.float(16777218), .float(16777216), .float(.leastNonzeroMagnitude), .float(0)])
    }
}
