import Base
import LuaHost

/// `tt.time`.
enum TimeModule {
    static var module: LuaModule {
        LuaModule(
            "tt.time",
            functions: [
                // time.now() -> microseconds
                "now": { call in call.push(Clock.now()) },
                // time.monotonic() -> seconds
                "monotonic": { call in call.push(Clock.monotonic()) },
                // time.parse(text) -> microseconds | nil
                "parse": { call in
                    let instant = try call[1].withBytes { Timestamp.parse($0.bindMemory(to: UInt8.self)) }
                    return call.push(instant)
                },
                // time.format(microseconds) -> text
                "format": { call in call.push(Timestamp.text(try call[1].int64())) },
                // time.date(microseconds) -> table
                "date": { call in call.push(date(try call[1].int64())) },
                // time.sleep(seconds)
                "sleep": { call in
                    let seconds = try call[1].double()
                    guard seconds >= 0, seconds.isFinite else {
                        throw call.argumentError(1, "seconds from 0 up expected, got \(seconds)")
                    }
                    try Clock.sleep(seconds: seconds)
                    return 0
                },
            ])
    }

    private static func date(_ microseconds: Int64) -> Value {
        let parts = Timestamp.parts(microseconds)
        return .object(
            ("year", .int(parts.year)), ("month", .int(parts.month)), ("day", .int(parts.day)),
            ("hour", .int(parts.hour)), ("minute", .int(parts.minute)), ("second", .int(parts.second)),
            ("microsecond", .int(parts.microsecond)), ("weekday", .int(parts.weekday)))
    }
}
