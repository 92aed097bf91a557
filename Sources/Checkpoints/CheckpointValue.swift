import Base
import Tensors

/// What a checkpoint holds: plain values, lists, ordered dictionaries with text keys, and float32 tensors.
///
/// A pickled tuple reads as a list and an integer key as its decimal text; everything else survives a round trip,
/// order included.
public enum CheckpointValue {
    case none
    case bool(Bool)
    case int(Int64)
    case float(Double)
    case string(String)
    case list([CheckpointValue])
    case dict(CheckpointDict)
    case tensor(Tensor)

    /// The entry `name` of a dictionary; nil for other kinds and unknown names.
    public subscript(name: String) -> CheckpointValue? {
        guard case .dict(let dict) = self else { return nil }
        return dict[name]
    }
}

/// Entries in the order they were written. Keys are compared byte for byte, as Python does code point for code point,
/// and not by Swift's canonical equivalence, which would take two spellings of `é` for one key.
public struct CheckpointDict {
    public struct Entry {
        public let key: String
        public var value: CheckpointValue

        public init(_ key: String, _ value: CheckpointValue) {
            self.key = key
            self.value = value
        }
    }

    public private(set) var entries: [Entry] = []
    private var positions: [ByteKey: Int] = [:]

    public init() {}

    /// - Parameter pairs: later values replace earlier ones under the same key.
    public init(_ pairs: [(String, CheckpointValue)]) {
        for (key, value) in pairs { self[key] = value }
    }

    public var keys: [String] { entries.map(\.key) }

    public subscript(key: String) -> CheckpointValue? {
        get { positions[ByteKey(key)].map { entries[$0].value } }
        set {
            guard let newValue else { return remove(key) }
            if let position = positions[ByteKey(key)] {
                entries[position].value = newValue
            } else {
                positions[ByteKey(key)] = entries.count
                entries.append(Entry(key, newValue))
            }
        }
    }

    private mutating func remove(_ key: String) {
        guard let position = positions.removeValue(forKey: ByteKey(key)) else { return }
        entries.remove(at: position)
        for index in position..<entries.count { positions[ByteKey(entries[index].key)] = index }
    }
}
