import Base

/// Seconds that were spent waiting for answers. It stands still while the caller does something else, so that time limits
/// of transfers measure the other side.
final class WaitingClock {
    private var depth = 0
    private var startedAt = 0.0
    private var sum = 0.0
    private var stoppedAt = Clock.monotonic()
    /// Seconds that it stood still.
    private(set) var away = 0.0

    var now: Double { depth > 0 ? sum + Clock.monotonic() - startedAt : sum }

    func start() {
        depth += 1
        guard depth == 1 else { return }
        startedAt = Clock.monotonic()
        away += startedAt - stoppedAt
    }

    func stop() {
        depth -= 1
        guard depth == 0 else { return }
        stoppedAt = Clock.monotonic()
        sum += stoppedAt - startedAt
    }

    /// Lets it stand still while `body` runs.
    func outside<Result>(_ body: () throws -> Result) rethrows -> Result {
        let held = depth
        depth = 1
        stop()
        defer {
            start()
            depth = held
        }
        return try body()
    }
}
