import Base
import Testing

@testable import LuaHost

@Suite struct ErrorTests {
    @Test func errorObjectsSayWhatWhereAndHow() throws {
        try withProbes { (state) throws in
            let error = try #require(
                try state.failure(
                    """

                    local function inner() probe.fail('probe.bad') end
                    local function outer() inner() end
                    outer()
                    """))
            #expect(error.code == "probe.bad")
            #expect(error.message == "it failed")
            #expect(error.text == "test:2: it failed")
            #expect(
                error.traceback == """
                    \t[native]: in function 'tt.probe.fail'
                    \ttest:2: in upvalue 'inner'
                    \ttest:3: in local 'outer'
                    \ttest:4: in main chunk
                    """)
            let fields = try state.eval(
                """
                local ok, e = pcall(probe.fail, 'c')
                return e.code, e.message, e.where, e.details, tostring(e), 'a ' .. e, e .. ' b', e.cause.message
                """)
            #expect(
                fields == [
                    "c", "it failed", "test:1", .object(("row", 3), ("column", "price")), "test:1: it failed",
                    "a test:1: it failed", "test:1: it failed b", "the reason",
                ])
        }
    }

    @Test func tracebacksGoThroughCallbacksMethodsAndCoroutines() throws {
        try withProbes { (state) throws in
            let error = try #require(
                try state.failure(
                    """
                    local p = probe.new()
                    local function work()
                        probe.call(function()
                            p:need()
                        end)
                    end
                    local co = coroutine.wrap(function() work() end)
                    co()
                    """))
            #expect(error.text == "test:4: bad argument #1 to 'need' (string expected, got no value)")
            #expect(
                error.traceback == """
                    \t[native]: in function 'tt.Probe:need'
                    \ttest:4: in function <test:3>
                    \t[native]: in function 'tt.probe.call'
                    \ttest:3: in upvalue 'work'
                    \ttest:7: in function <test:7>
                    \t[native]: in local 'co'
                    \ttest:8: in main chunk
                    """)
        }
    }

    @Test func stringErrorsKeepTheirTracebackThroughNativeCalls() throws {
        try withProbes { (state) throws in
            let error = try #require(
                try state.failure(
                    """
                    probe.call(function()
                        error("plain")
                    end)
                    """))
            #expect(error.text == "test:2: plain")
            #expect(error.code == "lua")
            #expect(
                error.traceback == """
                    \t[native]: in function 'error'
                    \ttest:2: in function <test:1>
                    \t[native]: in function 'tt.probe.call'
                    \ttest:1: in main chunk
                    """)
            // An equal text raised elsewhere later has a traceback of its own.
            let later = try #require(
                try state.failure(
                    """
                    pcall(probe.call, function() error("same", 0) end)
                    error("same", 0)
                    """))
            #expect(later.traceback == "\t[native]: in function 'error'\n\ttest:2: in main chunk")
        }
    }

    @Test func deepStacksAreShortened() throws {
        try withProbes { (state) throws in
            let error = try #require(
                try state.failure("local function f(n) if n == 0 then probe.fail('x') end f(n - 1) end f(100)"))
            let lines = error.traceback?.split(separator: "\n") ?? []
            #expect(lines.count == 25)
            #expect(lines[12] == "\t... (79 levels)")
            #expect(lines[24] == "\ttest:1: in main chunk")
        }
    }

    @Test func nativeCodeSeesWhatLuaRaised() throws {
        try withProbes { (state) throws in
            #expect(
                try state.eval("local c, m = probe.try(function() tt.error('a.b', 'text') end) return c, m")
                    == ["a.b", "text"])
            #expect(
                try state.eval("local c, m = probe.try(function() error({1}) end) return c, m:sub(1, 6)")
                    == ["lua", "table:"])
            #expect(
                try state.eval(
                    "local c, m = probe.try(function() error({code = 'k', message = 'own'}) end) return c, m")
                    == ["k", "own"])
            #expect(try state.eval("return (probe.try(function() return 1 end))") == [.null])
            let bad = "setmetatable({}, {__tostring = function() error('no') end})"
            #expect(
                try state.eval("return select(2, probe.try(function() error(\(bad)) end))").first
                    == "(an error value that cannot be printed)")
        }
    }

    @Test func ttErrorRaisesTheSameKindOfObject() throws {
        try withProbes { (state) throws in
            let fields = try state.eval(
                """
                local function check() tt.error('shop.bad', 'no', {n = 1}, 2) end
                local ok, e = pcall(function()
                    check()
                end)
                return e.code, e.message, e.where, e.details.n, getmetatable(e).__name
                """)
            #expect(fields == ["shop.bad", "no", "test:3", 1, "tt.Error"])
            #expect(try state.failure("tt.error()")?.code == "argument")
            #expect(try state.failure("tt.error('a', 'b', nil, 0)")?.code == "argument")
            #expect(try state.failure("tt.error('a', 'b', print)")?.message.contains("plain value expected") == true)
        }
    }

    @Test func interruptedComesOutAsItsCode() throws {
        try withProbes { (state) throws in #expect(try state.failure("probe.interrupted()")?.code == "interrupted") }
    }

    @Test func syntaxErrorsAndMissingModules() throws {
        try withProbes { (state) throws in
            #expect(throws: LuaError.self) { try state.load("x = = 1", name: "=bad") }
            #expect(
                try state.failure("require 'tt.prob'")?.message
                    == "there is no module 'tt.prob' in tt (did you mean 'tt.probe'?)")
            #expect(try state.failure("require 'no.such.module'")?.message.contains("not found") == true)
            #expect(try state.eval("return tt.nothing, tt.probe == probe, probe.limit") == [.null, true, 7])
        }
    }
}
