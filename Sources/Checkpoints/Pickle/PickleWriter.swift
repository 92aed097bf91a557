import Base
import Tensors

/// Writes a value as a protocol 2 pickle that `torch.load(weights_only=True)` opens, and collects the tensors whose
/// data the archive stores as `data/0`, `data/1`, … in the order met.
struct PickleWriter {
    /// How deep containers may nest; Python's own limit is in the same region.
    static let maximumDepth = 512

    private(set) var output = ByteWriter()
    private(set) var tensors: [Tensor] = []

    init(_ value: CheckpointValue) throws {
        output.append(UInt8(0x80))
        output.append(UInt8(2))
        try write(value, path: "", depth: 0)
        output.append(".")
    }

    private mutating func write(_ value: CheckpointValue, path: String, depth: Int) throws {
        guard depth < Self.maximumDepth else {
            throw CheckpointError(.badValue, "the value nests deeper than \(Self.maximumDepth) levels")
        }
        switch value {
        case .none: output.append("N")
        case .bool(let flag): output.append(flag ? UInt8(0x88) : UInt8(0x89))
        case .int(let number): writeInt(number)
        case .float(let number):
            output.append("G")
            output.bigEndian(number.bitPattern)
        case .string(let text): try write(text)
        case .list(let values):
            output.append("]")
            if values.isEmpty { return }
            output.append("(")
            for (index, value) in values.enumerated() {
                if index & 0xFFFF == 0 { try Interrupt.check() }
                try write(value, path: path, depth: depth + 1)
            }
            output.append("e")
        case .dict(let dict):
            output.append("}")
            if dict.entries.isEmpty { return }
            output.append("(")
            for entry in dict.entries {
                try write(entry.key)
                try write(entry.value, path: path.isEmpty ? entry.key : path + "." + entry.key, depth: depth + 1)
            }
            output.append("u")
        case .tensor(let tensor): try write(tensor)
        }
    }

    private mutating func writeInt(_ number: Int64) {
        if let byte = UInt8(exactly: number) {
            output.append("K")
            output.append(byte)
        } else if let short = UInt16(exactly: number) {
            output.append("M")
            output.littleEndian(short)
        } else if let int = Int32(exactly: number) {
            output.append("J")
            output.littleEndian(int)
        } else {
            output.append(UInt8(0x8A))
            output.append(UInt8(8))
            output.littleEndian(number)
        }
    }

    private mutating func write(_ text: String) throws {
        guard let size = UInt32(exactly: text.utf8.count) else {
            throw CheckpointError(.badValue, "a text of \(text.utf8.count) bytes does not fit a pickle")
        }
        output.append("X")
        output.littleEndian(size)
        output.append(text)
    }

    /// `_rebuild_tensor_v2(storage, 0, size, stride, False, OrderedDict())` over a storage of its own.
    private mutating func write(_ tensor: Tensor) throws {
        let shape = tensor.shape
        output.append("ctorch._utils\n_rebuild_tensor_v2\n(")
        output.append("(")
        try write("storage")
        output.append("ctorch\nFloatStorage\n")
        try write(String(tensors.count))
        try write("cpu")
        writeInt(Int64(shape.reduce(1, *)))
        output.append("tQ")
        writeInt(0)
        write(lengths: shape)
        write(lengths: StridedView.contiguousStrides(shape))
        output.append(UInt8(0x89))
        output.append("ccollections\nOrderedDict\n)RtR")
        tensors.append(tensor)
    }

    private mutating func write(lengths: [Int]) {
        output.append("(")
        for length in lengths { writeInt(Int64(length)) }
        output.append("t")
    }
}
