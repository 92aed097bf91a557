extension Transfer {
    var due: Double { if case .pausing(let moment) = state { moment } else { .infinity } }

    func isDue(_ now: Double) -> Bool { due <= now }

    var isOverdue: Bool { clock() - startedAt >= request.timeout ?? options.timeout }

    /// Seconds until a time limit is reached.
    var patience: Double {
        let now = clock()
        let whole = startedAt + (request.timeout ?? options.timeout) - now
        // Until there is a connection, its own limit counts.
        guard connections > 0 else { return whole }
        let limit = request.idleTimeout ?? options.idleTimeout
        return min(whole, lastActivity + limit - now)
    }

    func notice(status: Int?, failure: WebError?, wait: Double) -> RetryNotice {
        RetryNotice(
            method: request.method, url: address.shown, attempt: attempts, status: status, failure: failure, wait: wait)
    }
}
