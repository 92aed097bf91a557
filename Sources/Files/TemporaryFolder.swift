import Glibc

/// A new folder that is removed with everything in it, on `close()` or when nobody holds it any more.
public final class TemporaryFolder {
    public let path: String
    private var isOpen = true

    /// Makes it in `TMPDIR`, or in `/tmp`.
    public init(prefix: String = "tt") throws {
        let parent = getenv("TMPDIR").map { String(cString: $0) } ?? ""
        let template = Path.join(parent.isEmpty ? "/tmp" : parent, "\(prefix)-XXXXXX")
        guard
            let made = template.withCString({ text -> UnsafeMutablePointer<CChar>? in
                guard let copy = strdup(text) else { return nil }
                if mkdtemp(copy) != nil { return copy }
                let failure = errno
                free(copy)
                errno = failure
                return nil
            })
        else { throw FileError("make temporary folder", path: template, errno: errno) }
        path = String(cString: made)
        free(made)
    }

    deinit { try? close() }

    public func close() throws {
        guard isOpen else { return }
        isOpen = false
        try Files.remove(path, tree: true, isInterruptible: false)
    }
}
