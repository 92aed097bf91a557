/// The status line and headers of an answer, line by line as libcurl gives them.
final class AnswerHead {
    /// Bytes that all headers of an answer may take; libcurl itself, where it has a limit, allows a little more.
    static let limit = 1 << 18

    private(set) var status = 0
    private(set) var headers: [(name: String, value: [UInt8])] = []
    /// Whether any answer began.
    private(set) var hasBegun = false
    /// Whether no headers are missing.
    private(set) var isComplete = true
    private var byteCount = 0
    private var index: [String: Int] = [:]
    private var lastName: String?

    var location: String? { text("location") }

    func text(_ name: String) -> String? { index[name].map { String(decoding: headers[$0].value, as: UTF8.self) } }

    func reset() {
        status = 0
        headers = []
        index = [:]
        hasBegun = false
        isComplete = true
        byteCount = 0
        lastName = nil
    }

    /// Takes one line with its end. False where there are too many of them.
    func take(_ line: UnsafeRawBufferPointer) -> Bool {
        byteCount += line.count
        guard byteCount <= Self.limit else { return false }
        var line = line[...]
        while let last = line.last, last == 13 || last == 10 { line.removeLast() }
        if isComplete {
            // A new answer, after one of 1xx; other lines behind the headers are trailers, and of no use here.
            guard line.starts(with: "HTTP/".utf8) else { return true }
            begin(line)
        } else if line.isEmpty {
            isComplete = true
        } else if line[line.startIndex] == 32 || line[line.startIndex] == 9 {
            if let lastName, let at = index[lastName] { headers[at].value += [32] + trimmed(line) }
        } else if let colon = line.firstIndex(of: 58) {
            add(String(decoding: line[..<colon], as: UTF8.self).lowercased(), trimmed(line[(colon + 1)...]))
        }
        return true
    }

    private func begin(_ line: Slice<UnsafeRawBufferPointer>) {
        let words = line.split(separator: 32, maxSplits: 2)
        status = words.count > 1 ? Int(String(decoding: words[1], as: UTF8.self)) ?? 0 : 0
        headers = []
        index = [:]
        lastName = nil
        hasBegun = true
        isComplete = false
    }

    private func add(_ name: String, _ value: [UInt8]) {
        lastName = name
        if let at = index[name] {
            headers[at].value += (name == "set-cookie" ? [10] : [44, 32]) + value
        } else {
            index[name] = headers.count
            headers.append((name, value))
        }
    }

    private func trimmed(_ bytes: Slice<UnsafeRawBufferPointer>) -> [UInt8] {
        var bytes = bytes
        while let first = bytes.first, first == 32 || first == 9 { bytes.removeFirst() }
        while let last = bytes.last, last == 32 || last == 9 { bytes.removeLast() }
        return Array(bytes)
    }
}
