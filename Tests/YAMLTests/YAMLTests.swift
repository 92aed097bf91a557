import Base
import Testing

@testable import YAML

@Suite struct YAMLTests {
    func failure(_ text: String) -> String? {
        do {
            _ = try YAML.decode(text)
            return nil
        } catch {
            let error = error as! YAMLError
            return "\(error.code): \(error.message)"
        }
    }

    @Test func readsCoreScalars() throws {
        let cases: [(String, Value)] = [
            ("", nil), ("~", nil), ("null", nil), ("Null", nil), ("true", true), ("False", false), ("TRUE", true),
            ("yes", "yes"), ("no", "no"), ("on", "on"), ("5", 5), ("-17", -17), ("+3", 3), ("010", 10), ("0x1F", 31),
            ("0o17", 15), ("1.0e-5", 1.0e-5), ("1e3", 1000.0), (".5", 0.5), ("5.", 5.0), ("-2.5E+1", -25.0),
            (".inf", .double(.infinity)), ("-.INF", .double(-.infinity)), ("1_000", "1_000"), ("12:30", "12:30"),
            ("2025-01-31", "2025-01-31"), ("1.2.3", "1.2.3"), ("e5", "e5"), (".", "."), ("-", .array([nil])),
            ("1e", "1e"),
            ("0x", "0x"), ("'5'", "5"), ("\"true\"", "true"), ("'null'", "null"), ("''", ""), ("nullx", "nullx"),
            ("9223372036854775807", .int(.max)), ("-9223372036854775808", .int(.min)), ("日本", "日本"),
            ("|\n  5\n", "5\n"), (">\n  a\n  b\n", "a b\n"), ("\"a\\tb\\u00e9\"", "a\tbé"),
        ]
        for (text, expected) in cases { #expect(try YAML.decode(text) == expected, "\(text)") }
        guard case .double(let number) = try YAML.decode(".nan") else { return #expect(Bool(false)) }
        #expect(number.isNaN)
    }

    @Test func readsCollections() throws {
        let text = """
            # a comment
            seed: 42
            artifacts: {dim: 256, names: [a, "b c", 'd']}
            training:
              lr: 0.001   # another
              betas:
              - 0.9
              - 0.999
              empty:
            1: one
            true: yes
            list:
              - {kind: numeric}
              - - nested
            """
        #expect(
            try YAML.decode(text)
                == .object(
                    ("seed", 42), ("artifacts", .object(("dim", 256), ("names", .array(["a", "b c", "d"])))),
                    ("training", .object(("lr", 0.001), ("betas", .array([0.9, 0.999])), ("empty", nil))), ("1", "one"),
                    ("true", "yes"), ("list", .array([.object(("kind", "numeric")), .array(["nested"])]))))
        #expect(try YAML.decode("---\na: 1\n...\n") == .object(("a", 1)))
        #expect(try YAML.decode("# nothing\n") == nil)
        #expect(try YAML.decode("\u{FEFF}a: 1") == .object(("a", 1)))
    }

    @Test func expandsAliasesWithinLimits() throws {
        #expect(
            try YAML.decode("a: &x [1, 2]\nb: *x\nc: &y hi\nd: *y")
                == .object(("a", .array([1, 2])), ("b", .array([1, 2])), ("c", "hi"), ("d", "hi")))
        var bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        for level in 1...9 {
            bomb +=
                "a\(level): &a\(level) [" + repeatElement("*a\(level - 1)", count: 10).joined(separator: ", ") + "]\n"
        }
        #expect(
            failure(bomb)
                == "yaml.limit: invalid YAML at line 5, column 45: aliases add more than 100000 values to the document")
        #expect(
            failure("a: &x [1, *x]")
                == "yaml.unsupported: invalid YAML at line 1, column 11: alias '*x' stands inside of what it names")
        #expect(
            failure("a: *x") == "yaml.syntax: invalid YAML at line 1, column 4: no anchor '&x' stands before this alias"
        )
        var chain = "a0: &a0 [x]\n"
        for level in 1...600 { chain += "a\(level): &a\(level) [*a\(level - 1)]\n" }
        #expect(failure(chain)?.hasPrefix("yaml.limit: ") == true)
    }

    @Test func refusesAndSaysWhere() {
        let cases: [(String, String)] = [
            (
                "a: 1\nb:\n  c: 2\n  c: 3\n",
                "yaml.duplicate_key: invalid YAML at line 4, column 3: duplicate key 'c', first on line 3"
            ),
            (
                "a: 1\n'a': 2",
                "yaml.duplicate_key: invalid YAML at line 2, column 1: duplicate key 'a', first on line 1"
            ),
            (
                "a: !!python/object:os.system x",
                "yaml.unsupported: invalid YAML at line 1, column 4: the tag '!!python/object:os.system' is refused; write plain values"
            ),
            (
                "a: !mine [1]",
                "yaml.unsupported: invalid YAML at line 1, column 4: the tag '!mine' is refused; write plain values"
            ),
            (
                "a: !!str 5",
                "yaml.unsupported: invalid YAML at line 1, column 4: the tag '!!str' is refused; write plain values"
            ),
            (
                "a: 1\n---\nb: 2",
                "yaml.unsupported: invalid YAML at line 2, column 1: a second document; give every document a file of its own"
            ),
            (
                "x: &x {a: 1}\ny:\n  <<: *x",
                "yaml.unsupported: invalid YAML at line 3, column 3: merge keys ('<<') are refused; write the keys out"
            ),
            (
                "? [a]\n: 1",
                "yaml.unsupported: invalid YAML at line 1, column 3: a key must be text, not a list or a map"
            ),
            (
                "a: 9223372036854775808",
                "yaml.number: invalid YAML at line 1, column 4: 9223372036854775808 is outside of the 64-bit numbers; quote it to make it text"
            ),
            (
                "a: 1e999",
                "yaml.number: invalid YAML at line 1, column 4: 1e999 is outside of the 64-bit numbers; quote it to make it text"
            ),
            (
                "a: [1, 2",
                "yaml.syntax: invalid YAML at line 2, column 1: did not find expected ',' or ']', while parsing a flow sequence that starts on line 1"
            ),
            (
                "a:\n\t- b",
                "yaml.syntax: invalid YAML at line 2, column 1: found character that cannot start any token, while scanning for the next token"
            ),
            (
                "a: b: c",
                "yaml.syntax: invalid YAML at line 1, column 5: mapping values are not allowed in this context"
            ),
        ]
        for (text, expected) in cases { #expect(failure(text) == expected, "\(text)") }
        #expect(
            failure(String(repeating: "[", count: 600) + String(repeating: "]", count: 600))?.hasPrefix("yaml.limit: ")
                == true)
        let invalid: [UInt8] = [0x61, 0x3A, 0x20, 0xFF]
        #expect {
            try invalid.withUnsafeBytes { _ = try YAML.decode($0, source: "c.yaml") }
        } throws: {
            ($0 as? YAMLError)?.message == "invalid YAML at c.yaml:1:1: invalid leading UTF-8 octet (byte 3)"
        }
    }

    @Test func tellsLines() throws {
        let text = "a: 1\nb:\n  c: [x,\n    y]\n  d:\n    - e: 1\n    - 2\n"
        let lines = try Array(text.utf8).withUnsafeBytes { try YAML.lines($0) }
        let byPath = Dictionary(uniqueKeysWithValues: lines.map { ($0.path, $0.line) })
        #expect(
            byPath == [
                "a": 1, "b": 2, "b.c": 3, "b.c[1]": 3, "b.c[2]": 4, "b.d": 5, "b.d[1]": 6, "b.d[1].e": 6, "b.d[2]": 7,
            ])
    }

    @Test func writesBlockStyle() throws {
        let value: Value = .object(
            ("seed", 42), ("lr", 1e-5), ("big", 1e20), ("f", .float(0.1)), ("none", nil), ("on", true),
            ("list", .array([1, "two", .array([]), .object([]), .object(("k", "v"))])), ("version", "1.0"),
            ("answer", "no"),
            ("date", "2025-01-31"), ("text", "two\nlines\n"), ("empty", ""), ("name", "日本 – é"), ("odd", "a: b # c"),
            ("inf", .double(-.infinity)), ("id", "a1-b2"))
        let text = try YAML.encode(value)
        #expect(
            text == """
                seed: 42
                lr: 1.0e-05
                big: 1.0e+20
                f: 0.1
                none: null
                'on': true
                list:
                - 1
                - two
                - []
                - {}
                - k: v
                version: '1.0'
                answer: 'no'
                date: '2025-01-31'
                text: |
                  two
                  lines
                empty: ''
                name: 日本 – é
                odd: 'a: b # c'
                inf: -.inf
                id: a1-b2

                """)
        #expect(try YAML.encode(5) == "5\n")
        #expect(try YAML.encode("~") == "'~'\n")
        #expect(try YAML.encode(.array([])) == "[]\n")
    }

    @Test func roundTrips() throws {
        let texts = [
            "", " ", "a", " a", "a ", "\n", "a\n", "a\nb", "\na", "a\n\n", "  a\nb", "a \nb", "\t", "\0", "\u{7F}",
            "\u{85}", "\u{2028}",
            "\u{FEFF}", "null", "5", "5.0", "-", "- a", "#", "a #b", "a: b", "a:", "'", "\"", "{", "[a]", "&a", "*a",
            "!a", "%a", "@a",
            "`a", "|", ">", "?", "? a", "---", "...", "\\", "\r", "a\r\nb", "𝄞", "true", "<<", "=", "0x1", "0o7", "+1",
            ".5", "1e5", "1_0", "e\u{301}", "é",
        ]
        for text in texts {
            #expect(try YAML.decode(YAML.encode(.string(text))) == .string(text), "\(text.debugDescription)")
            let inside: Value = .object(("k", .string(text)), (text.isEmpty ? "x" : text, .array([.string(text)])))
            if text != "k" { #expect(try YAML.decode(YAML.encode(inside)) == inside, "\(text.debugDescription)") }
        }
        var random = Random(seed: 9)
        for _ in 0..<2000 {
            let number = Double(bitPattern: random.next())
            if number.isFinite { #expect(try YAML.decode(YAML.encode(.double(number))) == .double(number)) }
        }
    }
}
