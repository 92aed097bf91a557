import Base
import Files
import Tensors

/// PyTorch archives (`.pt`, `.pth`): nested dictionaries and lists of plain values and tensors.
///
/// ```swift
/// try Checkpoint.save(.dict(CheckpointDict([("model_state", .dict(weights))])), to: "latest.pt")
/// let weights = try Checkpoint.load("latest.pt")["model_state"]
/// ```
public enum Checkpoint {
    /// Reads an archive that `torch.save` or `save` wrote. Tensors of other types become float32.
    /// - Throws: `CheckpointError`; a pickle that names anything but tensors and plain containers is refused by name.
    public static func load(_ path: String) throws -> CheckpointValue {
        let file = try FileContent(path: path)
        return try CheckpointError.naming("read", path) {
            try withExtendedLifetime(file) { try TorchArchive(file.bytes).value() }
        }
    }

    /// Writes an archive that `torch.load(path, weights_only=True)` opens. The same value gives the same bytes under
    /// the same file name; the file appears whole or not at all.
    public static func save(_ value: CheckpointValue, to path: String) throws {
        try CheckpointError.naming("write", path) {
            let pickle = try PickleWriter(value)
            let file = try AtomicFile(path: path)
            var zip = ZipWriter(file)
            let folder = TorchArchive.folder(for: path)
            let digest = SHA256()

            try pickle.output.bytes.withUnsafeBytes {
                digest.update($0)
                try zip.add("\(folder)/data.pkl", $0)
            }
            try zip.add("\(folder)/.format_version", Array("1".utf8))
            try zip.add("\(folder)/.storage_alignment", Array("\(ZipWriter.alignment)".utf8))
            try zip.add("\(folder)/byteorder", Array("little".utf8))
            for (index, tensor) in pickle.tensors.enumerated() {
                try tensor.withStoredBytes { bytes in
                    digest.update(bytes)
                    try zip.add("\(folder)/data/\(index)", bytes)
                }
            }
            try zip.add("\(folder)/version", Array("3\n".utf8))
            try zip.add("\(folder)/.data/serialization_id", TorchArchive.serializationID(digest))
            try zip.finish()
            try file.commit()
        }
    }
}
