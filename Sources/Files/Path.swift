/// Text operations on POSIX paths. They look at bytes, as the system does: a slash with a combining accent is one
/// `Character` unequal to `/`.
public enum Path {
    private static let separator = UInt8(ascii: "/")

    /// The folder part: `a/b` gives `a`, `b` gives `.`, `/b` gives `/`.
    public static func parent(_ path: String) -> String {
        guard let slash = path.utf8.lastIndex(of: separator) else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// The last part: `a/b.c` gives `b.c`.
    public static func name(_ path: String) -> String {
        guard let slash = path.utf8.lastIndex(of: separator) else { return path }
        return String(path[path.utf8.index(after: slash)...])
    }

    public static func join(_ folder: String, _ name: String) -> String {
        if name.utf8.first == separator || folder.isEmpty { return name }
        return folder.utf8.last == separator ? folder + name : folder + "/" + name
    }
}
