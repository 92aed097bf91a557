import Base
import CLuaBridge
import CSystem
import Glibc
import Testing

@testable import LuaHost

/// Ctrl-C, which the whole process shares.
@Suite(.serialized) struct InterruptTests {
    /// What the script said by `signal.note` before it ended.
    private final class Notes {
        var texts: [String] = []
    }

    private func interrupted(_ code: String, _ notes: Notes = Notes()) throws -> LuaError? {
        let module = LuaModule(
            "tt.signal",
            functions: [
                "interrupt": { _ in
                    raise(SIGINT)
                    return 0
                },
                "note": { call in
                    notes.texts.append(try call[1].string())
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
        // Whoever resumed is stopped as well.
        let error = try interrupted("coroutine.resume(coroutine.create(\(spin))) error('went on')")
        #expect(error?.code == "interrupted")
    }

    @Test func scopesAreUnwoundWhateverCatchesErrors() throws {
        let notes = Notes()
        let error = try interrupted(
            """
            local function guard(name)
                return setmetatable({}, {__close = function() for i = 1, 1000 do end signal.note(name) end})
            end
            local outer <close> = guard("outer")
            pcall(function()
                local inner <close> = guard("inner")
                signal.interrupt()
                while true do end
            end)
            signal.note("went on")
            """, notes)
        #expect(error?.code == "interrupted")
        #expect(notes.texts == ["inner", "outer"])
    }

    @Test func aHookOfTheScriptComesBack() throws {
        let notes = Notes()
        let error = try interrupted(
            """
            local function hook() end
            debug.sethook(hook, "c")
            local outer <close> = setmetatable({}, {__close = function()
                signal.note(tostring(debug.gethook() == hook))
            end})
            signal.interrupt()
            while true do end
            """, notes)
        #expect(error?.code == "interrupted")
        #expect(notes.texts == ["true"])
    }
}
