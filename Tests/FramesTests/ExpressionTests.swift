import Base
import Testing

@testable import Frames

@Suite struct ExpressionTests {
    let frame = try! Frame([
        ("a", .int64([1, 2, nil, 4])), ("b", .float64([0.5, nil, 3, 4])), ("s", .string(["x", "y", nil, "x"])),
        ("flag", .bool([true, false, nil, true])),
        ("t", .timestamp([0, 86_400_000_000, nil, 3_600_000_000])), ("two words", .int64([1, 2, 3, 4])),
        ("tags", try! .from([.array(["p", "q"]), .array([]), .null, .array(["q"])])),
    ])

    private func evaluate(_ text: String) throws -> [Value] { try Expression(text).evaluate(frame).values }

    @Test(
        arguments: [
            ("a + 1", [2, 3, .null, 5]), ("a * a - a", [0, 2, .null, 12]), ("-a // 3", [-1, -1, .null, -2]),
            ("-a % 3", [2, 1, .null, 2]), ("a / 2", [.double(0.5), .double(1), .null, .double(2)]),
            ("a + b", [.double(1.5), .null, .null, .double(8)]),
            ("2 ^ a ^ 2", [.double(2), .double(16), .null, .double(65536)]),
            ("-2 ^ 2 + 0 * a", [.double(-4), .double(-4), .null, .double(-4)]),
            ("7 // 2 + 0 * \"two words\"", [3, 3, 3, 3]), ("`two words` % 2", [1, 0, 1, 0]),
            ("a > 1 and b > 3.5", [false, .null, false, true]), ("a > 1 or b > 3.5", [false, true, .null, true]),
            ("not flag", [false, true, .null, false]), ("flag and null", [.null, false, .null, .null]),
            ("flag or null", [true, .null, .null, true]), ("a is null", [false, false, true, false]),
            ("a IS NOT NULL and s = 'x'", [true, false, false, true]), ("s <> 'x'", [false, true, .null, false]),
            ("s in ('x', 'z')", [true, false, .null, true]), ("a not in (1, 2)", [false, false, .null, true]),
            ("a in (1, null)", [true, .null, .null, .null]), ("a between 2 and 4", [false, true, .null, true]),
            ("a not between 2 and 3", [true, false, .null, true]),
            ("t >= '1970-01-02'", [false, true, .null, false]),
            ("days(t - '1970-01-01')", [.double(0), .double(1), .null, .double(1.0 / 24)]),
            ("hour(t)", [0, 0, .null, 1]), ("t - t", [0, 0, .null, 0]),
            ("days(86400000000 - t)", [.double(1), .double(0), .null, .double(23.0 / 24)]),
            ("coalesce(a, 0)", [1, 2, 0, 4]),
            ("coalesce(b, a, -1)", [.double(0.5), .double(2), .double(3), .double(4)]),
            ("if(a > 1, s, 'none')", ["none", "y", "none", "x"]),
            ("if(flag, 1, 2.5)", [.double(1), .double(2.5), .double(2.5), .double(1)]),
            ("clamp(a, 2, 3)", [2, 2, .null, 3]), ("least(a, 2)", [1, 2, 2, 2]),
            ("greatest(a, b)", [.double(1), .double(2), .double(3), .double(4)]),
            ("split('a, b,c', ', ')", Array(repeating: .array(["a", "b,c"]), count: 4)),
            ("len(split(replace(s, 'y', ''), '|'))", [1, 0, .null, 1]),
            ("len(split(s || '|', '|'))", [2, 2, .null, 2]),
            ("len(s) + len(tags)", [3, 1, .null, 2]), ("contains(tags, 'q')", [true, false, .null, true]),
            ("upper(s) || '!'", ["X!", "Y!", .null, "X!"]), ("s || a", ["x1", "y2", .null, "x4"]),
            ("starts_with(s, 'x')", [true, false, .null, true]), ("int('7') + 0 * a", [7, 7, .null, 7]),
            ("flag == true", [true, false, .null, true]), ("1", [1, 1, 1, 1]), ("s < 'y'", [true, false, .null, true]),
            ("sqrt(4) * a", [.double(2), .double(4), .null, .double(8)]),
            ("round(b)", [.double(1), .null, .double(3), .double(4)]),
        ] as [(String, [Value])])
    func evaluates(_ text: String, _ expected: [Value]) throws {
        #expect(try evaluate(text) == expected)
    }

    @Test(arguments: [
        ("a +", "the expression ends too early\n  a +\n     ^"),
        ("", "the expression is empty\n  \n  ^"),
        ("a & b", "use 'and', not '&'\n  a & b\n    ^"),
        ("(a", "expected ')', found the end\n  (a\n    ^"),
        ("a ~= 1", "use '!=', not '~='\n  a ~= 1\n    ^"),
        ("cielab(a)", "no function 'cielab'\n  cielab(a)\n  ^"),
        ("florr(a)", "no function 'florr'; did you mean 'floor'?\n  florr(a)\n  ^"),
        ("clamp(a)", "clamp is called as clamp(x, low, high)\n  clamp(a)\n  ^"),
        ("s = 'x", "the quote is not closed\n  s = 'x\n      ^"),
        ("1abc", "'1abc' is not a number\n  1abc\n  ^"),
        ("a @ 1", "unexpected '@'\n  a @ 1\n    ^"),
        ("a 1", "unexpected 1\n  a 1\n    ^"),
        ("a in (b)", "'in' takes a list of plain values\n  a in (b)\n        ^"),
    ])
    func syntaxErrorsPoint(_ text: String, _ message: String) {
        let error = #expect(throws: FrameError.self) { try Expression(text) }
        #expect(error?.message == message)
        #expect(error?.code == "frame.expression")
    }

    @Test(arguments: [
        ("a + aa", "frame.no_column"), ("a + s", "frame.type"), ("s > 1", "frame.type"),
        ("t > 'yesterday'", "frame.cast"),
        ("a // 0", "frame.zero_division"), ("a * 9223372036854775807", "frame.overflow"), ("not a", "frame.type"),
        ("days(t)", "frame.type"), ("a == \"x\"", "frame.no_column"), ("contains(s, s)", "frame.type"),
        ("round(b, 1e300)", "frame.value"), ("round(b, -400)", "frame.value"), ("round(b, 0.5)", "frame.value"),
    ])
    func evaluationErrorsKeepTheirCode(_ text: String, _ code: String) {
        let error = #expect(throws: FrameError.self) { try Expression(text).evaluate(frame) }
        #expect(error?.code == code)
        #expect(error?.message.contains("^") == true)
    }

    @Test func deepNestingIsAnError() {
        let text = String(repeating: "(", count: 5000) + "a" + String(repeating: ")", count: 5000)
        #expect(throws: FrameError.self) { try Expression(text) }
        #expect(throws: FrameError.self) { try Expression(String(repeating: "-", count: 5000) + "a") }
    }

    @Test func longChainsEvaluateOrAreRefused() throws {
        let sum = "a" + String(repeating: " + 1", count: 250)
        #expect(try evaluate(sum) == [251, 252, .null, 254])
        #expect(throws: FrameError.self) { try Expression(sum + " + 1") }
        for test in [" is null", " in (true)", " between false and true"] {
            #expect(throws: FrameError.self) { try Expression("a" + String(repeating: test, count: 300)) }
        }
        let values = (0..<20_000).map(String.init).joined(separator: ", ")
        #expect(try evaluate("a in (\(values))") == [true, true, .null, true])
    }

    @Test func columnsAreListed() throws {
        #expect(try Expression("b > 1 and (a + b) in (1, 2)").columns == ["b", "a"])
    }

    @Test func filterKeepsTrueRowsOnly() throws {
        #expect(try frame.filter(Expression("a >= 2"))["a"]!.values == [2, 4])
        #expect(throws: FrameError.self) { try frame.filter(Expression("a + 1")) }
    }
}
