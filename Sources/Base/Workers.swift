/// The threads of the process, for rooms that lie below the one that has them.
public enum Workers {
    /// Runs a body for 0, 1, … and returns when all are done: one after the other, until somebody who has threads puts
    /// in something better at the start of the process.
    nonisolated(unsafe) public static var run: (_ count: Int, _ body: (Int) -> Void) -> Void = { count, body in
        for index in 0..<count { body(index) }
    }

    /// Cuts `0..<count` into pieces that do not depend on the number of threads.
    @inlinable public static func pieces(of count: Int, _ body: (Range<Int>) -> Void) {
        let size = 1 << 18
        guard count > size else { return body(0..<count) }
        run((count + size - 1) / size) { body($0 * size..<min(($0 + 1) * size, count)) }
    }
}
