import Base
import CSystem
import Glibc

/// Files and folders by path. What is not there is nil where a question was asked, and `fs.not_found` where work was.
public enum Files {
    public enum Kind: String, Sendable { case file, folder, link, other }

    public struct Status: Sendable {
        public let kind: Kind
        /// Bytes.
        public let size: Int
        /// Microseconds since 1970, UTC.
        public let modified: Int64
        /// Permission bits, `0o644`.
        public let mode: Int
    }

    /// - Parameter followLinks: look at what a symbolic link points to rather than at the link.
    /// - Returns: nil when there is nothing of this name.
    public static func status(_ path: String, followLinks: Bool = true) throws -> Status? {
        var status = stat()
        guard (followLinks ? stat(path, &status) : lstat(path, &status)) == 0 else {
            if errno == ENOENT || errno == ENOTDIR { return nil }
            throw FileError("look at", path: path, errno: errno)
        }
        let kind: Kind =
            switch status.st_mode & S_IFMT {
            case S_IFREG: .file
            case S_IFDIR: .folder
            case S_IFLNK: .link
            default: .other
            }
        return Status(
            kind: kind, size: Int(status.st_size),
            modified: Int64(status.st_mtim.tv_sec) * 1_000_000 + Int64(status.st_mtim.tv_nsec) / 1000,
            mode: Int(status.st_mode & 0o7777))
    }

    public static func exists(_ path: String) -> Bool { (try? status(path)) ?? nil != nil }

    // MARK: - Content

    /// The whole content, also of what has no size beforehand (a pipe, `/proc`).
    public static func read(_ path: String) throws -> [UInt8] {
        var bytes: [UInt8] = []
        if let size = try status(path)?.size {
            try Memory.check(size, of: 1, for: "cannot read '\(path)'")
            bytes.reserveCapacity(size)
        }
        try readPieces(path) { bytes.append(contentsOf: $0) }
        return bytes
    }

    /// Hands the content to `body` in pieces of at most one megabyte.
    public static func readPieces(_ path: String, _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileError("read", path: path, errno: errno) }
        defer { close(descriptor) }
        let piece = Buffer<UInt8>(uninitialized: 1 << 20)
        while true {
            try Interrupt.check()
            let count = Glibc.read(descriptor, piece.pointer, piece.count)
            if count < 0 {
                if errno == EINTR { continue }
                throw FileError("read", path: path, errno: errno)
            }
            if count == 0 { return }
            try body(UnsafeRawBufferPointer(start: piece.pointer, count: count))
        }
    }

    /// Adds `bytes` to the end of a file, which is made if there is none; they are on disk when this returns. What a
    /// failure leaves of them is taken away again, unless somebody else has added to the file since.
    public static func append(_ bytes: UnsafeRawBufferPointer, to path: String) throws {
        var isNew = false
        var descriptor = open(path, O_WRONLY | O_APPEND | O_CLOEXEC)
        if descriptor < 0, errno == ENOENT {
            descriptor = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o644)
            isNew = true
        }
        guard descriptor >= 0 else { throw FileError("append to", path: path, errno: errno) }
        defer { close(descriptor) }
        var rest = bytes
        while rest.count > 0 {
            let written = Glibc.write(descriptor, rest.baseAddress, min(rest.count, 1 << 24))
            if written < 0 {
                if errno == EINTR { continue }
                let failure = errno
                takeBack(bytes.count - rest.count, descriptor)
                throw FileError("append to", path: path, errno: failure)
            }
            rest = UnsafeRawBufferPointer(rebasing: rest[written...])
        }
        // A pipe or device has nothing to flush.
        guard fsync(descriptor) == 0 || errno == EINVAL else {
            throw FileError("append to", path: path, errno: errno)
        }
        if isNew { _ = tt_sync_path(Path.parent(path)) }
    }

    private static func takeBack(_ count: Int, _ descriptor: Int32) {
        var status = stat()
        guard count > 0, fstat(descriptor, &status) == 0, lseek(descriptor, 0, SEEK_CUR) == status.st_size else {
            return
        }
        _ = ftruncate(descriptor, status.st_size - off_t(count))
    }

    /// Cuts a file to its first `size` bytes, on disk when this returns.
    public static func truncate(_ path: String, to size: Int) throws {
        let descriptor = open(path, O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileError("truncate", path: path, errno: errno) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw FileError("truncate", path: path, errno: errno) }
        // It never grows, which would fill it with zeros.
        guard size < status.st_size else { return }
        guard ftruncate(descriptor, off_t(size)) == 0, fsync(descriptor) == 0 else {
            throw FileError("truncate", path: path, errno: errno)
        }
    }

    /// Copies the content and the permissions of a file; `target` appears whole or not at all.
    public static func copy(_ path: String, to target: String) throws {
        guard let status = try status(path) else { throw FileError("copy", path: path, errno: ENOENT) }
        guard status.kind != .folder else { throw FileError("copy", path: path, errno: EISDIR) }
        let file = try AtomicFile(path: target)
        try readPieces(path) { try file.write($0) }
        try file.commit()
        guard chmod(target, mode_t(status.mode)) == 0 else { throw FileError("copy", path: target, errno: errno) }
    }

    // MARK: - Names

    /// Renames a file or folder, over a file of the new name if there is one; both must be on one disk.
    public static func rename(_ path: String, to target: String) throws {
        guard Glibc.rename(path, target) == 0 else {
            let failure = errno
            // The path that is missing may be the target's folder; name the one that explains the failure.
            let named = failure == ENOENT && (try? status(path, followLinks: false)) ?? nil != nil ? target : path
            throw FileError("rename", path: named, errno: failure)
        }
    }

    /// Makes a folder and those above it; one that is there already is fine.
    public static func makeFolder(_ path: String, mode: mode_t = 0o755) throws {
        if mkdir(path, mode) == 0 { return }
        switch errno {
        case EEXIST:
            guard try status(path)?.kind == .folder else { throw FileError("make folder", path: path, errno: EEXIST) }
        case ENOENT where !path.isEmpty && Path.parent(path) != path:
            // A trailing slash only repeats the name; leave it out of the way up.
            try makeFolder(Path.parent(path), mode: mode)
            if mkdir(path, mode) != 0, errno != EEXIST { throw FileError("make folder", path: path, errno: errno) }
        default: throw FileError("make folder", path: path, errno: errno)
        }
    }

    /// Removes a file, a link, or an empty folder; with `tree`, a folder and everything in it. Links are not followed.
    /// - Returns: false when there was nothing of this name.
    @discardableResult
    public static func remove(_ path: String, tree: Bool = false) throws -> Bool {
        try remove(path, tree: tree, isInterruptible: true)
    }

    /// - Parameter isInterruptible: false for tidying up, which Ctrl-C must not leave half done.
    @discardableResult
    static func remove(_ path: String, tree: Bool, isInterruptible: Bool) throws -> Bool {
        guard let status = try status(path, followLinks: false) else { return false }
        if isInterruptible { try Interrupt.check() }
        if status.kind == .folder {
            if tree {
                for name in try list(path) {
                    try remove(Path.join(path, name), tree: true, isInterruptible: isInterruptible)
                }
            }
            guard rmdir(path) == 0 else { throw FileError("remove", path: path, errno: errno) }
        } else {
            guard unlink(path) == 0 else { throw FileError("remove", path: path, errno: errno) }
        }
        return true
    }

    /// The names in a folder, dot-files too, in byte order.
    public static func list(_ path: String) throws -> [String] {
        guard let folder = opendir(path) else { throw FileError("list", path: path, errno: errno) }
        defer { closedir(folder) }
        var names: [String] = []
        errno = 0
        while let entry = readdir(folder) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
            errno = 0
        }
        guard errno == 0 else { throw FileError("list", path: path, errno: errno) }
        return names.sorted(by: bytewise)
    }

    /// The paths that match a shell pattern (`*`, `?`, `[a-z]`, `{a,b}`), in byte order; none match: an empty list.
    public static func glob(_ pattern: String) throws -> [String] {
        var found = glob_t()
        defer { globfree(&found) }
        switch Glibc.glob(pattern, GLOB_NOSORT | GLOB_BRACE, nil, &found) {
        case 0: break
        case GLOB_NOMATCH: return []
        case GLOB_NOSPACE: throw FileError("match", path: pattern, errno: ENOMEM)
        default: throw FileError("match", path: pattern, errno: EIO)
        }
        return (0..<Int(found.gl_pathc)).compactMap { found.gl_pathv[$0].map { String(cString: $0) } }
            .sorted(by: bytewise)
    }

    /// The current folder.
    public static func currentFolder() throws -> String {
        guard let path = getcwd(nil, 0) else { throw FileError("find", path: ".", errno: errno) }
        defer { free(path) }
        return String(cString: path)
    }

    /// The path from the root without `.` and `..`, by its text alone: links are not looked up.
    public static func absolute(_ path: String) throws -> String {
        let whole = path.hasPrefix("/") ? path : Path.join(try currentFolder(), path)
        var parts: [String] = []
        for part in whole.utf8.split(separator: UInt8(ascii: "/")).map({ String(Substring($0)) }) where part != "." {
            if part == ".." { _ = parts.popLast() } else { parts.append(part) }
        }
        return "/" + parts.joined(separator: "/")
    }

    /// Order by UTF-8 bytes; Swift's `<` orders by Unicode's rules.
    public static func bytewise(_ a: String, _ b: String) -> Bool { a.utf8.lexicographicallyPrecedes(b.utf8) }
}
