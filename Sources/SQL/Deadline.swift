import Glibc

/// A moment on the monotonic clock, in nanoseconds.
struct Deadline {
    let nanoseconds: UInt64

    static var now: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
    }

    init(after seconds: Double) {
        nanoseconds = Self.now &+ UInt64(min(max(seconds, 0), 1e9) * 1e9)
    }

    var hasPassed: Bool { Self.now >= nanoseconds }
}
