import Base
import Testing

@testable import LuaHost

/// A limited allocator: memory errors are errors like others, wherever they strike.
@Suite struct MemoryTests {
    @Test func luaCodeThatNeedsTooMuchFails() throws {
        let tally = Tally()
        try withProbes(tally, limit: 2_000_000) { (state) throws in
            let error = try state.failure("local p = probe.new() local t = {} for i = 1, 1e7 do t[i] = {} end")
            #expect(error?.code == "memory")
            #expect(error?.message == "not enough memory")
            try state.eval("collectgarbage() assert(1 + 1 == 2)")
            #expect(tally.living == 0)
        }
    }

    @Test func nativeCodeGoesOverTheLimitAndFailsAfterwards() throws {
        let tally = Tally()
        try withProbes(tally, limit: 2_000_000) { (state) throws in
            for _ in 0..<10 {
                let error = try state.failure("return #probe.big(5000000)")
                #expect(error?.message == "not enough memory")
            }
            #expect(try state.eval("return #probe.big(1000000)") == [1_000_000])
            #expect(try state.failure("return #probe.large(5000000)")?.message == "not enough memory")
            let caught = try state.eval("local ok, e = pcall(probe.big, 3000000) return ok, e")
            #expect(caught == [false, "not enough memory"])
            #expect(tally.living == 0)
        }
    }

    @Test func anyAllocationMayFail() throws {
        let code = """
            warn('@off')
            local list = {}
            for i = 1, 20 do
                list[i] = probe.new()
                pcall(probe.fail, 'code')
                pcall(probe.call, function() local p <close> = probe.new(); error({}) end)
                local co = coroutine.wrap(function() local p <close> = probe.new(); coroutine.yield(1); probe.fail('x') end)
                pcall(co) pcall(co)
                probe.value({a = {1, 2, 3}, b = 'text' .. i})
                pcall(probe.read, list[i], 1, {timeout_x = 1})
                list[i] = probe.names({x = 1, y = 2})
            end
            """
        let tally = Tally()
        var outcomes: Set<String> = []
        for limit in stride(from: 8_000, to: 120_000, by: 97) {
            do {
                try withProbes(tally, limit: limit) { try $0.eval(code) }
                outcomes.insert("done")
            } catch let error as BaseError {
                outcomes.insert(error.code)
            } catch let error as LuaError {
                // What fails first may be raised again as text by Lua code of ours; its words stay. Lua calls it a stack
                // overflow when the memory is missing for a larger stack.
                let isMemory = ["not enough memory", "stack overflow"].contains { error.message.contains($0) }
                outcomes.insert(isMemory ? "memory" : error.text)
            }
            #expect(tally.living == 0)
        }
        #expect(outcomes == ["done", "memory"])
    }

    @Test func nativeMemoryMakesTheCollectorRun() throws {
        final class Heavy {}
        let module = LuaModule(
            "tt.heavy", functions: ["new": { $0.push(object: Heavy()) }],
            classes: [LuaClass(Heavy.self, "tt.Heavy", methods: [:], byteCount: { _ in 1 << 20 })])
        let state = try LuaState(modules: [module])
        defer { state.close() }
        var peak = 0
        let chunk = try state.load("local heavy = require 'tt.heavy' for i = 1, 100 do heavy.new() end", name: "=x")
        for _ in 0..<100 {
            try state.withCall { _ = try $0.invoke(chunk) }
            peak = max(peak, state.memory.native)
        }
        #expect(peak <= 130 << 20)
    }
}
