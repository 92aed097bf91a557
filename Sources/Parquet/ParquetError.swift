import Base

/// What went wrong with a Parquet file, in one of five kinds. An operating-system failure (no such file, disk full) is
/// not among them: it stays the `FileError` that `Base` throws.
public struct ParquetError: TTError {
    public enum Kind: String, Sendable {
        /// The bytes break the format: truncated, damaged, or written wrongly.
        case outOfSpec = "out_of_spec"
        /// The file is valid and uses a feature this reader does not have (a nested type, a codec, encryption).
        case unsupported = "unsupported"
        /// The caller asked for something that does not exist or does not fit.
        case badParameter = "bad_parameter"
        /// The file claims so many values that decoding it would take far more memory than its size suggests.
        case wouldAllocateTooMuch = "would_allocate_too_much"
        /// The reader or writer was used after `close` or after it failed.
        case closed = "closed"
    }

    public let kind: Kind
    public let reason: String
    /// The place, filled in on the way up by whoever knows it.
    public private(set) var path: String?
    public private(set) var column: String?
    public private(set) var rowGroup: Int?
    public private(set) var pageOffset: Int?

    public init(_ kind: Kind, _ reason: String, path: String? = nil, column: String? = nil) {
        self.kind = kind
        self.reason = reason
        self.path = path
        self.column = column
    }

    static func outOfSpec(_ reason: String) -> ParquetError { ParquetError(.outOfSpec, reason) }
    static func unsupported(_ reason: String) -> ParquetError { ParquetError(.unsupported, reason) }
    static func badParameter(_ reason: String) -> ParquetError { ParquetError(.badParameter, reason) }

    public var code: String { "parquet." + kind.rawValue }

    /// `emb.parquet: column 'embedding', row group 2, page at byte 4711: the page is …`
    public var message: String {
        var place: [String] = []
        if let column { place.append("column '\(column)'") }
        if let rowGroup { place.append("row group \(rowGroup + 1)") }
        if let pageOffset { place.append("page at byte \(pageOffset)") }
        return ([path, place.isEmpty ? nil : place.joined(separator: ", "), reason] as [String?])
            .compactMap { $0 }.joined(separator: ": ")
    }

    public var details: [(String, Value)] {
        var list: [(String, Value)] = []
        if let path { list.append(("path", .string(path))) }
        if let column { list.append(("column", .string(column))) }
        if let rowGroup { list.append(("row_group", .int(Int64(rowGroup + 1)))) }
        if let pageOffset { list.append(("page_offset", .int(Int64(pageOffset)))) }
        return list
    }

    /// Runs `body`, adding what is known about the place to any error of this target; a short read of `Base` becomes
    /// `out_of_spec`, other errors (files, Ctrl-C) pass unchanged.
    static func at<T>(
        path: String? = nil, column: String? = nil, rowGroup: Int? = nil, pageOffset: Int? = nil,
        _ body: () throws -> T
    ) throws -> T {
        do {
            return try body()
        } catch let error as ParquetError {
            throw error.placed(path: path, column: column, rowGroup: rowGroup, pageOffset: pageOffset)
        } catch let error as BaseError {
            throw ParquetError(.outOfSpec, "truncated or damaged: " + error.message)
                .placed(path: path, column: column, rowGroup: rowGroup, pageOffset: pageOffset)
        }
    }

    private func placed(path: String?, column: String?, rowGroup: Int?, pageOffset: Int?) -> ParquetError {
        var copy = self
        copy.path = copy.path ?? path
        copy.column = copy.column ?? column
        copy.rowGroup = copy.rowGroup ?? rowGroup
        copy.pageOffset = copy.pageOffset ?? pageOffset
        return copy
    }
}

/// How much memory one read may still take. Counts in a file are claims; every buffer sized by one is asked for here
/// first.
final class Allowance {
    let limit: Int
    private(set) var remaining: Int

    init(limit: Int) {
        self.limit = limit
        remaining = limit
    }

    /// Reserves room for `count` elements of `size` bytes that the result will keep.
    func take(_ count: Int, size: Int) throws {
        remaining -= try check(count, size: size)
    }

    /// Checks the room for a block that is released again soon.
    @discardableResult
    func check(_ count: Int, size: Int) throws -> Int {
        let (bytes, overflow) = count.multipliedReportingOverflow(by: size)
        guard count >= 0, !overflow, bytes <= remaining else {
            throw ParquetError(
                .wouldAllocateTooMuch,
                "decoding \(count) values of \(size) bytes would go over the limit of \(limit) bytes for this file; "
                    + "if the file is trusted, raise the limit with max_bytes")
        }
        try Memory.check(bytes, of: 1, for: "decoding \(count) values")
        return bytes
    }
}
