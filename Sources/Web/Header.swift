/// A header line. Names compare without regard to case.
public struct Header: Sendable {
    public let name: String
    public let value: String

    /// - Throws: `http.header` for what cannot stand in a header, and for lines that only the client itself may write.
    public init(_ name: String, _ value: String) throws {
        guard !name.isEmpty, name.utf8.allSatisfy(Self.isToken) else {
            throw WebError(
                "http.header",
                "a header's name is made of letters, digits and !#$%&'*+-.^_`|~, and this is not: \(Self.shown(name))")
        }
        guard !value.utf8.contains(where: { $0 < 0x20 && $0 != 9 || $0 == 0x7F }) else {
            throw WebError("http.header", "the value of the header '\(name)' holds a line break or a control character")
        }
        let lower = name.lowercased()
        guard lower != "content-length", lower != "transfer-encoding" else {
            throw WebError("http.header", "the header '\(name)' follows from the body and cannot be set")
        }
        self.name = name
        // Blanks around a value mean nothing.
        let isBlank: (Character) -> Bool = { $0 == " " || $0 == "\t" }
        let start = value.firstIndex { !isBlank($0) } ?? value.endIndex
        let end = value.lastIndex { !isBlank($0) }.map { value.index(after: $0) } ?? value.endIndex
        self.value = String(value[start..<max(start, end)])
    }

    func has(name other: String) -> Bool { name.lowercased() == other.lowercased() }

    static func isToken(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }

    private static func shown(_ name: String) -> String {
        let clean = name.unicodeScalars.prefix(40).map { $0.value < 32 || $0.value == 127 ? "?" : Character($0) }
        return "'\(String(clean))'"
    }

    /// Those of `headers` and then those of `more`, which replace the ones of the same name.
    static func merge(_ headers: [Header], _ more: [Header]) -> [Header] {
        headers.filter { header in !more.contains { $0.has(name: header.name) } } + more
    }

    /// Whether a header may go to another origin than the one it was written for: only what describes the body or the
    /// wanted answer.
    var mayTravel: Bool {
        let lower = name.lowercased()
        return lower.hasPrefix("accept") || lower.hasPrefix("if-")
            || ["content-type", "content-encoding", "content-language", "range", "cache-control", "user-agent"]
                .contains(lower)
    }
}
