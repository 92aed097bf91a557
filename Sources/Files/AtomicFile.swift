import Base
import CSystem
import Glibc

/// A file that appears whole or not at all: written without a name, flushed, then named in place of its target.
///
/// Without `commit()` the target keeps its old content, and nothing else is left behind, not even by a killed process.
/// File systems that have no nameless files get a dot-file beside the target; when its writer is killed, the next one
/// of the same target takes it away.
public final class AtomicFile {
    public let path: String
    private var descriptor: Int32
    /// Where the file stands while it is not the target yet.
    private var temporaryPath: String?
    private var pending: [UInt8] = []
    public private(set) var byteCount = 0
    /// Bytes that the system has been given, and those of them that it has been told to bring to disk.
    private var written = 0
    private var started = 0

    /// - Parameter path: the target; its folder must exist.
    public convenience init(path: String) throws { try self.init(path: path, nameless: true) }

    init(path: String, nameless: Bool) throws {
        self.path = path
        descriptor = nameless ? tt_open_nameless(Path.parent(path)) : -1
        if descriptor < 0 { try makeTemporaryFile() }
        pending.reserveCapacity(1 << 16)
    }

    deinit {
        guard descriptor >= 0 else { return }
        removeTemporaryFile()
        close(descriptor)
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

    /// Flushes the content to disk, puts the file in place of the target and flushes the folder.
    public func commit() throws {
        try flush()
        guard fsync(descriptor) == 0, temporaryPath != nil || nameTemporaryFile(),
            temporaryPath.map({ rename($0, path) == 0 }) ?? true
        else {
            let failure = errno
            removeTemporaryFile()
            throw FileError("write", path: path, errno: failure)
        }
        temporaryPath = nil
        close(descriptor)
        descriptor = -1
        _ = tt_sync_path(Path.parent(path))
    }

    /// Writes `bytes` as the whole content of `path`.
    public static func write(_ bytes: UnsafeRawBufferPointer, to path: String) throws {
        let file = try AtomicFile(path: path)
        try file.write(bytes)
        try file.commit()
    }

    // MARK: The file before it is the target

    private func makeTemporaryFile() throws {
        for name in temporaryNames() {
            descriptor = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
            if descriptor < 0, errno == EEXIST { continue }
            if descriptor < 0 { break }
            // Tells other writers that this one is alive. One that was faster takes it for left behind.
            if flock(descriptor, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK {
                temporaryPath = name
                return
            }
            close(descriptor)
        }
        throw FileError("write", path: path, errno: errno)
    }

    /// Links the nameless file to the target if there is none, else to a temporary name; false leaves `errno`.
    private func nameTemporaryFile() -> Bool {
        if tt_name_file(descriptor, path) == 0 { return true }
        guard errno == EEXIST else { return false }
        _ = flock(descriptor, LOCK_EX | LOCK_NB)
        for name in temporaryNames() {
            if tt_name_file(descriptor, name) == 0 {
                temporaryPath = name
                return true
            }
            if errno != EEXIST { return false }
        }
        return false
    }

    private func removeTemporaryFile() {
        if let temporaryPath { unlink(temporaryPath) }
        temporaryPath = nil
    }

    /// Names to try: one that every writer of this target comes to and frees of what a killed writer left, and one for
    /// when another writer is at work. Hidden ones, so that they are not taken for finished files.
    private func temporaryNames() -> [String] {
        let name = String(decoding: Path.name(path).utf8.prefix(200), as: UTF8.self)
        let shared = Path.join(Path.parent(path), ".\(name).tmp")
        removeLeftBehind(shared)
        return [shared, "\(shared)-\(getpid())-\(UInt32.random(in: 0 ... .max))"]
    }

    private func removeLeftBehind(_ name: String) {
        let left = open(name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        guard left >= 0 else { return }
        defer { close(left) }
        var opened = stat()
        var named = stat()
        // The lock of a killed writer is gone. The file may be gone as well, and another one in its place.
        if flock(left, LOCK_EX | LOCK_NB) == 0, fstat(left, &opened) == 0, lstat(name, &named) == 0,
            opened.st_mode & S_IFMT == S_IFREG, opened.st_ino == named.st_ino, opened.st_dev == named.st_dev
        {
            unlink(name)
        }
    }

    private func flush() throws {
        try pending.withUnsafeBytes { try writeAll($0) }
        pending.removeAll(keepingCapacity: true)
    }

    private func writeAll(_ bytes: UnsafeRawBufferPointer) throws {
        var rest = bytes
        while rest.count > 0 {
            try Interrupt.check()
            let count = Glibc.write(descriptor, rest.baseAddress, min(rest.count, 1 << 24))
            if count < 0 {
                if errno == EINTR { continue }
                throw FileError("write", path: path, errno: errno)
            }
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            written += count
            // A large file goes to disk while the rest of it is made; the flush at the end then has little to wait for.
            if written - started >= 16 << 20 {
                tt_start_flush(descriptor, Int64(started), Int64(written - started))
                started = written
            }
        }
    }
}
