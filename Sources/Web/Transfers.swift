import Base

/// Several requests under way at once; their answers are given as they come.
public final class Transfers {
    private let client: Client
    private let limit: Int
    private var next: (() throws -> Request?)?
    private var underWay: [Transfer] = []
    private var finished: [Transfer] = []

    /// - Parameters:
    ///   - limit: how many requests are under way at most.
    ///   - next: gives the next request, nil at the end.
    public init(_ client: Client, limit: Int, next: @escaping () throws -> Request?) {
        precondition(limit > 0)
        self.client = client
        self.limit = limit
        self.next = next
    }

    deinit { close() }

    /// The next answer with its request; nil when all have been given. A request without an answer throws, and ends the
    /// others.
    public func nextAnswer() throws -> (request: Request, response: Response)? {
        do {
            try fill()
            if finished.isEmpty {
                guard !underWay.isEmpty else { return nil }
                try client.run { !finished.isEmpty }
                try fill()
            }
            // What was just begun gets on its way before the caller goes to work.
            if !underWay.isEmpty { try client.step(wait: false) }
            let transfer = finished.removeFirst()
            guard case .done(let result) = transfer.state else { throw WebError.closed }
            return (transfer.request, try result.get())
        } catch {
            close()
            throw error
        }
    }

    private func fill() throws {
        while underWay.count < limit, let next {
            guard let request = try next() else {
                self.next = nil
                return
            }
            let transfer = try client.start(request)
            if transfer.isDone {
                finished.append(transfer)
            } else {
                underWay.append(transfer)
                transfer.whenDone = { [weak self, weak transfer] in
                    guard let self, let transfer else { return }
                    underWay.removeAll { $0 === transfer }
                    finished.append(transfer)
                }
            }
        }
    }

    /// Aborts what is under way. Closing twice is fine.
    public func close() {
        next = nil
        let transfers = underWay
        underWay = []
        finished = []
        for transfer in transfers {
            transfer.whenDone = nil
            client.cancel(transfer)
        }
    }
}
