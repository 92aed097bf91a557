import Base
import Files
import Frames
import Glibc
import JSON
import Testing

@testable import Parquet

/// Files of other writers, and what is in them; see Fixtures/make_fixtures.py.
enum Fixtures {
    static let folder = Path.join(Path.parent(#filePath), "Fixtures")
    static func path(_ name: String) -> String { Path.join(folder, name) }
    static func expected() throws -> Value { try JSON.read(path("expected.json")) }

    static func members(_ value: Value?) -> [Value.Member] {
        guard case .object(let members) = value else { return [] }
        return members
    }
}

/// A folder that is gone after `body`.
func withTemporaryFolder<T>(_ body: (String) throws -> T) throws -> T {
    var template = Array("/tmp/tt-parquet-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw FileError("write", path: "/tmp", errno: errno) }
    let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    defer {
        for name in files(in: path) { unlink(Path.join(path, name)) }
        rmdir(path)
    }
    return try body(path)
}

func files(in folder: String) -> [String] {
    guard let directory = opendir(folder) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) {
            $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted()
}

func bytes(of path: String) throws -> [UInt8] {
    let file = try FileContent(path: path)
    return withExtendedLifetime(file) { Array(file.bytes) }
}

/// Whether a value read from a column is the one a JSON file shows: NaN and infinities are text there, and float32 values
/// have more digits.
func matches(_ value: Value, _ expected: Value) -> Bool {
    switch (value, expected) {
    case (.array(let a), .array(let b)): return a.count == b.count && zip(a, b).allSatisfy { matches($0, $1) }
    case (.float(let a), .string(let text)): return "\(a)" == text
    case (.double(let a), .string(let text)): return "\(a)" == text
    case (.float(let a), .double(let b)): return a == Float(b)
    case (.float(let a), .int(let b)): return a == Float(b)
    case (.double(let a), .int(let b)): return a == Double(b)
    default: return value == expected
    }
}

/// The error that `body` throws.
func failure(_ body: () throws -> Void) -> ParquetError? {
    do {
        try body()
        return nil
    } catch { return error as? ParquetError }
}

/// A frame with every type, nulls and empty lists, made from a seed.
func sampleFrame(rows: Int, seed: UInt64 = 1, nulls: Bool = true) throws -> Frame {
    var random = Random(seed: seed)
    func maybe<T>(_ value: T) -> T? { nulls && random.below(7) == 0 ? nil : value }
    let words = ["", "a", "sun", "moon", "日本", "a longer word that takes more than a few bytes"]
    let vectors = ListBuilder(FixedBuilder<Float>.float32())
    let tags = ListBuilder(StringBuilder())
    let numbers = ListBuilder(FixedBuilder<Int64>.int64())
    var rowsOf: [String: [Int64?]] = ["id": [], "few": [], "at": []]
    var price: [Double?] = []
    var score: [Float?] = []
    var flag: [Bool?] = []
    var word: [String?] = []
    var unique: [String?] = []
    var key: [UUID?] = []
    for row in 0..<rows {
        rowsOf["id"]?.append(maybe(Int64(bitPattern: random.next())))
        rowsOf["few"]?.append(maybe(Int64(random.below(5)) - 2))
        rowsOf["at"]?.append(maybe(Int64(row) * 1_000_003))
        price.append(maybe(random.normal()))
        score.append(maybe(Float(random.uniform())))
        flag.append(maybe(random.below(2) == 1))
        word.append(maybe(words[random.below(words.count)]))
        unique.append(maybe("key \(row) \(random.next())"))
        key.append(maybe(UUID(high: random.next(), low: random.next())))
        if nulls && random.below(9) == 0 {
            vectors.appendNull()
        } else {
            for _ in 0..<random.below(5) { vectors.child.append(maybe(Float(random.normal()))) }
            vectors.endList()
        }
        if nulls && random.below(9) == 0 {
            tags.appendNull()
        } else {
            for _ in 0..<random.below(4) {
                if let text = maybe(words[random.below(words.count)]) {
                    tags.child.append(text)
                } else {
                    tags.child.appendNull()
                }
            }
            tags.endList()
        }
        for _ in 0..<random.below(3) { numbers.child.append(Int64(random.below(100))) }
        numbers.endList()
    }
    return try Frame([
        ("id", .int64(rowsOf["id"]!)), ("few", .int64(rowsOf["few"]!)), ("at", .timestamp(rowsOf["at"]!)),
        ("price", .float64(price)), ("score", .float32(score)), ("flag", .bool(flag)), ("word", .string(word)),
        ("unique", .string(unique)), ("key", .uuid(key)), ("vector", vectors.finish()), ("tags", tags.finish()),
        ("numbers", numbers.finish()),
    ])
}

/// Compares frames value by value; UUIDs may have become text.
func expectEqual(_ a: Frame, _ b: Frame, _ what: String = "") {
    #expect(a.names == b.names && a.rowCount == b.rowCount, "\(what)")
    guard a.names == b.names, a.rowCount == b.rowCount else { return }
    for (name, (x, y)) in zip(a.names, zip(a.columns, b.columns)) {
        #expect(x.values == y.values, "\(what) column \(name)")
    }
}
