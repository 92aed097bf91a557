import CPostgres

extension PostgresConnection {
    var isInTransaction: Bool {
        guard let pointer else { return false }
        if reading != nil { return isReadInTransaction }
        let status = tt_PQtransactionStatus(pointer)
        return status == PQTRANS_INTRANS || status == PQTRANS_INERROR
    }

    func begin(_ options: TransactionOptions) throws {
        var sql = "BEGIN"
        if let isolation = options.isolation { sql += " ISOLATION LEVEL \(isolation.rawValue)" }
        if options.readOnly { sql += " READ ONLY" }
        try command(sql)
    }

    func commit() throws {
        var tag = ""
        try run(nil, send: { PostgresSend.text($0, "COMMIT") }) { result, _ in
            tag = String(cString: tt_PQcmdStatus(result))
        }
        // The server answers so, and not with an error, when a statement failed and the script went on regardless.
        if tag == "ROLLBACK" {
            throw SQLError(
                "sql.transaction",
                "nothing was committed: a statement in the transaction failed, which undoes all of it; put statements that "
                    + "may fail into a transaction of their own inside of it")
        }
    }

    func rollback() throws { try command("ROLLBACK", uninterruptible: true) }

    func savepoint(_ name: String) throws { try command("SAVEPOINT \(name)") }

    func release(_ name: String) throws { try command("RELEASE SAVEPOINT \(name)") }

    func rollback(to name: String) throws {
        try command("ROLLBACK TO SAVEPOINT \(name); RELEASE SAVEPOINT \(name)", uninterruptible: true)
    }
}
