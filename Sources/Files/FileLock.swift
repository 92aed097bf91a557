import Glibc

/// A lock on a file that ends with the process at the latest, even when it is killed. Others who ask for it are told at
/// once that it is taken; those who do not ask are not hindered.
public final class FileLock {
    public let path: String
    private var descriptor: Int32 = -1

    /// Makes the file if there is none; it stays when the lock ends.
    /// - Throws: `fs.locked` when somebody holds the lock, naming the process where the system tells it.
    public init(path: String) throws {
        self.path = path
        while true {
            descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
            guard descriptor >= 0 else { throw FileError("lock", path: path, errno: errno) }
            var opened = stat()
            guard fstat(descriptor, &opened) == 0 else { throw failed(errno) }
            if flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
                if errno == EINTR {
                    close()
                    continue
                }
                guard errno == EWOULDBLOCK else { throw failed(errno) }
                close()
                throw FileError(locked: path, by: FileLock.holder(of: opened))
            }
            // Whoever held it before may have removed the file meanwhile: then this lock is on a file without a name.
            var named = stat()
            if stat(path, &named) == 0, named.st_ino == opened.st_ino, named.st_dev == opened.st_dev { return }
            close()
        }
    }

    deinit { close() }

    public func close() {
        guard descriptor >= 0 else { return }
        Glibc.close(descriptor)
        descriptor = -1
    }

    public var isOpen: Bool { descriptor >= 0 }

    private func failed(_ failure: Int32) -> FileError {
        close()
        return FileError("lock", path: path, errno: failure)
    }

    /// The process that holds the lock, as the kernel lists it: `1: FLOCK ADVISORY WRITE 4711 08:01:131 0 EOF`. By the
    /// inode alone, because some file systems list another device than they show; nil when that is not clear.
    private static func holder(of file: stat) -> Int32? {
        guard let bytes = try? Files.read("/proc/locks") else { return nil }
        var holders: Set<Int32> = []
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard fields.count >= 6, fields[1] == "FLOCK", let process = Int32(fields[4]), process > 0,
                let inode = fields[5].split(separator: ":").last, UInt64(inode) == UInt64(file.st_ino)
            else { continue }
            holders.insert(process)
        }
        return holders.count == 1 ? holders.first : nil
    }
}

extension FileError {
    init(locked path: String, by process: Int32?) {
        let holder =
            switch process {
            case getpid(): "by this process already"
            case let other?: "by another process (\(other))"
            case nil: "by another process"
            }
        self.init(code: "fs.locked", message: "'\(path)' is in use \(holder)", path: path)
    }
}
