import Glibc

/// The clocks of the machine.
public enum Clock {
    /// The wall clock in microseconds since 1970-01-01T00:00:00Z.
    public static func now() -> Int64 {
        let time = read(CLOCK_REALTIME)
        return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
    }

    /// Seconds since an arbitrary moment; never jumps, so differences are durations.
    public static func monotonic() -> Double {
        let time = read(CLOCK_MONOTONIC)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }

    /// Waits; Ctrl-C ends the wait with `Interrupted`.
    public static func sleep(seconds: Double) throws {
        let end = monotonic() + seconds
        while true {
            try Interrupt.check()
            let rest = end - monotonic()
            guard rest > 0 else { return }
            // Short naps, because a signal may be delivered to another thread of the process.
            let nap = min(rest, 0.1)
            var wanted = timespec(tv_sec: 0, tv_nsec: Int(nap * 1e9))
            nanosleep(&wanted, nil)
        }
    }

    private static func read(_ clock: clockid_t) -> timespec {
        var time = timespec()
        clock_gettime(clock, &time)
        return time
    }
}
