import Base
import CYAML

/// Builds one value from libyaml's events.
final class YAMLReader {
    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private let source: String?
    private let wantsLines: Bool
    private var lines: [(path: String, line: Int)] = []
    private var anchors: [String: Anchor] = [:]
    private var expanded = 0

    /// A finished value with the number of values in it and their depth.
    private struct Node {
        var value: Value
        var count = 1
        var depth = 0
    }

    private enum Anchor {
        /// Still being read: an alias to it would contain itself.
        case open
        case done(Node)
    }

    static func read(
        _ bytes: UnsafeRawBufferPointer, source: String?, lines: Bool
    ) throws -> (value: Value, lines: [(path: String, line: Int)]) {
        let reader = try YAMLReader(bytes, source: source, lines: lines)
        let value = try reader.document()
        return (value, reader.lines)
    }

    private init(_ bytes: UnsafeRawBufferPointer, source: String?, lines: Bool) throws {
        self.source = source
        wantsLines = lines
        parser = .allocate(capacity: 1)
        guard yaml_parser_initialize(parser) != 0 else {
            parser.deallocate()
            throw BaseError("memory", "not enough memory for the YAML parser")
        }
        yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
        // An empty file has no address, and libyaml ends the process when it is given none.
        let start = bytes.baseAddress ?? UnsafeRawPointer(parser)
        yaml_parser_set_input_string(parser, start.assumingMemoryBound(to: UInt8.self), bytes.count)
    }

    deinit {
        yaml_parser_delete(parser)
        parser.deallocate()
    }

    private func document() throws -> Value {
        try next { _ in }  // the stream's start
        guard try startOfDocument() != nil else { return .null }
        let root: Node = try node(path: "", depth: 0)
        try next { _ in }  // the document's end
        if let mark = try startOfDocument() {
            throw failure("yaml.unsupported", "a second document; give every document a file of its own", at: mark)
        }
        return root.value
    }

    /// nil at the end of the stream.
    private func startOfDocument() throws -> yaml_mark_t? {
        try next { $0.type == YAML_DOCUMENT_START_EVENT ? $0.start_mark : nil }
    }

    /// Reads one event and hands it to `body`; it is gone afterwards.
    private func next<Result>(_ body: (borrowing yaml_event_t) throws -> Result) throws -> Result {
        var event = yaml_event_t()
        guard yaml_parser_parse(parser, &event) != 0 else { throw parserFailure() }
        defer { yaml_event_delete(&event) }
        return try body(event)
    }

    /// The next value, or nil at the end of a collection.
    private func node(path: String, depth: Int) throws -> Node! {
        enum Start {
            case end
            case value(Node)
            case sequence(anchor: String?, yaml_mark_t)
            case mapping(anchor: String?, yaml_mark_t)
        }
        let start: Start = try next { event in
            if wantsLines, path.hasSuffix("]"), event.type != YAML_SEQUENCE_END_EVENT {
                lines.append((path, Int(event.start_mark.line) + 1))
            }
            switch event.type {
            case YAML_SCALAR_EVENT:
                let node = Node(value: try scalar(event))
                if let name = string(event.data.scalar.anchor) { anchors[name] = .done(node) }
                return .value(node)
            case YAML_ALIAS_EVENT:
                return .value(try alias(string(event.data.alias.anchor) ?? "", depth: depth, at: event.start_mark))
            case YAML_SEQUENCE_START_EVENT:
                try refuse(tag: event.data.sequence_start.tag, at: event.start_mark)
                return .sequence(anchor: string(event.data.sequence_start.anchor), event.start_mark)
            case YAML_MAPPING_START_EVENT:
                try refuse(tag: event.data.mapping_start.tag, at: event.start_mark)
                return .mapping(anchor: string(event.data.mapping_start.anchor), event.start_mark)
            default: return .end
            }
        }
        switch start {
        case .end: return nil
        case .value(let node): return node
        case .sequence(let anchor, let mark):
            return try collection(anchor, depth, mark) { try sequence(path: path, depth: depth + 1) }
        case .mapping(let anchor, let mark):
            return try collection(anchor, depth, mark) { try mapping(path: path, depth: depth + 1) }
        }
    }

    private func collection(
        _ anchor: String?, _ depth: Int, _ mark: yaml_mark_t, _ body: () throws -> Node
    ) throws -> Node {
        guard depth < YAML.maximumDepth else { throw tooDeep(at: mark) }
        if let anchor { anchors[anchor] = .open }
        let node = try body()
        if let anchor { anchors[anchor] = .done(node) }
        return node
    }

    private func sequence(path: String, depth: Int) throws -> Node {
        var elements: [Value] = []
        var whole = Node(value: .null)
        while let element = try node(path: wantsLines ? "\(path)[\(elements.count + 1)]" : "", depth: depth) {
            elements.append(element.value)
            whole.count += element.count
            whole.depth = max(whole.depth, element.depth + 1)
            if elements.count & 0xFFFF == 0 { try Interrupt.check() }
        }
        whole.value = .array(elements)
        return whole
    }

    private func mapping(path: String, depth: Int) throws -> Node {
        var members: [Value.Member] = []
        // Text compares by its bytes: Swift's == also unites composed and decomposed letters.
        var firstLines: [[UInt8]: Int] = [:]
        var whole = Node(value: .null, depth: 1)
        while let (name, mark) = try key() {
            let line = Int(mark.line) + 1
            if let first = firstLines.updateValue(line, forKey: Array(name.utf8)) {
                throw failure("yaml.duplicate_key", "duplicate key '\(name)', first on line \(first)", at: mark)
            }
            var inner = ""
            if wantsLines {
                inner = path.isEmpty ? name : "\(path).\(name)"
                lines.append((inner, line))
            }
            let value: Node = try node(path: inner, depth: depth)
            members.append(Value.Member(name, value.value))
            whole.count += value.count
            whole.depth = max(whole.depth, value.depth + 1)
        }
        whole.value = .object(members)
        return whole
    }

    /// The next key's text, or nil at the mapping's end.
    private func key() throws -> (String, yaml_mark_t)? {
        try next { event in
            let mark = event.start_mark
            switch event.type {
            case YAML_MAPPING_END_EVENT: return nil
            case YAML_SCALAR_EVENT:
                let text = string(event.data.scalar.value, event.data.scalar.length)
                try refuse(tag: event.data.scalar.tag, at: mark)
                if event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE {
                    if text == "<<" {
                        throw failure("yaml.unsupported", "merge keys ('<<') are refused; write the keys out", at: mark)
                    }
                    if text.isEmpty || text == "~" { throw failure("yaml.unsupported", "a key is missing", at: mark) }
                }
                if let name = string(event.data.scalar.anchor) { anchors[name] = .done(Node(value: .string(text))) }
                return (text, mark)
            case YAML_ALIAS_EVENT:
                throw failure("yaml.unsupported", "a key cannot be an alias; write its text", at: mark)
            default: throw failure("yaml.unsupported", "a key must be text, not a list or a map", at: mark)
            }
        }
    }

    private func scalar(_ event: borrowing yaml_event_t) throws -> Value {
        let text = string(event.data.scalar.value, event.data.scalar.length)
        try refuse(tag: event.data.scalar.tag, at: event.start_mark)
        guard event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE else { return .string(text) }
        do {
            return try YAMLScalar.resolve(text)
        } catch {
            throw failure(
                "yaml.number", "\(text) is outside of the 64-bit numbers; quote it to make it text",
                at: event.start_mark)
        }
    }

    private func alias(_ name: String, depth: Int, at mark: yaml_mark_t) throws -> Node {
        switch anchors[name] {
        case .done(let node):
            expanded += node.count
            guard expanded <= YAML.maximumExpansion else {
                throw failure(
                    "yaml.limit", "aliases add more than \(YAML.maximumExpansion) values to the document", at: mark)
            }
            guard depth + node.depth <= YAML.maximumDepth else { throw tooDeep(at: mark) }
            return node
        case .open: throw failure("yaml.unsupported", "alias '*\(name)' stands inside of what it names", at: mark)
        case nil: throw failure("yaml.syntax", "no anchor '&\(name)' stands before this alias", at: mark)
        }
    }

    private func refuse(tag: UnsafeMutablePointer<UInt8>?, at mark: yaml_mark_t) throws {
        guard let tag = string(tag) else { return }
        let prefix = "tag:yaml.org,2002:"
        let shown = tag.hasPrefix(prefix) ? "!!" + tag.dropFirst(prefix.count) : tag
        throw failure("yaml.unsupported", "the tag '\(shown)' is refused; write plain values", at: mark)
    }

    // MARK: - Failures

    private func tooDeep(at mark: yaml_mark_t) -> YAMLError {
        failure("yaml.limit", "more than \(YAML.maximumDepth) lists and maps inside each other", at: mark)
    }

    private func failure(_ code: String, _ problem: String, at mark: yaml_mark_t) -> YAMLError {
        YAMLError(code, problem, at: place(mark))
    }

    private func place(_ mark: yaml_mark_t) -> TextPlace {
        TextPlace(source: source, line: Int(mark.line) + 1, column: Int(mark.column) + 1)
    }

    private func parserFailure() -> any TTError {
        let state = parser.pointee
        let problem = state.problem.map { String(cString: $0) } ?? "unknown problem"
        switch state.error {
        case YAML_MEMORY_ERROR: return BaseError("memory", "not enough memory for the YAML parser")
        case YAML_READER_ERROR:
            // The reader knows only a byte offset; the marks lag behind by what it has buffered.
            return YAMLError(
                "yaml.syntax", "\(problem) (byte \(state.problem_offset))", at: place(state.mark))
        default:
            var text = problem
            if let context = state.context {
                text = "\(problem), \(String(cString: context))"
                if state.context_mark.line != state.problem_mark.line {
                    text += " that starts on line \(state.context_mark.line + 1)"
                }
            }
            return failure("yaml.syntax", text, at: state.problem_mark)
        }
    }
}

/// libyaml has checked the bytes to be UTF-8.
private func string(_ bytes: UnsafeMutablePointer<UInt8>?, _ count: Int) -> String {
    String(decoding: UnsafeRawBufferPointer(start: bytes, count: count), as: UTF8.self)
}

private func string(_ text: UnsafeMutablePointer<UInt8>?) -> String? {
    text.map { String(cString: $0) }
}
