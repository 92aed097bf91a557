import Base

/// A value on the pickle machine's stack. Containers are numbers into `PickleGraph`, because a pickle may share them,
/// put them into themselves, or nest them a million deep; nothing here recurses, not even releasing it.
enum PickleValue {
    case none
    case bool(Bool)
    case int(Int64)
    case float(Double)
    case string(String)
    case list(Int)
    case tuple(Int)
    case dict(Int)
    case global(PickleGlobal)
    case storage(Int)
    case tensor(Int)
    case mark
}

/// The only names a pickle may mention. Each is a fact about the format, not code: nothing is looked up or called.
enum PickleGlobal: Equatable {
    case orderedDict
    case rebuildTensor
    case rebuildParameter
    case storage(ElementType)

    /// - Throws: `checkpoint.refused` for every other name.
    init(module: String, name: String) throws {
        switch (module, name) {
        case ("collections", "OrderedDict"): self = .orderedDict
        case ("torch._utils", "_rebuild_tensor_v2"): self = .rebuildTensor
        case ("torch._utils", "_rebuild_parameter"): self = .rebuildParameter
        case ("torch", _):
            if let type = ElementType(torchStorage: name) {
                self = .storage(type)
            } else if name.hasSuffix("Storage") {
                throw CheckpointError(
                    .notSupported,
                    "tensors of type torch.\(name) are not read; convert them with .float() before saving")
            } else {
                fallthrough
            }
        default:
            throw CheckpointError(
                .refused,
                "the pickle names '\(PickleGlobal.shown(module)).\(PickleGlobal.shown(name))', which is none of the"
                    + " globals a checkpoint needs; nothing was run. Save plain dictionaries, lists, numbers, text and"
                    + " tensors only",
                details: [("global", .string("\(module).\(name)"))])
        }
    }

    /// Control characters of a hostile name stay out of terminals.
    private static func shown(_ text: String) -> String {
        String(
            String.UnicodeScalarView(
                text.unicodeScalars.prefix(200).map { $0.value < 0x20 || (0x7F..<0xA0).contains($0.value) ? "?" : $0 }))
    }

    var shownName: String {
        switch self {
        case .orderedDict: "collections.OrderedDict"
        case .rebuildTensor: "torch._utils._rebuild_tensor_v2"
        case .rebuildParameter: "torch._utils._rebuild_parameter"
        case .storage(let type): "torch.\(type.torchStorage)"
        }
    }
}

/// A storage as the pickle announces it: the file `data/<key>` with `count` elements.
struct PickleStorage {
    let type: ElementType
    let key: String
    let count: Int
}

/// A tensor as the pickle announces it: a strided view of a storage. Lengths are in elements.
struct PickleTensor {
    let storage: PickleStorage
    let view: StridedView
}

struct PickleDict {
    var entries: [(key: String, value: PickleValue)] = []
    private var positions: [ByteKey: Int] = [:]

    mutating func set(_ key: String, _ value: PickleValue) {
        if let position = positions[ByteKey(key)] {
            entries[position].value = value
        } else {
            positions[ByteKey(key)] = entries.count
            entries.append((key, value))
        }
    }
}

/// Everything a pickle made, flat, and the value it left.
struct PickleGraph {
    var lists: [[PickleValue]] = []
    var dicts: [PickleDict] = []
    var storages: [PickleStorage] = []
    var tensors: [PickleTensor] = []
    var root = PickleValue.none
}
