import Base
import Tensors

/// The pickle machine, cut down to what `torch.save` writes for tensors in plain containers.
///
/// Source: CPython's `pickletools`, protocol 2. Nothing is ever imported or called: a name is one of `PickleGlobal` or
/// the reading stops.
struct PickleReader {
    private var reader: ByteReader
    private var graph = PickleGraph()
    private var stack: [PickleValue] = []
    private var memo: [UInt32: PickleValue] = [:]
    /// Items of dictionaries made from lists; the memo could hand the same list over and over.
    private var listedItems = 0

    static func read(_ bytes: UnsafeRawBufferPointer) throws -> PickleGraph {
        var machine = PickleReader(reader: ByteReader(bytes))
        return try machine.run()
    }

    private init(reader: ByteReader) { self.reader = reader }

    private mutating func run() throws -> PickleGraph {
        var steps = 0
        while true {
            steps += 1
            if steps & 0xFFFF == 0 { try Interrupt.check() }
            let position = reader.offset
            let code: UInt8 = try reader.littleEndian()
            guard let opcode = Opcode(rawValue: code) else {
                throw CheckpointError(
                    .notSupported,
                    "the pickle uses opcode 0x\(String(code, radix: 16)) at byte \(position), which torch.save does not"
                        + " write by default; save with the default pickle protocol 2")
            }
            if opcode == .stop { break }
            try step(opcode)
        }
        graph.root = try pop()
        guard stack.isEmpty else { throw malformed("leaves \(stack.count) values too many") }
        return graph
    }

    private mutating func step(_ opcode: Opcode) throws {
        switch opcode {
        case .stop: break
        case .proto:
            let version: UInt8 = try reader.littleEndian()
            guard version == 2 || version == 3 else {
                throw CheckpointError(
                    .notSupported, "the pickle is of protocol \(version); save with torch.save's default, protocol 2")
            }
        case .none: stack.append(.none)
        case .newTrue: stack.append(.bool(true))
        case .newFalse: stack.append(.bool(false))
        case .binInt1: stack.append(.int(Int64(try reader.littleEndian(UInt8.self))))
        case .binInt2: stack.append(.int(Int64(try reader.littleEndian(UInt16.self))))
        case .binInt: stack.append(.int(Int64(try reader.littleEndian(Int32.self))))
        case .long1: stack.append(.int(try long()))
        case .binFloat: stack.append(.float(Double(bitPattern: try reader.bigEndian(UInt64.self))))
        case .binUnicode: stack.append(.string(try text(Int(try reader.littleEndian(UInt32.self)))))
        case .shortBinString: stack.append(.string(try text(Int(try reader.littleEndian(UInt8.self)))))
        case .mark: stack.append(.mark)
        case .emptyDict: stack.append(newDict())
        case .emptyList, .emptySet: stack.append(.list(newList([])))
        case .emptyTuple: stack.append(.tuple(newList([])))
        case .tuple: stack.append(.tuple(newList(try popToMark())))
        case .tuple1: stack.append(.tuple(newList(try popLast(1))))
        case .tuple2: stack.append(.tuple(newList(try popLast(2))))
        case .tuple3: stack.append(.tuple(newList(try popLast(3))))
        case .append: try append(try popLast(1))
        case .appends: try append(try popToMark())
        case .setItem: try set(try popLast(2))
        case .setItems: try set(try popToMark())
        case .binPut: try remember(UInt32(try reader.littleEndian(UInt8.self)))
        case .longBinPut: try remember(try reader.littleEndian(UInt32.self))
        case .binGet: try recall(UInt32(try reader.littleEndian(UInt8.self)))
        case .longBinGet: try recall(try reader.littleEndian(UInt32.self))
        case .global: stack.append(.global(try PickleGlobal(module: try line(), name: try line())))
        case .binPersID: try loadStorage()
        case .reduce: try reduce(newObject: false)
        case .newObj: try reduce(newObject: true)
        case .build: try build()
        }
    }

    // MARK: - Stack and memo

    private func malformed(_ what: String) -> CheckpointError {
        CheckpointError(.outOfSpec, "the pickle \(what) at byte \(reader.offset); the file is damaged")
    }

    private mutating func pop() throws -> PickleValue {
        guard let value = stack.popLast() else { throw malformed("takes from an empty stack") }
        if case .mark = value { throw malformed("takes a mark for a value") }
        return value
    }

    private mutating func popLast(_ count: Int) throws -> [PickleValue] {
        var values: [PickleValue] = []
        for _ in 0..<count { values.append(try pop()) }
        values.reverse()
        return values
    }

    private mutating func popToMark() throws -> [PickleValue] {
        let mark = stack.lastIndex { if case .mark = $0 { true } else { false } }
        guard let mark else { throw malformed("misses a mark") }
        let values = Array(stack[(mark + 1)...])
        stack.removeSubrange(mark...)
        return values
    }

    private mutating func remember(_ index: UInt32) throws {
        guard let value = stack.last else { throw malformed("remembers from an empty stack") }
        if case .mark = value { throw malformed("remembers a mark") }
        memo[index] = value
    }

    private mutating func recall(_ index: UInt32) throws {
        guard let value = memo[index] else { throw malformed("recalls a value it never stored") }
        stack.append(value)
    }

    // MARK: - Scalars

    private mutating func long() throws -> Int64 {
        let size: UInt8 = try reader.littleEndian()
        let bytes = try reader.take(Int(size))
        guard size <= 8 else {
            throw CheckpointError(.notSupported, "the pickle holds an integer of more than 64 bits")
        }
        guard let last = bytes.last else { return 0 }
        var value: Int64 = last & 0x80 == 0 ? 0 : -1
        for byte in bytes.reversed() { value = value << 8 | Int64(byte) }
        return value
    }

    private mutating func text(_ size: Int) throws -> String {
        let bytes = try reader.take(size)
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw CheckpointError(.notSupported, "the pickle holds a text at byte \(reader.offset) that is not UTF-8")
        }
        return text
    }

    /// A name up to the next newline.
    private mutating func line() throws -> String {
        let rest = reader.bytes[reader.offset...]
        guard let end = rest.firstIndex(of: UInt8(ascii: "\n")) else { throw malformed("has a name without end") }
        let name = try text(end - reader.offset)
        try reader.skip(1)
        return name
    }

    // MARK: - Containers

    private mutating func newList(_ values: [PickleValue]) -> Int {
        graph.lists.append(values)
        return graph.lists.count - 1
    }

    private mutating func newDict() -> PickleValue {
        graph.dicts.append(PickleDict())
        return .dict(graph.dicts.count - 1)
    }

    private mutating func append(_ values: [PickleValue]) throws {
        guard case .list(let index)? = stack.last else { throw malformed("appends to something that is no list") }
        graph.lists[index] += values
    }

    private mutating func set(_ values: [PickleValue]) throws {
        guard case .dict(let index)? = stack.last, values.count % 2 == 0 else {
            throw malformed("sets items of something that is no dictionary")
        }
        for position in stride(from: 0, to: values.count, by: 2) {
            try set(values[position], values[position + 1], in: index)
        }
    }

    private mutating func set(_ key: PickleValue, _ value: PickleValue, in index: Int) throws {
        switch key {
        case .string(let key): graph.dicts[index].set(key, value)
        case .int(let key): graph.dicts[index].set(String(key), value)
        default:
            throw CheckpointError(
                .notSupported, "the pickle holds a dictionary whose keys are neither text nor integers")
        }
    }

    // MARK: - Objects

    /// BINPERSID: the tuple ('storage', type, key, location, element count).
    private mutating func loadStorage() throws {
        guard case .tuple(let index) = try pop() else { throw malformed("has a storage that is no tuple") }
        let fields = graph.lists[index]
        guard fields.count == 5, case .string("storage") = fields[0], case .global(.storage(let type)) = fields[1],
            case .string(let key) = fields[2], case .string = fields[3], case .int(let count) = fields[4],
            let count = Int(exactly: count), count >= 0
        else { throw malformed("describes a storage in an unknown way") }
        graph.storages.append(PickleStorage(type: type, key: key, count: count))
        stack.append(.storage(graph.storages.count - 1))
    }

    private mutating func reduce(newObject: Bool) throws {
        guard case .tuple(let index) = try pop(), case .global(let global) = try pop() else {
            throw malformed("calls something that is no known global")
        }
        let arguments = graph.lists[index]
        switch global {
        case .orderedDict: try makeOrderedDict(arguments)
        case .rebuildTensor where !newObject: try rebuildTensor(arguments)
        case .rebuildParameter where !newObject:
            guard let first = arguments.first, case .tensor = first else { throw badCall(global) }
            stack.append(first)
        default: throw badCall(global)
        }
    }

    private func badCall(_ global: PickleGlobal) -> CheckpointError {
        malformed("uses \(global.shownName) in an unknown way")
    }

    private mutating func makeOrderedDict(_ arguments: [PickleValue]) throws {
        guard case .dict(let dict) = newDict() else { return }
        defer { stack.append(.dict(dict)) }
        if arguments.isEmpty { return }
        // The long form lists the items as pairs.
        guard arguments.count == 1, case .list(let pairs) = arguments[0] else { throw badCall(.orderedDict) }
        listedItems += graph.lists[pairs].count
        guard listedItems <= reader.bytes.count else {
            throw CheckpointError(.tooLarge, "the pickle repeats itself beyond what the file's size justifies")
        }
        for pair in graph.lists[pairs] {
            let fields: [PickleValue]
            switch pair {
            case .list(let index), .tuple(let index): fields = graph.lists[index]
            default: throw badCall(.orderedDict)
            }
            guard fields.count == 2 else { throw badCall(.orderedDict) }
            try set(fields[0], fields[1], in: dict)
        }
    }

    /// `_rebuild_tensor_v2(storage, offset, size, stride, requires_grad, backward_hooks[, metadata])`.
    private mutating func rebuildTensor(_ arguments: [PickleValue]) throws {
        guard arguments.count == 6 || arguments.count == 7, case .storage(let storage) = arguments[0],
            case .int(let offset) = arguments[1], let shape = lengths(arguments[2]),
            let strides = lengths(arguments[3]), case .bool = arguments[4]
        else { throw badCall(.rebuildTensor) }
        let view = try StridedView(
            offset: offset, shape: shape, strides: strides, storageCount: graph.storages[storage].count)
        graph.tensors.append(PickleTensor(storage: graph.storages[storage], view: view))
        stack.append(.tensor(graph.tensors.count - 1))
    }

    private func lengths(_ value: PickleValue) -> [Int64]? {
        let fields: [PickleValue]
        switch value {
        case .tuple(let index), .list(let index): fields = graph.lists[index]
        default: return nil
        }
        guard fields.count <= Tensor.maximumRank else { return nil }
        var lengths: [Int64] = []
        for field in fields {
            guard case .int(let length) = field else { return nil }
            lengths.append(length)
        }
        return lengths
    }

    /// BUILD sets attributes; a state dict carries `_metadata` (layer versions), which nothing here needs.
    private mutating func build() throws {
        _ = try pop()
        guard case .dict? = stack.last else { throw malformed("sets attributes of something that is no dictionary") }
    }

    /// The opcodes `torch.load(weights_only=True)` also allows.
    private enum Opcode: UInt8 {
        case proto = 0x80
        case mark = 0x28
        case stop = 0x2E
        case global = 0x63
        case reduce = 0x52
        case build = 0x62
        case newObj = 0x81
        case binPersID = 0x51
        case none = 0x4E
        case newTrue = 0x88
        case newFalse = 0x89
        case binInt = 0x4A
        case binInt1 = 0x4B
        case binInt2 = 0x4D
        case long1 = 0x8A
        case binFloat = 0x47
        case binUnicode = 0x58
        case shortBinString = 0x55
        case emptyDict = 0x7D
        case emptyList = 0x5D
        case emptyTuple = 0x29
        case emptySet = 0x8F
        case tuple = 0x74
        case tuple1 = 0x85
        case tuple2 = 0x86
        case tuple3 = 0x87
        case append = 0x61
        case appends = 0x65
        case setItem = 0x73
        case setItems = 0x75
        case binPut = 0x71
        case longBinPut = 0x72
        case binGet = 0x68
        case longBinGet = 0x6A
    }
}
