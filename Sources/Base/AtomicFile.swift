import CSystem
import Glibc

/// A file that appears whole or not at all: written beside its target, flushed, then renamed over it.
///
/// Without `commit()` the target keeps its old content and the partial file is removed.
public final class AtomicFile {
    public let path: String
    private let temporaryPath: String
    private var descriptor: Int32
    private var pending: [UInt8] = []
    public private(set) var byteCount = 0

    /// - Parameter path: the target; its folder must exist.
    public init(path: String) throws {
        self.path = path
        // A dot-file, so that what a killed process leaves behind is not taken for a finished file.
        let name = ".\(Path.name(path)).tmp-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        temporaryPath = Path.join(Path.parent(path), name)
        descriptor = open(temporaryPath, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        if descriptor < 0 { throw FileError("write", path: path, errno: errno) }
        pending.reserveCapacity(1 << 16)
    }

    deinit {
        guard descriptor >= 0 else { return }
        close(descriptor)
        unlink(temporaryPath)
    }

    public func write(_ bytes: UnsafeRawBufferPointer) throws {
        byteCount += bytes.count
        if pending.count + bytes.count <= 1 << 16 {
            pending.append(contentsOf: bytes)
        } else {
            try flush()
            try writeAll(bytes)
        }
    }

    public func write(_ bytes: [UInt8]) throws { try bytes.withUnsafeBytes { try write($0) } }

    public func write(_ text: String) throws {
        var text = text
        try text.withUTF8 { try write(UnsafeRawBufferPointer($0)) }
    }

    /// Flushes the content to disk, renames it over the target and flushes the folder.
    public func commit() throws {
        try flush()
        guard fsync(descriptor) == 0 else { throw FileError("write", path: path, errno: errno) }
        close(descriptor)
        descriptor = -1
        guard rename(temporaryPath, path) == 0 else {
            let failure = errno
            unlink(temporaryPath)
            throw FileError("write", path: path, errno: failure)
        }
        _ = tt_sync_path(Path.parent(path))
    }

    /// Writes `bytes` as the whole content of `path`.
    public static func write(_ bytes: UnsafeRawBufferPointer, to path: String) throws {
        let file = try AtomicFile(path: path)
        try file.write(bytes)
        try file.commit()
    }

    private func flush() throws {
        try pending.withUnsafeBytes { try writeAll($0) }
        pending.removeAll(keepingCapacity: true)
    }

    private func writeAll(_ bytes: UnsafeRawBufferPointer) throws {
        var rest = bytes
        while rest.count > 0 {
            try Interrupt.check()
            let written = Glibc.write(descriptor, rest.baseAddress, min(rest.count, 1 << 24))
            if written < 0 {
                if errno == EINTR { continue }
                throw FileError("write", path: path, errno: errno)
            }
            rest = UnsafeRawBufferPointer(rebasing: rest[written...])
        }
    }
}

/// An operating-system failure on a named file.
public struct FileError: TTError {
    public let code: String
    public let message: String
    public let path: String
    public var details: [(String, Value)] { [("path", .string(path))] }

    /// - Parameter verb: what was tried: `read`, `write`, `remove`, …
    public init(_ verb: String, path: String, errno: Int32) {
        code = errno == ENOENT ? "fs.not_found" : errno == EACCES || errno == EPERM ? "fs.denied" : "fs.failed"
        message = "cannot \(verb) '\(path)': \(String(cString: strerror(errno)))"
        self.path = path
    }

    init(code: String, message: String, path: String) {
        self.code = code
        self.message = message
        self.path = path
    }
}

/// Text operations on POSIX paths.
public enum Path {
    /// The folder part: `a/b` gives `a`, `b` gives `.`, `/b` gives `/`.
    public static func parent(_ path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// The last part: `a/b.c` gives `b.c`.
    public static func name(_ path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return path }
        return String(path[path.index(after: slash)...])
    }

    public static func join(_ folder: String, _ name: String) -> String {
        if name.hasPrefix("/") || folder.isEmpty { return name }
        return folder.hasSuffix("/") ? folder + name : folder + "/" + name
    }
}

/// A whole file in memory, mapped read-only so that a large one costs no copy.
public final class MappedFile: @unchecked Sendable {
    public let path: String
    public let bytes: UnsafeRawBufferPointer

    public init(path: String) throws {
        self.path = path
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileError("read", path: path, errno: errno) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw FileError("read", path: path, errno: errno) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw FileError("read", path: path, errno: status.st_mode & S_IFMT == S_IFDIR ? EISDIR : EINVAL)
        }
        let count = Int(status.st_size)
        if count == 0 {
            bytes = UnsafeRawBufferPointer(start: nil, count: 0)
            return
        }
        guard let start = mmap(nil, count, PROT_READ, MAP_PRIVATE, descriptor, 0), start != MAP_FAILED else {
            throw FileError("read", path: path, errno: errno)
        }
        bytes = UnsafeRawBufferPointer(start: start, count: count)
    }

    deinit {
        if let start = bytes.baseAddress { munmap(UnsafeMutableRawPointer(mutating: start), bytes.count) }
    }
}
