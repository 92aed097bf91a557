import Base
import Testing

@testable import LuaHost

/// Errors of every kind cross the border a thousand times; every Swift object is released.
@Suite struct BorderTests {
    /// Runs code a thousand times and checks that all objects are gone, some of them before the state.
    private func checkReleases(_ code: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let tally = Tally()
        try withProbes(tally) { (state) throws in
            try state.eval("warn('@off') for i = 1, 1000 do \(code) end")
            try state.eval("collectgarbage() collectgarbage()")
            #expect(tally.living == 0, sourceLocation: sourceLocation)
        }
        #expect(tally.living == 0, sourceLocation: sourceLocation)
    }

    @Test func argumentErrors() throws {
        try checkReleases(
            """
            local p = probe.new()
            assert(not pcall(probe.read))
            assert(not pcall(probe.read, {}, 1))
            assert(not pcall(probe.read, p, 1.5))
            assert(not pcall(probe.read, p, 1, {timeout = 2}))
            assert(not pcall(probe.read, p, 1, {rows = {1, 2, 'x'}}))
            assert(not pcall(p.need, p, 5))
            assert(not pcall(function() return p.broken end))
            """)
    }

    @Test func nativeErrors() throws {
        try checkReleases(
            """
            local ok, e = pcall(probe.fail, 'probe.bad')
            assert(not ok and e.code == 'probe.bad' and e.details.row == 3 and e.cause.code == 'base.cause')
            local ok, e = pcall(probe.plain)
            assert(not ok and e.code == 'native')
            """)
    }

    @Test func errorsInCallbacksInNativeCalls() throws {
        try checkReleases(
            """
            local object = {}
            local ok, e = pcall(probe.call, function() error(object) end)
            assert(not ok and rawequal(e, object))
            ok, e = pcall(probe.call, probe.call, probe.call, probe.fail, 'deep')
            assert(not ok and e.code == 'deep')
            ok, e = pcall(probe.call, function() local x = nil; return x.y end)
            assert(not ok and e:find("attempt to index a nil value"))
            ok, e = pcall(probe.call, error)
            assert(not ok and e == nil)
            assert(select('#', probe.call(function() return probe.new(), nil, 3 end)) == 3)
            """)
    }

    @Test func errorsInFinalizersAndClosing() throws {
        try checkReleases(
            """
            do local p = setmetatable({probe.new()}, {__gc = function(t) probe.fail('in gc') end}) end
            probe.bad_closer()
            local ok, e = pcall(function() local b <close> = probe.bad_closer() end)
            assert(not ok and e.code == 'probe.close')
            ok, e = pcall(function()
                local p <close> = probe.new()
                local q <close> = setmetatable({}, {__close = function(_, e) probe.fail('closing ' .. e.code) end})
                probe.fail('first')
            end)
            assert(not ok and e.code == 'closing first')
            if i % 100 == 0 then collectgarbage() end
            """)
    }

    @Test func errorsAcrossCoroutines() throws {
        try checkReleases(
            """
            local co = coroutine.create(function(p) local q <close> = probe.new(); probe.fail('inside') end)
            local ok, e = coroutine.resume(co, probe.new())
            assert(not ok and e.code == 'inside')
            assert(coroutine.close(co) == false)
            local w = coroutine.wrap(function() probe.call(function() probe.fail('wrapped') end) end)
            ok, e = pcall(w)
            assert(not ok and e.code == 'wrapped')
            w = coroutine.wrap(function() local p <close> = probe.new(); coroutine.yield(p); probe.fail('later') end)
            assert(w():id() > 0)
            ok, e = pcall(w)
            assert(not ok and e.code == 'later')
            co = coroutine.create(function() local p <close> = probe.new(); coroutine.yield() end)
            coroutine.resume(co)
            assert(coroutine.close(co) == true)
            ok, e = coroutine.resume(coroutine.create(function() probe.call(coroutine.yield) end))
            assert(not ok and e:find('attempt to yield across'))
            w = coroutine.wrap(function() local a, b = probe.yield(1, 2) return a + b end)
            local a, b = w()
            assert(a + b == 3 and w(4, 5) == 9)
            assert(not pcall(probe.yield, 1))
            """)
    }

    @Test func objectsLeaveWithTheirScopeOrTheState() throws {
        let tally = Tally()
        try withProbes(tally) { (state) throws in
            try state.eval(
                """
                kept = {}
                for i = 1, 100 do kept[i] = probe.new() end
                assert(probe.living() == 100)
                do local p <close> = probe.new() assert(probe.living() == 101) end
                assert(probe.living() == 100)
                kept[1]:keep(function() return kept end)
                """)
            #expect(tally.living == 100)
            #expect(tally.closed == 1)
            #expect(state.memory.native == 100_000)
        }
        #expect(tally.living == 0)
        #expect(tally.closed == 101)
    }

    @Test func closedObjectsAreRefusedByName() throws {
        try withProbes { (state) throws in
            let error = try state.failure("local q; do local p <close> = probe.new(); q = p end q:id()")
            #expect(error?.text == "test:1: calling 'id' on bad self (tt.Probe is closed)")
            #expect(error?.code == "argument")
        }
    }

    @Test func deepRecursionThroughNativeCallsIsAnError() throws {
        let tally = Tally()
        try withProbes(tally) { (state) throws in
            let error = try state.failure("local function f() return probe.call(f) end f()")
            #expect(error?.message.contains("C stack overflow") == true)
            try state.eval("collectgarbage()")
            #expect(tally.living == 0)
            let endless = try state.failure("local function f() return f() + 1 end f()")
            #expect(endless?.message.contains("stack overflow") == true)
        }
    }

    @Test func referencesOutliveTheirState() throws {
        var kept: LuaError?
        try withProbes { (state) throws in kept = try state.failure("error({code = 'x', message = 'm'})") }
        let error = try #require(kept)
        #expect(error.code == "x")
        #expect(error.text == "m")
        try withProbes { (state) throws in
            // Thrown in another state it is an error object again.
            let L = state.main
            state.pushError(error, on: L)
            #expect(
                Argument(call: state.withCall { $0 }, index: 1, number: 0, place: nil, isLenient: false).kind == .table)
        }
    }
}
