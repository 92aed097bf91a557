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
            try client.run { !finished.isEmpty || underWay.isEmpty }
            guard !finished.isEmpty else { return nil }
            let transfer = finished.removeFirst()
            guard case .done(let result) = transfer.state else { throw WebError.closed }
            let response = try result.get()
            // The next one gets on its way before the caller goes to work.
            try fill()
            if !underWay.isEmpty { try client.step(wait: false) }
            return (transfer.request, response)
        } catch {
            close()
            throw error
        }
    }

    /// Answers that wait to be given count as under way, so that no more of them pile up than are wanted at once.
    private func fill() throws {
        while underWay.count + finished.count < limit, let next {
            guard let request = try next() else {
                self.next = nil
                return
            }
            guard self.next != nil else { return }
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
