import Base

@testable import LuaHost

/// Counts the living objects of one test.
final class Tally {
    var living = 0
    var closed = 0
}

/// An object that reports its own release.
class Probe {
    let tally: Tally
    var kept: LuaFunction?

    init(_ tally: Tally) {
        self.tally = tally
        tally.living += 1
    }

    deinit { tally.living -= 1 }
}

final class DerivedProbe: Probe, @unchecked Sendable {}

/// An object whose `close` fails.
final class BadCloser {
    let probe: Probe
    init(_ tally: Tally) { probe = Probe(tally) }
}

final class Stranger {}

struct ProbeError: TTError {
    let code: String
    let message: String
    var details: [(String, Value)] = []
    var cause: (any Error)?
    /// Errors own objects too.
    let probe: Probe?
}

extension Probe: @unchecked Sendable {}

/// A module whose functions hold objects while they fail.
func probeModule(_ tally: Tally) -> LuaModule {
    LuaModule(
        "tt.probe",
        functions: [
            "new": { $0.push(object: Probe(tally)) },
            "derived": { $0.push(object: DerivedProbe(tally)) },
            "bad_closer": { $0.push(object: BadCloser(tally)) },
            "none": { $0.push(object: nil) },
            // fail(code): throws while objects are alive in this frame and in the error
            "fail": { call in
                let local = Probe(tally)
                defer { withExtendedLifetime(local) {} }
                throw ProbeError(
                    code: try call[1].string(), message: "it failed", details: [("row", 3), ("column", "price")],
                    cause: BaseError("base.cause", "the reason"), probe: Probe(tally))
            },
            "plain": { _ in
                struct Plain: Error {}
                throw Plain()
            },
            // read(object, integer, options): all kinds of argument errors
            "read": { call in
                let local = Probe(tally)
                defer { withExtendedLifetime(local) {} }
                let object = try call[1].object(Probe.self)
                let number = try call[2].int()
                let options = try call[3].options(["timeout_s", "rows"])
                let timeout = try options.field("timeout_s").optional?.double() ?? 1
                let rows = try options.field("rows").optional?.ints() ?? []
                return call.push(object: object) + call.push(number) + call.push(timeout) + call.push(list: rows)
            },
            // call(f, …): calls back with objects alive
            "call": { call in
                let local = Probe(tally)
                defer { withExtendedLifetime(local) {} }
                let function = try call[1].function()
                let arguments = call.count > 1 ? (2...call.count).map { call[$0] } : []
                let results = try call.invoke(function, arguments: arguments)
                for result in results { call.push(result) }
                return Int32(results.count)
            },
            // each(n, f): calls back n times
            "each": { call in
                let function = try call[2].function()
                var sum: Int64 = 0
                for i in 1...(try call[1].int()) {
                    try call.scope { sum += try call.invoke(function, i).first?.int64() ?? 0 }
                }
                return call.push(sum)
            },
            // try(f) -> code, message, traceback of the error f raises
            "try": { call in
                do {
                    _ = try call.invoke(try call[1].function())
                    return call.push(nil)
                } catch let error as LuaError {
                    return call.push(error.code) + call.push(error.message) + call.push(error.traceback)
                }
            },
            "big": { call in
                let local = Probe(tally)
                defer { withExtendedLifetime(local) {} }
                return call.push([UInt8](repeating: 0x78, count: try call[1].int()))
            },
            "large": { call in
                try [UInt8](repeating: 0x78, count: try call[1].int()).withUnsafeBytes { try call.pushLarge($0) }
            },
            "value": { call in call.push(try call[1].value()) },
            "kind": { call in call.push(call[1].kind.rawValue) },
            "string": { call in call.push(try call[1].string()) },
            "bytes": { call in call.push(try call[1].bytes()) },
            "int": { call in call.push(try call[1].int64()) },
            "double": { call in call.push(try call[1].double()) },
            "bool": { call in call.push(try call[1].bool()) },
            "strings": { call in call.push(list: try call[1].strings()) },
            "doubles": { call in call.push(list: try call[1].doubles()) },
            "names": { call in
                call.push(
                    list: try call[1].pairs().map { String(decoding: try $0.key.text(), as: UTF8.self) })
            },
            "rows": { call in
                var sum = 0
                try call[1].forEach { _, row in sum += try row.field("n").int() }
                return call.push(sum)
            },
            "count": { call in call.push(try call[1].elements().count) },
            "yield": { call in
                for i in stride(from: 1, through: call.count, by: 1) { call.push(call[i]) }
                return call.yield(Int32(call.count))
            },
            "interrupted": { _ in throw Interrupted() },
            "living": { $0.push(tally.living) },
        ],
        classes: [
            LuaClass(
                Probe.self, "tt.Probe",
                methods: [
                    "id": { call in call.push(try call[1].object(Probe.self).tally.living) },
                    "need": { call in call.push(try call[2].string()) },
                    "keep": { call in
                        try call[1].object(Probe.self).kept = try call[2].function()
                        return 0
                    },
                    "same": { call in
                        call.push(try call[1].object(Probe.self) === call[2].object(Probe.self))
                    },
                ],
                metamethods: ["__add": { call in call.push(object: try call[1].object(Probe.self)) }],
                index: { call in
                    let key = try call[2].string()
                    if key == "broken" { throw BaseError("probe.key", "no such key") }
                    return key == "color" ? call.push("red") : call.push(nil)
                },
                byteCount: { _ in 1000 },
                close: { probe in
                    probe.tally.closed += 1
                    probe.kept = nil
                }),
            LuaClass(
                BadCloser.self, "tt.BadCloser", methods: [:],
                close: { _ in throw BaseError("probe.close", "cannot close") }),
        ],
        constants: ["null": .null, "limit": 7])
}

/// A state with the probe module, an assertion that it leaves nothing behind, and a few shortcuts.
func withProbes(_ tally: Tally = Tally(), limit: Int = 0, _ body: (LuaState) throws -> Void) throws {
    let state = try LuaState(modules: [probeModule(tally)], memoryLimit: limit)
    defer { state.close() }
    try body(state)
}

extension LuaState {
    /// Runs code with `probe` and `collect` at hand and gives what it returns.
    @discardableResult
    func eval(_ code: String) throws -> [Value] {
        let chunk = try load("local probe = require 'tt.probe' " + code, name: "=test")
        return try withCall { call in try call.invoke(chunk).map { try $0.value() } }
    }

    /// The error that code raises.
    func failure(_ code: String) throws -> LuaError? {
        do {
            try eval(code)
            return nil
        } catch let error as LuaError {
            return error
        }
    }
}
