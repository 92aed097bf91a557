import Base
import Testing

@testable import LuaHost

@Suite struct ValueTests {
    @Test func valuesGoThereAndBack() throws {
        let values: [Value] = [
            .bool(true), .bool(false), .int(.max), .int(.min), .double(0.1), .double(-.infinity), "", "a\0b", "日本語",
            .array([]), .array([1, "x", .array([])]), .object([]),
            .object(("b", 1), ("a", .null), ("ü", .array([.null]))),
            .object(("z", .object(("y", 1), ("x", 2)))), .null,
        ]
        try withProbes { (state) throws in
            for value in values {
                try state.withCall { (call) throws in
                    call.push(value)
                    let argument = Argument(call: call, index: 1, number: 0, place: nil, isLenient: false)
                    #expect(try argument.value() == value)
                }
            }
        }
    }

    @Test func stringsAreBytes() throws {
        try withProbes { (state) throws in
            try state.eval(
                """
                local all = {}
                for i = 0, 255 do all[#all + 1] = string.char(i) end
                all = table.concat(all)
                assert(probe.bytes(all) == all)
                assert(probe.string("a\\0b") == "a\\0b" and #probe.string("") == 0)
                local huge = ("x"):rep(50000000)
                assert(probe.string(huge) == huge and #probe.large(3000000) == 3000000)
                """)
            #expect(
                try state.failure("probe.string('\\xff')")?.message
                    == "bad argument #1 to 'string' (valid UTF-8 expected)")
            #expect(try state.failure("probe.value({a = {'\\xff'}})")?.message.contains("field 'a[1]'") == true)
        }
    }

    @Test func readersAreStrict() throws {
        try withProbes { (state) throws in
            try state.eval(
                """
                assert(probe.int(3) == 3 and probe.int(3.0) == 3 and math.type(probe.double(3)) == 'float')
                assert(probe.bool(false) == false and probe.kind(1) == 'int' and probe.kind(1.0) == 'float')
                assert(probe.kind() == 'nil' and probe.kind(probe.null) == 'lightuserdata')
                assert(probe.kind(probe.new()) == 'userdata')
                """)
            for (code, message) in [
                ("probe.int('3')", "bad argument #1 to 'int' (integer expected, got string)"),
                ("probe.int(3.5)", "bad argument #1 to 'int' (number has no integer representation)"),
                ("probe.double('x')", "bad argument #1 to 'double' (number expected, got string)"),
                ("probe.string(1)", "bad argument #1 to 'string' (string expected, got number)"),
                ("probe.bool(nil)", "bad argument #1 to 'bool' (boolean expected, got nil)"),
                ("probe.bool()", "bad argument #1 to 'bool' (boolean expected, got no value)"),
                ("probe.read(io.stdout)", "bad argument #1 to 'read' (tt.Probe expected, got userdata)"),
                ("probe.read(probe.bad_closer())", "bad argument #1 to 'read' (tt.Probe expected, got tt.BadCloser)"),
                ("probe.read(probe.null)", "bad argument #1 to 'read' (tt.Probe expected, got null)"),
                (
                    "probe.read(probe.new(), 1, {color = 1})",
                    "bad argument #3 to 'read' (unknown option 'color' (there are: timeout_s, rows))"
                ),
                (
                    "probe.read(probe.new(), 1, {row = 1})",
                    "bad argument #3 to 'read' (unknown option 'row' (did you mean 'rows'?))"
                ),
                (
                    "probe.read(probe.new(), 1, {rows = {1, 'x'}})",
                    "bad argument #3 to 'read' (field 'rows[2]': integer expected, got string)"
                ),
                (
                    "probe.each(1, function() return 'x' end)",
                    "bad result of a function (result 1: integer expected, got string)"
                ),
                ("local p = probe.new() p.need(p, 1)", "bad argument #2 to 'need' (string expected, got number)"),
                ("local p = probe.new() p:need(1)", "bad argument #1 to 'need' (string expected, got number)"),
                (
                    "local p = probe.new() local x = p + 1 x:id(2) p.id()",
                    "bad argument #1 to 'id' (tt.Probe expected, got no value)"
                ),
            ] {
                let found = try state.failure(code)?.message
                #expect(found == message)
            }
        }
    }

    @Test func subclassesAndIdentity() throws {
        try withProbes { (state) throws in
            try state.eval(
                """
                local p, d = probe.new(), probe.derived()
                assert(d:id() > 0 and d:same(d) and not d:same(p) and d.color == 'red' and d.nothing == nil)
                assert(p + 1 == p and p ~= d and probe.none() == nil)
                assert(tostring(d):find('^tt.Probe: '))
                tt.class('tt.Probe').shout = function(self) return 'hey' end
                assert(p:shout() == 'hey')
                assert(#tt.classes() == 2 and tt.class('tt.Probe').id)
                """)
        }
    }

    @Test func tablesThatAreNoPlainData() throws {
        try withProbes { (state) throws in
            for (code, message) in [
                ("local t = {} t.a = {t} probe.value(t)", "field 'a[1]': the table contains itself"),
                ("probe.value({1, nil, 3, x = 1})", "keys must be either 1 to n without gaps or strings"),
                ("probe.value({[0] = 1})", "keys must be either 1 to n without gaps or strings"),
                ("probe.value({[1.5] = 1})", "keys must be strings or integers, not number"),
                ("probe.value({[true] = 1})", "keys must be strings or integers, not boolean"),
                ("probe.value({x = {y = print}})", "field 'x.y': plain value expected, got function"),
                ("probe.value(probe.new())", "plain value expected, got tt.Probe"),
                ("local t = {} for i = 1, 300 do t = {t} end probe.value(t)", "more than 200 levels"),
            ] { #expect(try state.failure(code)?.message.contains(message) == true, "\(code)") }
            // The same table twice is no circle.
            #expect(
                try state.eval("local t = {1} return probe.value({a = t, b = t})")
                    == [.object(("a", .array([1])), ("b", .array([1])))])
        }
    }

    @Test func keysComeInOneOrder() throws {
        try withProbes { (state) throws in
            #expect(
                try state.eval("return probe.names({b = 1, a = 2, [10] = 3, [2] = 4, B = 5, ['é'] = 6, ['~'] = 7})")
                    == [.array(["2", "10", "B", "a", "b", "~", "é"])])
            #expect(
                try state.eval(
                    "return probe.names(setmetatable({b = 1, a = 2, c = 3}, {__order = {'c', 'b', 'gone', 'c'}}))")
                    == [.array(["c", "b", "a"])])
            #expect(
                try state.eval("return probe.value(setmetatable({}, {__array = true})), probe.value({})")
                    == [.array([]), .object([])])
        }
    }

    @Test func bigTablesAreReadInParts() throws {
        try withProbes { (state) throws in
            try state.eval(
                """
                local rows, texts, numbers = {}, {}, {}
                for i = 1, 1200000 do rows[i] = {n = 1} texts[i] = 'x' numbers[i] = i + 0.5 end
                assert(probe.rows(rows) == 1200000)
                assert(#probe.strings(texts) == 1200000 and probe.doubles(numbers)[1200000] == 1200000.5)
                assert(probe.count({1, 2, 3}) == 3)
                local ok, e = pcall(probe.count, numbers)
                assert(not ok and e.code == 'lua.stack')
                assert(probe.each(1000000, function(i) return 1 end) == 1000000)
                """)
        }
    }
}
