import Base
import CLuaBridge
import CSystem
import Glibc
import Testing

@testable import LuaHost

/// Ctrl-C, which the whole process shares.
@Suite(.serialized) struct InterruptTests {
    private func interrupted(_ code: String) throws -> LuaError? {
        let module = LuaModule(
            "tt.signal",
            functions: [
                "interrupt": { _ in
                    raise(SIGINT)
                    return 0
                },
                "work": { _ in
                    raise(SIGINT)
                    for _ in 0..<10_000 { try Interrupt.check() }
                    return 0
                },
            ])
        let state = try LuaState(modules: [module])
        defer {
            tt_interrupts_install(nil)
            state.close()
        }
        state.installInterrupts()
        // Test threads have signals blocked.
        var signals = sigset_t()
        var old = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGINT)
        pthread_sigmask(SIG_UNBLOCK, &signals, &old)
        defer { pthread_sigmask(SIG_SETMASK, &old, nil) }
        let chunk = try state.load("local signal = require 'tt.signal' " + code, name: "=test")
        defer { #expect(!Interrupt.isPending) }
        do {
            try state.withCall { _ = try $0.invoke(chunk) }
            return nil
        } catch let error as LuaError {
            return error
        }
    }

    @Test func luaCodeStopsAtItsNextInstruction() throws {
        let error = try interrupted("signal.interrupt() while true do end")
        #expect(error?.code == "interrupted")
        #expect(error?.text == "test:1: interrupted")
        #expect(error?.traceback?.hasSuffix("\ttest:1: in main chunk") == true)
    }

    @Test func nativeCodeStopsByPolling() throws {
        let error = try interrupted("signal.work() while true do end")
        #expect(error?.code == "interrupted")
        #expect(error?.traceback?.contains("tt.signal.work") == true)
    }

    @Test func anyCoroutineIsStopped() throws {
        let spin = "function() signal.interrupt() while true do end end"
        #expect(try interrupted("coroutine.wrap(\(spin))()")?.code == "interrupted")
        // Inside, after coming back, and after resuming another one.
        #expect(
            try interrupted("local co = coroutine.wrap(function() coroutine.yield() end) co() signal.interrupt() co()")?
                .code == "interrupted")
        #expect(
            try interrupted(
                """
                local ok, e = coroutine.resume(coroutine.create(\(spin)))
                assert(not ok and e.code == 'interrupted')
                """) == nil)
    }

    @Test func scopesAreUnwoundAndWorkGoesOn() throws {
        #expect(
            try interrupted(
                """
                local closed = false
                local ok, e = pcall(function()
                    local guard <close> = setmetatable({}, {__close = function() for i = 1, 1000 do closed = true end end})
                    signal.interrupt()
                    while true do end
                end)
                assert(not ok and e.code == 'interrupted' and closed)
                for i = 1, 1000 do end
                """) == nil)
    }

    @Test func aHookOfTheScriptComesBack() throws {
        #expect(
            try interrupted(
                """
                local function hook() end
                debug.sethook(hook, "c")
                pcall(function() signal.interrupt() while true do end end)
                assert(debug.gethook() == hook)
                """) == nil)
    }
}
