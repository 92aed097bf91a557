import Base
import Files
import Glibc

/// Bytes to send, read piece by piece as the connection takes them.
final class BodySource {
    let count: Int
    private let bytes: [UInt8]
    private let path: String
    private let descriptor: Int32
    private let start: Int
    private var position = 0

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        count = bytes.count
        path = ""
        descriptor = -1
        start = 0
    }

    /// - Parameter length: nil for the rest of the file.
    init(path: String, offset: Int, length: Int?) throws {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileError("read", path: path, errno: errno) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            close(descriptor)
            throw FileError("send", path: path, errno: status.st_mode & S_IFMT == S_IFDIR ? EISDIR : EINVAL)
        }
        let size = Int(status.st_size)
        let rest = max(size - offset, 0)
        guard offset <= size, length ?? 0 <= rest else {
            close(descriptor)
            throw WebError(
                "http.file", "'\(path)' has \(size) bytes; \(length ?? 0) from \(offset) on are not in it",
                details: [("path", .string(path))])
        }
        bytes = []
        count = length ?? rest
        self.path = path
        self.descriptor = descriptor
        start = offset
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// Fills `target` with what comes next; 0 at the end.
    func read(into target: UnsafeMutableRawBufferPointer) throws -> Int {
        let wanted = min(target.count, count - position)
        guard wanted > 0, let base = target.baseAddress else { return 0 }
        guard descriptor >= 0 else {
            bytes.withUnsafeBytes { base.copyMemory(from: $0.baseAddress! + position, byteCount: wanted) }
            position += wanted
            return wanted
        }
        while true {
            let got = pread(descriptor, base, wanted, off_t(start + position))
            if got < 0, errno == EINTR { continue }
            guard got >= 0 else { throw FileError("read", path: path, errno: errno) }
            guard got > 0 else {
                throw WebError(
                    "http.file", "'\(path)' became shorter while it was sent", details: [("path", .string(path))])
            }
            position += got
            return got
        }
    }

    /// Goes on at `offset` of the body; false where there is no such place.
    func seek(to offset: Int) -> Bool {
        guard offset >= 0, offset <= count else { return false }
        position = offset
        return true
    }
}
