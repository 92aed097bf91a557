import Base
import Glibc

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
