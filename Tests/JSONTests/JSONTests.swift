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
            ("", "json.syntax: invalid JSON at line 1, column 1: unexpected token near end of file"),
            (
                "{\"a\": 1,\n \"a\": 2}",
                "json.duplicate_key: invalid JSON at line 2, column 4: duplicate object key near '\"a\"'"
            ),
            (
                "[9223372036854775808]",
                "json.number: invalid JSON at line 1, column 20: too big integer near '9223372036854775808'; an integer must fit in 64 bits, write a larger one as a string or with an exponent"
            ),
            ("[1,]", "json.syntax: invalid JSON at line 1, column 4: unexpected token near ']'"),
            ("[1] x", "json.syntax: invalid JSON at line 1, column 5: end of file expected near 'x'"),
            ("[NaN]", "json.syntax: invalid JSON at line 1, column 4: invalid token near 'NaN'"),
            ("[01]", "json.syntax: invalid JSON at line 1, column 2: invalid token near '0'"),
            ("[1,\n2\0]", "json.syntax: invalid JSON at line 2, column 2: a NUL byte, which stands nowhere in JSON"),
            ("{'a': 1}", "json.syntax: invalid JSON at line 1, column 2: string or '}' expected near '''"),
            (
                "\u{FEFF}{}",
                "json.syntax: invalid JSON at line 1, column 1: the text starts with a byte order mark; save it as UTF-8 without one"
            ),
        ]
        for (text, expected) in cases { #expect(failure(text) == expected, "\(text)") }
        #expect(failure("[1e999]")?.hasPrefix("json.number: ") == true)
        #expect(failure("\"\\ud800\"") != nil)
        #expect(failure(String(repeating: "[", count: 3000))?.hasPrefix("json.depth: ") == true)
        let deep = String(repeating: "[", count: 2000) + String(repeating: "]", count: 2000)
        #expect(failure(deep) == nil)
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
