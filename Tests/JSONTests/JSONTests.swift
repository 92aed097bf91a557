import Base
import Files
import Testing

@testable import JSON

@Suite struct JSONTests {
    func failure(_ text: String) -> String? {
        do {
            _ = try JSON.decode(text)
            return nil
        } catch {
            let error = error as! JSONError
            return "\(error.code): \(error.message)"
        }
    }

    @Test func readsEveryKind() throws {
        let value = try JSON.decode(
            #"{"z": null, "a": [true, false, 1, -2.5, 1e3], "é\u00e9\n": "日本\u0000𝄞", "e": {}, "l": []}"#)
        #expect(
            value
                == .object(
                    ("z", nil), ("a", .array([true, false, 1, -2.5, 1000.0])), ("éé\n", "日本\0𝄞"), ("e", .object([])),
                    ("l", .array([]))))
        #expect(try JSON.decode(" 5 ") == 5)
        #expect(try JSON.decode("\"x\"") == "x")
        #expect(try JSON.decode("9223372036854775807") == .int(.max))
        #expect(try JSON.decode("-9223372036854775808") == .int(.min))
        #expect(try JSON.decode("1.0") == .double(1))
    }

    @Test func refusesAndSaysWhere() {
        let cases: [(String, String)] = [
            ("", "json.syntax: invalid JSON at line 1, column 1: a value expected, but the text ends"),
            (
                "{\"a\": 1,\n \"a\": 2}",
                "json.duplicate_key: invalid JSON at line 2, column 2: the name 'a' is there twice"
            ),
            (
                "[9223372036854775808]",
                "json.number: invalid JSON at line 1, column 2: an integer that does not fit in 64 bits; write a larger one as a string or with an exponent"
            ),
            ("[-1e999]", "json.number: invalid JSON at line 1, column 2: a number that is too large for a double"),
            ("[1,]", "json.syntax: invalid JSON at line 1, column 4: a value expected, got ']'"),
            ("[1", "json.syntax: invalid JSON at line 1, column 3: ',' or ']' expected, but the text ends"),
            ("[1] x", "json.syntax: invalid JSON at line 1, column 5: the end of the text expected, got 'x'"),
            ("[NaN]", "json.syntax: invalid JSON at line 1, column 2: a value expected, got 'N'"),
            ("[日本", "json.syntax: invalid JSON at line 1, column 2: a value expected, got '日'"),
            ("[\"日本\" 1", "json.syntax: invalid JSON at line 1, column 7: ',' or ']' expected, got '1'"),
            ("[01]", "json.syntax: invalid JSON at line 1, column 2: a number with a zero in front"),
            ("[1.]", "json.syntax: invalid JSON at line 1, column 4: a digit expected, got ']'"),
            ("nul", "json.syntax: invalid JSON at line 1, column 4: 'null' expected, but the text ends"),
            ("[1,\n2\0]", "json.syntax: invalid JSON at line 2, column 2: ',' or ']' expected, got byte 0x00"),
            ("{'a': 1}", "json.syntax: invalid JSON at line 1, column 2: a name in quotes expected, got '''"),
            ("{\"a\" 1}", "json.syntax: invalid JSON at line 1, column 6: ':' expected, got '1'"),
            ("[\"a]", "json.syntax: invalid JSON at line 1, column 2: a string without its end"),
            (
                "\"\t\"",
                "json.syntax: invalid JSON at line 1, column 2: a control character (0x09) in a string; it has to be escaped"
            ),
            ("\"\\u12\"", "json.syntax: invalid JSON at line 1, column 2: \\u without four hexadecimal digits"),
            (
                "\"\\udc00\"",
                "json.syntax: invalid JSON at line 1, column 2: an escape that is half of a surrogate pair"
            ),
            (
                "\"\\x\"",
                "json.syntax: invalid JSON at line 1, column 3: one of \" \\ / b f n r t u behind a backslash expected, got 'x'"
            ),
            (
                "\u{FEFF}{}",
                "json.syntax: invalid JSON at line 1, column 1: the text starts with a byte order mark; save it as UTF-8 without one"
            ),
        ]
        for (text, expected) in cases { #expect(failure(text) == expected, "\(text)") }
        #expect(failure("[1e999]")?.hasPrefix("json.number: ") == true)
        #expect(failure("\"\\ud800\"") != nil)
        #expect(failure(String(repeating: "[", count: 3000))?.hasPrefix("json.depth: ") == true)
        for (depth, code) in [(2048, nil), (2049, "json.depth")] as [(Int, String?)] {
            let lists = String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
            let maps = String(repeating: "{\"a\":", count: depth) + "1" + String(repeating: "}", count: depth)
            for text in [lists, maps] {
                #expect(failure(text).map { String($0.prefix(while: { $0 != ":" })) } == code)
            }
        }
        for bytes: [UInt8] in [[0x22, 0xFF, 0x22], [0x22, 0xC0, 0x80, 0x22], [0x22, 0xED, 0xA0, 0x80, 0x22]] {
            #expect {
                try bytes.withUnsafeBytes { _ = try JSON.decode($0, source: "a.json") }
            } throws: { error in
                let error = error as? JSONError
                return error?.code == "json.utf8" && error?.message.hasPrefix("invalid JSON at a.json:1:") == true
                    && error?.details.map(\.0) == ["file", "line", "column"]
            }
        }
    }

    /// Names are compared as they read, whatever their hashes and escapes, in small objects and in large ones.
    @Test func namesAreComparedByTheirText() {
        let filler = (0..<40).map { "\"f\($0)\":0," }.joined()
        for before in ["", filler] {
            // One hash of 64 bits takes these for the same.
            #expect(failure("{\(before)\"x\":1,\"8yn0iYCKYHlIj4-BwPqk\":1,\"GReLUrM4wMqfg9yzV3KQ\":2}") == nil)
            #expect(failure("{\(before)\"a\":1,\"a\\u0000\":1,\"\":1,\"\\u0000\":1}") == nil)
            // Two spellings of é are two names.
            #expect(failure("{\(before)\"\u{E9}\":1,\"e\u{301}\":1}") == nil)
            for twice in ["\"a\":1,\"a\":2", "\"\\u0061\":1,\"a\":2", "\"a\":1,\"\\u0061\":2", "\"\":1,\"\":2"] {
                #expect(failure("{\(before)\(twice)}")?.hasPrefix("json.duplicate_key: ") == true)
            }
        }
        #expect(
            failure("{\(filler)\"f7\":1,\"f3\":1}")?.hasSuffix("the name 'f7' is there twice") == true,
            "the first that repeats is the one named")
    }

    @Test func writesShortestNumbers() throws {
        let cases: [(Value, String)] = [
            (.double(0.1), "0.1"), (.float(0.1), "0.1"), (.double(Double(Float(0.1))), "0.10000000149011612"),
            (.double(5), "5.0"), (.double(-0.0), "-0.0"), (.double(1e-5), "1e-05"), (.double(1e22), "1e+22"),
            (.double(.greatestFiniteMagnitude), "1.7976931348623157e+308"), (.double(.leastNonzeroMagnitude), "5e-324"),
            (.float(16_777_216), "16777216.0"), (.float(3.4028235e38), "3.4028235e+38"),
            (.int(.min), "-9223372036854775808"),
        ]
        for (value, text) in cases {
            #expect(try JSON.encode(value) == text)
            if case .double(let number) = value { #expect(try JSON.decode(text) == .double(number)) }
        }
        var random = Random(seed: 3)
        for _ in 0..<10_000 {
            let number = Double(bitPattern: random.next())
            if number.isFinite { #expect(try JSON.decode(JSON.encode(.double(number))) == .double(number)) }
            let small = Float(bitPattern: UInt32(truncatingIfNeeded: random.next()))
            if small.isFinite, case .double(let back) = try JSON.decode(JSON.encode(.float(small))) {
                #expect(Float(back) == small)
            }
        }
    }

    @Test func writesTextAndLayout() throws {
        let value: Value = .object(
            ("b", .array([1, .object(("x", nil)), .array([])])), ("a", .object([])),
            ("日本", "é\"\\\u{8}\u{C}\n\r\t\u{1F}\u{7F}/"))
        #expect(
            try JSON.encode(value)
                == "{\"b\":[1,{\"x\":null},[]],\"a\":{},\"日本\":\"é\\\"\\\\\\b\\f\\n\\r\\t\\u001f\u{7F}/\"}")
        #expect(
            try JSON.encode(
                .object(("b", .array([1, .object(("x", nil)), .array([])])), ("a", .object([]))), indent: 2)
                    == """
                    {
                      "b": [
                        1,
                        {
                          "x": null
                        },
                        []
                      ],
                      "a": {}
                    }
                    """)
        #expect(try JSON.decode(JSON.encode(value)) == value)
    }

    @Test func refusesWhatJSONCannotHold() {
        func message(_ value: Value) -> String? {
            do {
                _ = try JSON.encode(value)
                return nil
            } catch { return (error as? JSONError)?.message }
        }
        #expect(
            message(.object(("a", .array([1, .object(("b", .double(.nan)))]))))
                == "cannot write JSON: 'a[2].b': NaN is no JSON number; use null instead")
        #expect(message(.float(-.infinity)) == "cannot write JSON: infinity is no JSON number; use null instead")
        #expect(
            message(.array([.object(("k", 1), ("k", 2))])) == "cannot write JSON: '[1]': the name 'k' is there twice")
        #expect(
            message(.object((0..<20).map { Value.Member("k\($0 % 19)", 1) }))
                == "cannot write JSON: the name 'k0' is there twice")
        var deep = Value.null
        for _ in 0..<2049 { deep = .array([deep]) }
        #expect(message(deep)?.hasSuffix("more than 2048 levels inside each other") == true)
    }

    @Test func readsAndWritesFiles() throws {
        let folder = try TemporaryFolder()
        let path = Path.join(folder.path, "a.json")
        try JSON.write(.object(("a", 1)), to: path, indent: 1)
        #expect(try Files.read(path) == Array("{\n \"a\": 1\n}\n".utf8))
        #expect(try JSON.read(path) == .object(("a", 1)))
        #expect {
            try JSON.write(.double(.infinity), to: path)
        } throws: {
            ($0 as? JSONError)?.message
                == "cannot write '\(path)' as JSON: infinity is no JSON number; use null instead"
        }
        #expect(try JSON.read(path) == .object(("a", 1)))
    }
}
