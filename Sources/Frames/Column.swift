import Base

/// A named-less, typed, nullable, immutable column.
public final class Column: @unchecked Sendable {
    public enum Storage {
        case int64(Buffer<Int64>)
        case float32(Buffer<Float>)
        case float64(Buffer<Double>)
        /// 0 or 1.
        case bool(Buffer<UInt8>)
        case timestamp(Buffer<Int64>)
        case uuid(UUIDs)
        /// Codes into a pool. A column of few distinct strings shares a distinct pool (dictionary encoding); the pool of
        /// mostly unique ones may repeat a string. Codes stand in any order and need not use the whole pool.
        case string(codes: Buffer<Int32>, pool: StringPool)
        /// Row i holds `child[offsets[i]..<offsets[i + 1]]`; count + 1 offsets. A null row is an empty range.
        case list(offsets: Buffer<Int64>, child: Column)
    }

    public let count: Int
    public let storage: Storage
    /// One byte a row, 1 where there is a value, 0 where there is null. nil when nothing is null.
    /// Values under a null are initialised but meaningless (a null list is an empty range); a string code under null may
    /// be out of range when the pool is empty.
    public let validity: Buffer<UInt8>?

    public init(_ storage: Storage, validity: Buffer<UInt8>? = nil) {
        switch storage {
        case .int64(let buffer), .timestamp(let buffer): count = buffer.count
        case .float32(let buffer): count = buffer.count
        case .float64(let buffer): count = buffer.count
        case .bool(let buffer): count = buffer.count
        case .uuid(let buffer): count = buffer.count
        case .string(let codes, _): count = codes.count
        case .list(let offsets, _): count = offsets.count - 1
        }
        precondition(validity == nil || validity!.count == count)
        self.storage = storage
        self.validity = validity
    }

    public var dtype: DType {
        switch storage {
        case .int64: .int64
        case .float32: .float32
        case .float64: .float64
        case .bool: .bool
        case .timestamp: .timestamp
        case .uuid: .uuid
        case .string: .string
        case .list(_, let child): .list(child.dtype)
        }
    }

    @inlinable public func isNull(_ row: Int) -> Bool {
        guard let validity else { return false }
        return validity.pointer[row] == 0
    }

    public var nullCount: Int {
        guard let validity else { return 0 }
        return validity.elements.reduce(0) { $0 + (1 - Int($1)) }
    }
}
