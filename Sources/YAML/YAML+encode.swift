import Base
import CYAML

extension YAML {
    /// `value` in block style, two spaces a level, members in their order. Text that would be read as something else
    /// stands in quotes, text of several lines as a literal block.
    /// - Throws: `YAMLError` `yaml.limit` for more than `maximumDepth` levels, `yaml.duplicate_key`.
    public static func encode(_ value: Value) throws -> String {
        let writer = try YAMLWriter()
        try writer.write(value)
        return String(decoding: writer.output, as: UTF8.self)
    }
}

/// Sends a value to libyaml's emitter, event by event.
private final class YAMLWriter {
    private let emitter: UnsafeMutablePointer<yaml_emitter_t>
    fileprivate var output: [UInt8] = []

    init() throws {
        emitter = .allocate(capacity: 1)
        guard yaml_emitter_initialize(emitter) != 0 else {
            emitter.deallocate()
            throw BaseError("memory", "not enough memory for the YAML writer")
        }
        yaml_emitter_set_unicode(emitter, 1)
        yaml_emitter_set_width(emitter, -1)
    }

    deinit {
        yaml_emitter_delete(emitter)
        emitter.deallocate()
    }

    func write(_ value: Value) throws {
        yaml_emitter_set_output(
            emitter,
            { context, bytes, count in
                let writer = Unmanaged<YAMLWriter>.fromOpaque(context!).takeUnretainedValue()
                writer.output.append(contentsOf: UnsafeBufferPointer(start: bytes, count: count))
                return 1
            }, Unmanaged.passUnretained(self).toOpaque())
        try emit { yaml_stream_start_event_initialize(&$0, YAML_UTF8_ENCODING) }
        try emit { yaml_document_start_event_initialize(&$0, nil, nil, nil, 1) }
        try append(value, depth: 0)
        try emit { yaml_document_end_event_initialize(&$0, 1) }
        try emit { yaml_stream_end_event_initialize(&$0) }
        yaml_emitter_flush(emitter)
        // After a lone scalar libyaml ends the document explicitly, which only matters between documents.
        if output.suffix(5).elementsEqual("\n...\n".utf8) { output.removeLast(4) }
    }

    private func append(_ value: Value, depth: Int) throws {
        guard depth <= YAML.maximumDepth else {
            throw YAMLError("yaml.limit", writing: "more than \(YAML.maximumDepth) levels inside each other")
        }
        switch value {
        case .null: try append(plain: "null")
        case .bool(let flag): try append(plain: flag ? "true" : "false")
        case .int(let number): try append(plain: String(number))
        case .double(let number): try append(plain: text(number.description))
        case .float(let number): try append(plain: text(number.description))
        case .string(let text): try append(text: text)
        case .array(let elements):
            let style = elements.isEmpty ? YAML_FLOW_SEQUENCE_STYLE : YAML_BLOCK_SEQUENCE_STYLE
            try emit { yaml_sequence_start_event_initialize(&$0, nil, nil, 1, style) }
            for element in elements { try append(element, depth: depth + 1) }
            try emit { yaml_sequence_end_event_initialize(&$0) }
        case .object(let members):
            let style = members.isEmpty ? YAML_FLOW_MAPPING_STYLE : YAML_BLOCK_MAPPING_STYLE
            var seen: Set<[UInt8]> = []
            try emit { yaml_mapping_start_event_initialize(&$0, nil, nil, 1, style) }
            for member in members {
                guard seen.insert(Array(member.name.utf8)).inserted else {
                    throw YAMLError("yaml.duplicate_key", writing: "the key '\(member.name)' is there twice")
                }
                try append(text: member.name)
                try append(member.value, depth: depth + 1)
            }
            try emit { yaml_mapping_end_event_initialize(&$0) }
        }
    }

    /// A number's text with the point that readers of YAML 1.1 want in front of an exponent.
    private func text(_ description: String) -> String {
        switch description {
        case "inf": return ".inf"
        case "-inf": return "-.inf"
        case let text where text.hasSuffix("nan"): return ".nan"
        default: break
        }
        guard let exponent = description.firstIndex(of: "e"), !description[..<exponent].contains(".") else {
            return description
        }
        return description[..<exponent] + ".0" + description[exponent...]
    }

    private func append(plain text: String) throws { try scalar(text, plain: true, YAML_PLAIN_SCALAR_STYLE) }

    private func append(text: String) throws {
        let style = text.utf8.contains(UInt8(ascii: "\n")) ? YAML_LITERAL_SCALAR_STYLE : YAML_ANY_SCALAR_STYLE
        try scalar(text, plain: !YAMLScalar.needsQuotes(text), style)
    }

    private func scalar(_ text: String, plain: Bool, _ style: yaml_scalar_style_t) throws {
        var text = text
        try text.withUTF8 { bytes in
            guard bytes.count <= Int32.max else {
                throw YAMLError("yaml.limit", writing: "a text of \(bytes.count) bytes is too long")
            }
            try withUnsafePointer(to: UInt8(0)) { nothing in
                try emit {
                    yaml_scalar_event_initialize(
                        &$0, nil, nil, bytes.baseAddress ?? nothing, Int32(bytes.count), plain ? 1 : 0, 1, style)
                }
            }
        }
    }

    private func emit(_ initialize: (inout yaml_event_t) -> Int32) throws {
        var event = yaml_event_t()
        guard initialize(&event) != 0 else { throw BaseError("memory", "not enough memory for the YAML writer") }
        // The emitter owns the event from here, also when it fails.
        guard yaml_emitter_emit(emitter, &event) != 0 else {
            let problem = emitter.pointee.problem.map { String(cString: $0) } ?? "unknown problem"
            throw YAMLError("yaml.syntax", writing: problem)
        }
    }
}
