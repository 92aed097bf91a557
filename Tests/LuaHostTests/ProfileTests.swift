import Base
import CLuaBridge
import Glibc
import Testing

@testable import LuaHost

/// Profiles, of which the whole process has one at a time.
@Suite(.serialized) struct ProfileTests {
    private let module = LuaModule(
        "tt.probe",
        functions: [
            // Waits so many milliseconds.
            "wait": { call in
                let end = Clock.monotonic() + (try call[1].double()) / 1000
                while Clock.monotonic() < end {}
                return 0
            },
            "call": { call in
                for result in try call.invoke(try call[1].function()) { call.push(result) }
                return 0
            },
            "now": { call in call.push(Clock.monotonic()) },
            "fail": { _ in throw BaseError("probe", "no") },
        ])

    private func profile(_ code: String) throws -> Profile {
        let state = try LuaState(modules: [module])
        defer { state.close() }
        let chunk = try state.load("local probe = require 'tt.probe' " + code, name: "@t.lua")
        let profiler = try Profiler(state)
        try state.withCall { _ = try $0.invoke(chunk) }
        return profiler.stop()
    }

    private func native(_ name: String, in profile: Profile) throws -> Profile.Native {
        try #require(profile.natives.first { $0.name == name })
    }

    private let millisecond: Int64 = 1_000_000

    @Test func nativeTimeIsExactAndShowsOnTheLine() throws {
        let profile = try profile("\nprobe.wait(20)\nprobe.wait(30)\nfor i = 1, 2000 do probe.wait(0) end")
        let wait = try native("tt.probe.wait", in: profile)
        #expect(wait.count == 2002)
        #expect(wait.own >= 50 * millisecond && wait.own == wait.total)
        let line = try #require(profile.lines.first { $0.number == 3 })
        #expect(line.source == "@t.lua")
        #expect(line.native >= 30 * millisecond && line.own >= line.native && line.total >= line.own)
        #expect(profile.folded.split(separator: "\n").contains { $0.hasPrefix("t.lua:2;[native] tt.probe.wait ") })
        #expect(profile.lua + profile.native <= profile.duration)
    }

    @Test func aCallbackInsideANativeCallIsNotItsOwnTime() throws {
        let profile = try profile(
            """

            local function inner()
                probe.wait(20)
                local ends = probe.now() + 0.05
                while probe.now() < ends do end
            end
            probe.call(inner)
            """)
        let call = try native("tt.probe.call", in: profile)
        #expect(call.total - call.own >= 69 * millisecond)
        #expect(profile.folded.contains("t.lua:7;[native] tt.probe.call;t.lua:3;[native] tt.probe.wait "))
        let caller = try #require(profile.lines.first { $0.number == 7 } ?? profile.lines.first)
        #expect(caller.total >= 20 * millisecond)
    }

    @Test func recursionIsCountedOnce() throws {
        let profile = try profile(
            """

            local function down(n)
                if n == 0 then return probe.wait(10) end
                probe.call(function() down(n - 1) end)
            end
            down(5)
            """)
        let call = try native("tt.probe.call", in: profile)
        #expect(call.count == 5)
        #expect(call.total >= 10 * millisecond && call.total <= profile.duration)
        for line in profile.lines { #expect(line.total <= profile.duration) }
    }

    @Test func coroutinesStandOnTheLineThatResumedThem() throws {
        let profile = try profile(
            """

            local inner = coroutine.wrap(function() probe.wait(10) coroutine.yield() probe.wait(10) end)
            local outer = coroutine.create(function() inner() inner() end)
            coroutine.resume(outer)
            """)
        let stacks = profile.folded.split(separator: "\n").filter { $0.contains("probe.wait") }
        #expect(stacks.count == 1)
        #expect(stacks.first?.hasPrefix("t.lua:4;[native] coroutine.resume;t.lua:3;") == true)
    }

    @Test func errorsLeaveTheBooksInOrder() throws {
        let profile = try profile(
            """

            for i = 1, 100 do pcall(probe.fail) end
            for i = 1, 10 do pcall(probe.call, function() error("x") end) end
            for i = 1, 10 do pcall(coroutine.wrap(function() probe.fail() end)) end
            probe.wait(10)
            """)
        #expect(try native("tt.probe.fail", in: profile).count == 110)
        #expect(try native("tt.probe.call", in: profile).count == 10)
        #expect(profile.folded.contains("\nt.lua:5;[native] tt.probe.wait ") || profile.folded.hasPrefix("t.lua:5;"))
    }

    @Test func deepStacksKeepTheirInnermostLevels() throws {
        let profile = try profile(
            "local function f(n) if n > 0 then f(n - 1) else probe.wait(5) end return n end f(5000)")
        let stack = try #require(profile.folded.split(separator: "\n").first { $0.contains("probe.wait") })
        #expect(stack.hasPrefix("...;f t.lua:1;"))
        #expect(stack.split(separator: ";").count == 201)
    }

    @Test func thereIsOneAtATime() throws {
        let state = try LuaState(modules: [])
        defer { state.close() }
        let first = try Profiler(state)
        #expect(throws: BaseError.self) { _ = try Profiler(state) }
        _ = first.stop()
        _ = try Profiler(state).stop()
    }

    /// Hooks, ticks and coroutines at once, for a while.
    @Test func manySwitchesAreSurvived() throws {
        let profile = try profile(
            """

            local ends = probe.now() + 0.3
            local list = {}
            while probe.now() < ends do
                local co = coroutine.wrap(function()
                    for i = 1, 10 do
                        list[i] = {}
                        probe.call(function() coroutine.wrap(function() probe.wait(0) end)() end)
                        coroutine.yield(i)
                    end
                end)
                for i = 1, 10 do co() end
            end
            """)
        #expect(profile.samples > 0)
        #expect(profile.lua > 0 && profile.native > 0 && profile.lua + profile.native <= profile.duration)
    }
}
