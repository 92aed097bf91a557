import Base
import Files
import Tensors

/// The entries of a PyTorch archive: one top folder of any name with `data.pkl`, `data/<key>`, `version` and optionally
/// `byteorder`.
///
/// Source: `caffe2/serialize/inline_container.cc` and `torch/serialization.py` of PyTorch 2.
struct TorchArchive {
    private static let legacyMagic: [UInt8] = [0x80, 0x02, 0x8A, 0x0A, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20]
    /// Larger pickles than this describe no checkpoint; names and vocabularies take a few megabytes at most.
    private static let maximumPickle = 1 << 28

    private let zip: ZipReader
    private let folder: String
    private let swapped: Bool
    private let fileSize: Int

    /// - Parameter bytes: the whole file; must outlive the archive.
    init(_ bytes: UnsafeRawBufferPointer) throws {
        try Self.refuseOtherFormats(bytes)
        zip = try ZipReader(bytes)
        fileSize = bytes.count
        guard let first = zip.entries.first?.name, let slash = first.firstIndex(of: "/") else {
            throw CheckpointError(.outOfSpec, "the archive has no top folder, so it is no PyTorch checkpoint")
        }
        folder = String(first[...slash])
        let prefix = folder
        if let stray = zip.entries.first(where: { !$0.name.utf8.starts(with: prefix.utf8) }) {
            throw CheckpointError(
                .outOfSpec, "entry '\(stray.name)' lies outside of the archive's folder '\(prefix)'")
        }
        if zip.contains(folder + "constants.pkl") {
            throw CheckpointError(
                .notSupported,
                "this is a TorchScript program, which holds code; save model.state_dict() with torch.save instead")
        }
        guard zip.contains(folder + "data.pkl") else {
            throw CheckpointError(.outOfSpec, "the archive has no data.pkl, so it is no PyTorch checkpoint")
        }
        switch try Self.text(zip, folder + "byteorder") ?? "little" {
        case "little": swapped = false
        case "big": swapped = true
        default: throw CheckpointError(.outOfSpec, "the archive's byte order is neither little nor big")
        }
        try checkVersion()
    }

    private static func refuseOtherFormats(_ bytes: UnsafeRawBufferPointer) throws {
        if bytes.starts(with: [0x50, 0x4B, 0x03, 0x04]) { return }
        if bytes.isEmpty { throw CheckpointError(.outOfSpec, "the file is empty") }
        if bytes.starts(with: legacyMagic) {
            throw CheckpointError(
                .notSupported,
                "this is PyTorch's format from before 1.6; load it there and save it again with torch.save's defaults")
        }
        if bytes[0] == 0x80 {
            throw CheckpointError(
                .notSupported, "this is a bare pickle, not an archive; save it with torch.save's defaults")
        }
        if bytes.count > 8, bytes[8] == UInt8(ascii: "{") {
            throw CheckpointError(.notSupported, "this looks like a safetensors file; read it as one")
        }
        throw CheckpointError(.notSupported, "this is no PyTorch archive; it does not start as a ZIP file does")
    }

    private static func text(_ zip: ZipReader, _ name: String) throws -> String? {
        guard let size = zip.size(of: name) else { return nil }
        guard size <= 64 else {
            throw CheckpointError(.outOfSpec, "entry '\(name)' is too long to be what it should be")
        }
        return try zip.withContent(of: name) { String(validating: $0, as: UTF8.self) } ?? nil
    }

    private func checkVersion() throws {
        let text = try Self.text(zip, folder + "version") ?? Self.text(zip, folder + ".data/version")
        guard var text else { throw CheckpointError(.outOfSpec, "the archive names no format version") }
        while text.last == "\n" || text.last == " " { text.removeLast() }
        guard let version = Int(text), (1...10).contains(version) else {
            throw CheckpointError(.notSupported, "the archive's format version is not one from 1 to 10")
        }
    }

    // MARK: - Content

    /// The whole content, tensors included.
    func value() throws -> CheckpointValue {
        guard let size = zip.size(of: folder + "data.pkl"), size <= Self.maximumPickle else {
            throw CheckpointError(.tooLarge, "data.pkl is larger than \(Self.maximumPickle >> 20) MB")
        }
        guard let graph = try zip.withContent(of: folder + "data.pkl", PickleReader.read) else { return .none }
        // A pickle can share containers so that a kilobyte unfolds to terabytes.
        var builder = ValueBuilder(graph: graph, values: size + (1 << 22), bytes: 16 * fileSize + (1 << 30))
        return try builder.build(graph.root, path: "", depth: 0, tensor: tensor)
    }

    private func tensor(_ description: PickleTensor, path: String) throws -> Tensor {
        let storage = description.storage
        let entry = folder + "data/" + storage.key
        do {
            let tensor = try zip.withContent(of: entry) { bytes in
                let (size, overflow) = storage.count.multipliedReportingOverflow(by: storage.type.byteCount)
                guard !overflow, size == bytes.count else {
                    throw CheckpointError(
                        .outOfSpec,
                        "needs \(storage.count) \(storage.type.rawValue) values, '\(entry)' has"
                            + " \(bytes.count) bytes")
                }
                _ = try Tensor.checkedElements(description.view.shape, "tensor '\(path)'")
                let buffer = Buffer<Float>(uninitialized: description.view.count)
                try ElementDecoder(type: storage.type, swapped: swapped).decode(
                    bytes, description.view, into: buffer.pointer)
                return Tensor(shape: description.view.shape, storage: buffer)
            }
            if let tensor { return tensor }
            throw CheckpointError(.outOfSpec, "needs entry '\(entry)', which the archive does not have")
        } catch let error as CheckpointError {
            throw CheckpointError(error.kind, "tensor '\(path)': \(error.message)", details: error.details)
        }
    }

    // MARK: - Writing

    /// The name of the top folder, as PyTorch takes it from the file: the name without its last extension.
    static func folder(for path: String) -> String {
        let name = Path.name(path)
        // No file system takes longer names; there will be an error when the file is named.
        guard name.utf8.count <= 255, name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else { return "archive" }
        guard let dot = name.lastIndex(of: "."), dot != name.startIndex else { return name.isEmpty ? "archive" : name }
        return String(name[..<dot])
    }

    /// 40 decimal digits that follow from the content, as PyTorch's own do, so that equal content gives equal files.
    static func serializationID(_ digest: SHA256) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: SHA256.byteCount)
        digest.finish(into: &bytes)
        return bytes.withUnsafeBytes { digest in
            (0..<2).flatMap { half -> [UInt8] in
                let number = UInt64(littleEndian: digest.loadUnaligned(fromByteOffset: 8 * half, as: UInt64.self))
                let digits = Array(String(number).utf8)
                return [UInt8](repeating: UInt8(ascii: "0"), count: 20 - digits.count) + digits
            }
        }
    }
}

/// Turns the flat graph of a pickle into nested values, within limits.
private struct ValueBuilder {
    let graph: PickleGraph
    /// How many values may still be made.
    var values: Int
    /// How many bytes of tensors and texts may still be made; texts count each time they are repeated.
    var bytes: Int

    typealias TensorSource = (PickleTensor, String) throws -> Tensor

    private static let repeated = CheckpointError(
        .tooLarge, "the pickle repeats itself beyond what the file's size justifies")

    private mutating func take(_ count: Int) throws {
        guard count <= bytes else { throw Self.repeated }
        bytes -= count
    }

    mutating func build(
        _ value: PickleValue, path: String, depth: Int, tensor: TensorSource
    ) throws -> CheckpointValue {
        values -= 1
        if values & 0xFFFF == 0 { try Interrupt.check() }
        guard values >= 0 else { throw Self.repeated }
        guard depth < PickleWriter.maximumDepth else {
            throw CheckpointError(
                .notSupported, "the pickle nests deeper than \(PickleWriter.maximumDepth) levels, or within itself")
        }
        switch value {
        case .none: return .none
        case .bool(let flag): return .bool(flag)
        case .int(let number): return .int(number)
        case .float(let number): return .float(number)
        case .string(let text):
            try take(text.utf8.count)
            return .string(text)
        case .list(let index), .tuple(let index):
            var list: [CheckpointValue] = []
            list.reserveCapacity(graph.lists[index].count)
            for element in graph.lists[index] {
                list.append(try build(element, path: path, depth: depth + 1, tensor: tensor))
            }
            return .list(list)
        case .dict(let index):
            var dict = CheckpointDict()
            for (key, element) in graph.dicts[index].entries {
                try take(key.utf8.count)
                let inner = path.isEmpty ? key : path + "." + key
                dict[key] = try build(element, path: inner, depth: depth + 1, tensor: tensor)
            }
            return .dict(dict)
        case .tensor(let index):
            let description = graph.tensors[index]
            guard description.view.count <= bytes / 4 else {
                throw CheckpointError(
                    .tooLarge, "tensor '\(path)' of shape \(description.view.shape) is far larger than the file")
            }
            bytes -= 4 * description.view.count
            return .tensor(try tensor(description, path))
        case .global, .storage, .mark:
            throw CheckpointError(.notSupported, "the pickle holds a bare type or storage at '\(path)'")
        }
    }
}
