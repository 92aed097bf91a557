import Base
import Glibc

/// A regular file that is open for reading, at any place and from any thread.
///
/// What is read is a copy. A mapping would cost none, but its bytes are the file's: they change when somebody writes to
/// it, and when somebody cuts it the process that looks at them is ended (SIGBUS).
public final class InputFile: @unchecked Sendable {
    public let path: String
    /// Bytes, when it was opened.
    public let count: Int
    private let descriptor: Int32

    /// - Throws: `FileError`, for folders, pipes and devices too.
    public init(path: String) throws {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw FileError("read", path: path, errno: errno) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            let failure = errno
            close(descriptor)
            throw FileError("read", path: path, errno: failure)
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            close(descriptor)
            throw FileError("read", path: path, errno: status.st_mode & S_IFMT == S_IFDIR ? EISDIR : EINVAL)
        }
        self.path = path
        self.descriptor = descriptor
        count = Int(status.st_size)
    }

    deinit { close(descriptor) }

    /// The bytes of `range`, which lies in 0..<`count`.
    /// - Throws: `fs.changed` when the file has become shorter since it was opened, `memory`, `interrupted`.
    public func read(_ range: Range<Int>) throws -> Buffer<UInt8> {
        precondition(range.lowerBound >= 0 && range.upperBound <= count)
        try Memory.check(range.count, of: 1, for: "cannot read '\(path)'")
        let buffer = Buffer<UInt8>(uninitialized: range.count)
        var done = 0
        while done < range.count {
            try Interrupt.check()
            let wanted = min(range.count - done, 1 << 24)
            let got = pread(descriptor, buffer.pointer + done, wanted, off_t(range.lowerBound + done))
            if got < 0, errno == EINTR { continue }
            guard got >= 0 else { throw FileError("read", path: path, errno: errno) }
            guard got > 0 else {
                throw FileError(
                    code: "fs.changed",
                    message: "'\(path)' became shorter while it was read; read it again once it is whole", path: path)
            }
            done += got
        }
        return buffer
    }
}

/// The content of a regular file as it was when it was read.
public final class FileContent: @unchecked Sendable {
    public let path: String
    public let bytes: UnsafeRawBufferPointer
    private let buffer: Buffer<UInt8>

    public init(path: String) throws {
        let file = try InputFile(path: path)
        self.path = path
        buffer = try file.read(0..<file.count)
        bytes = UnsafeRawBufferPointer(buffer.elements)
    }
}
