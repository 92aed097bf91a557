import Base
import Files

/// Where the decoded body of an answer goes: into memory up to a limit, or to a file that appears whole or not at all.
final class BodySink {
    /// Nil once the body went to a file.
    private(set) var bytes: [UInt8]? = []
    let limit: Int
    private var file: AtomicFile?
    private let hash: SHA256?

    /// - Parameter path: made at once, so that a folder that cannot be written to is known before anything is sent.
    init(path: String?, limit: Int, wantsDigest: Bool) throws {
        file = try path.map { try AtomicFile(path: $0) }
        self.limit = limit
        hash = wantsDigest ? SHA256() : nil
    }

    /// The answer is none to save: what comes goes into memory.
    func keepInMemory() { file = nil }

    /// False where the limit is passed.
    func write(_ piece: UnsafeRawBufferPointer) throws -> Bool {
        if let file {
            try file.write(piece)
        } else {
            guard bytes!.count + piece.count <= limit else { return false }
            bytes!.append(contentsOf: piece)
        }
        hash?.update(piece)
        return true
    }

    /// Puts a file in its place; the digest, if there is one.
    func finish() throws -> String? {
        if let file {
            try file.commit()
            bytes = nil
        }
        return hash?.finishHex()
    }
}
