import Base
import CJansson

extension JSON {
    /// Reads one JSON text of strict UTF-8.
    ///
    /// Numbers without fraction and exponent are int64, all others double; an integer outside of int64 is refused rather
    /// than rounded. Duplicate names, a byte order mark, and anything after the value are refused.
    /// - Parameter source: the file's name, for messages.
    public static func decode(_ bytes: UnsafeRawBufferPointer, source: String? = nil) throws -> Value {
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) {
            throw JSONError(
                "json.syntax", "the text starts with a byte order mark; save it as UTF-8 without one",
                at: TextPlace(source: source, line: 1, column: 1))
        }
        var failure = json_error_t()
        let flags = JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL
        // The parser wants an address even for no bytes.
        let start = bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
        let root = withUnsafePointer(to: CChar(0)) {
            json_loadb(start ?? $0, bytes.count, Int(flags), &failure)
        }
        guard let root else { throw JSONError(failure, source: source) }
        defer { json_decref(root) }
        // The parser passes over a NUL behind a number or word.
        if let at = bytes.firstIndex(of: 0) {
            throw JSONError(
                "json.syntax", "a NUL byte, which stands nowhere in JSON",
                at: TextPlace(source: source, offset: at, in: bytes))
        }
        return value(of: root)
    }

    /// The parser bounds the depth, so recursion is safe.
    private static func value(of node: UnsafeMutablePointer<json_t>) -> Value {
        switch node.pointee.type {
        case JSON_OBJECT:
            var members: [Value.Member] = []
            members.reserveCapacity(json_object_size(node))
            var iterator = json_object_iter(node)
            while iterator != nil {
                let name = string(json_object_iter_key(iterator), json_object_iter_key_len(iterator))
                members.append(Value.Member(name, value(of: json_object_iter_value(iterator))))
                iterator = json_object_iter_next(node, iterator)
            }
            return .object(members)
        case JSON_ARRAY:
            let count = json_array_size(node)
            var elements: [Value] = []
            elements.reserveCapacity(count)
            for index in 0..<count { elements.append(value(of: json_array_get(node, index))) }
            return .array(elements)
        case JSON_STRING: return .string(string(json_string_value(node), json_string_length(node)))
        case JSON_INTEGER: return .int(Int64(json_integer_value(node)))
        case JSON_REAL: return .double(json_real_value(node))
        case JSON_TRUE: return .bool(true)
        case JSON_FALSE: return .bool(false)
        default: return .null
        }
    }

    private static func string(_ bytes: UnsafePointer<CChar>?, _ count: Int) -> String {
        String(decoding: UnsafeRawBufferPointer(start: bytes, count: count), as: UTF8.self)
    }
}

extension JSONError {
    fileprivate init(_ failure: json_error_t, source: String?) {
        var failure = failure
        let text = withUnsafeBytes(of: &failure.text) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        let code =
            switch withUnsafePointer(to: &failure, { json_error_code($0) }) {
            case json_error_invalid_utf8: "json.utf8"
            case json_error_numeric_overflow: "json.number"
            case json_error_duplicate_key: "json.duplicate_key"
            case json_error_stack_overflow: "json.depth"
            default: "json.syntax"
            }
        let problem =
            text.hasPrefix("too big")
            ? text + "; an integer must fit in 64 bits, write a larger one as a string or with an exponent" : text
        self.init(
            code, problem,
            at: TextPlace(source: source, line: max(1, Int(failure.line)), column: max(1, Int(failure.column))))
    }
}
