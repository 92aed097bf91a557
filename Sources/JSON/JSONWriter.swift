import Base

/// Writes values as JSON text into a growing byte array.
struct JSONWriter {
    var bytes: [UInt8] = []
    private let indent: Int?
    private var depth = 0

    init(indent: Int?) { self.indent = indent }

    mutating func write(_ value: Value) throws {
        do {
            try append(value)
        } catch let failure as Located {
            throw JSONError(failure.code, failure.problem, path: failure.path)
        }
    }

    /// A failure on its way up; each level puts its own name in front of `path`. Elements count from 1, as scripts do.
    private struct Located: Error {
        var code: String
        var problem: String
        var path = ""

        func inside(_ step: String) -> Located {
            var outer = self
            outer.path = path.isEmpty || path.hasPrefix("[") ? step + path : step + "." + path
            return outer
        }
    }

    private mutating func append(_ value: Value) throws {
        switch value {
        case .null: append("null")
        case .bool(let flag): append(flag ? "true" : "false")
        case .int(let number): append(String(number))
        case .double(let number):
            guard number.isFinite else { throw notFinite(number.isNaN) }
            append(number.description)
        case .float(let number):
            guard number.isFinite else { throw notFinite(number.isNaN) }
            append(number.description)
        case .string(let text): append(quoted: text)
        case .array(let elements): try append(elements)
        case .object(let members): try append(members)
        }
    }

    private func notFinite(_ isNaN: Bool) -> Located {
        Located(code: "json.number", problem: "\(isNaN ? "NaN" : "infinity") is no JSON number; use null instead")
    }

    private mutating func append(_ elements: [Value]) throws {
        try open("[")
        for (index, element) in elements.enumerated() {
            separate(first: index == 0)
            do {
                try append(element)
            } catch let failure as Located {
                throw failure.inside("[\(index + 1)]")
            }
            if index & 0xFFFF == 0xFFFF { try Interrupt.check() }
        }
        close("]", isEmpty: elements.isEmpty)
    }

    private mutating func append(_ members: [Value.Member]) throws {
        if let name = Self.duplicate(in: members) {
            throw Located(code: "json.duplicate_key", problem: "the name '\(name)' is there twice")
        }
        try open("{")
        for (index, member) in members.enumerated() {
            separate(first: index == 0)
            append(quoted: member.name)
            append(indent == nil ? ":" : ": ")
            do {
                try append(member.value)
            } catch let failure as Located {
                throw failure.inside(member.name)
            }
        }
        close("}", isEmpty: members.isEmpty)
    }

    private mutating func open(_ bracket: Unicode.Scalar) throws {
        depth += 1
        guard depth <= JSON.maximumDepth else {
            throw Located(code: "json.depth", problem: "more than \(JSON.maximumDepth) levels inside each other")
        }
        bytes.append(UInt8(ascii: bracket))
    }

    private mutating func separate(first: Bool) {
        if !first { bytes.append(UInt8(ascii: ",")) }
        newLine()
    }

    private mutating func close(_ bracket: Unicode.Scalar, isEmpty: Bool) {
        depth -= 1
        if !isEmpty { newLine() }
        bytes.append(UInt8(ascii: bracket))
    }

    private mutating func newLine() {
        guard let indent else { return }
        bytes.append(UInt8(ascii: "\n"))
        bytes.append(contentsOf: repeatElement(UInt8(ascii: " "), count: indent * depth))
    }

    private mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }

    private mutating func append(quoted text: String) {
        var text = text
        text.withUTF8 { _ = JSON.appendQuoted($0, to: &bytes) }
    }

    /// The first name that is there twice. Small objects, the usual case, need no set.
    private static func duplicate(in members: [Value.Member]) -> String? {
        if members.count <= 8 {
            for index in members.indices.dropFirst() {
                let name = members[index].name
                if members[..<index].contains(where: { $0.name.utf8.elementsEqual(name.utf8) }) { return name }
            }
            return nil
        }
        var seen: Set<[UInt8]> = []
        seen.reserveCapacity(members.count)
        return members.first { !seen.insert(Array($0.name.utf8)).inserted }?.name
    }
}
