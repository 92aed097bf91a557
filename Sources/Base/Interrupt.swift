import CSystem

/// Ctrl-C or SIGTERM, as native code sees it: a flag that the signal handler sets and long loops poll.
public enum Interrupt {
    /// True from the first Ctrl-C until the interrupt has been raised in the script.
    @inlinable public static var isPending: Bool { tt_interrupt_pending() }

    /// Throws `Interrupted` when Ctrl-C was pressed. Cheap enough for every few thousand elements.
    @inlinable public static func check() throws {
        if tt_interrupt_pending() { throw Interrupted() }
    }
}

/// Thrown by native work that stopped because of Ctrl-C.
public struct Interrupted: TTError {
    public init() {}
    public var code: String { "interrupted" }
    public var message: String { "interrupted" }
}
