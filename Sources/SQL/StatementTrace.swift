import Synchronization

/// Notes the statements that connections of this process run, tt's own among them, as they are sent: with placeholders,
/// never with the values bound to them.
///
///     let trace = StatementTrace()
///     try database.query("SELECT ?", [.int(1)])
///     trace.statements()      // ["SELECT $1"] on PostgreSQL
public final class StatementTrace: Sendable {
    /// Of more than these only the last are kept.
    public static let capacity = 10_000

    private static let active = Mutex<[StatementTrace]>([])
    private static let isActive = Atomic(false)
    private let noted = Mutex<[String]>([])

    public init() {
        Self.active.withLock {
            $0.append(self)
            Self.isActive.store(true, ordering: .relaxed)
        }
    }

    /// Those that ran since the trace began or was asked last, in their order.
    public func statements() -> [String] {
        noted.withLock { list in
            defer { list = [] }
            return list
        }
    }

    /// Ends the trace; what was noted stays.
    public func close() {
        Self.active.withLock {
            $0.removeAll { $0 === self }
            Self.isActive.store(!$0.isEmpty, ordering: .relaxed)
        }
    }

    static func note(_ statement: String) {
        guard isActive.load(ordering: .relaxed) else { return }
        for trace in active.withLock({ $0 }) {
            trace.noted.withLock {
                if $0.count == capacity { $0.removeFirst() }
                $0.append(statement)
            }
        }
    }
}
