import Base
import Frames

/// One column of a Parquet file as this reader sees it.
public struct ParquetColumn: Sendable {
    public let name: String
    /// The type the column is read as; nil when it cannot be read.
    public let dtype: DType?
    /// Whether rows may be null.
    public let isNullable: Bool
    /// The type in the file: `BYTE_ARRAY (String)`, `List of FLOAT`, `group`.
    public let storedAs: String
    /// Why the column cannot be read; nil when it can.
    public let obstacle: String?
}

/// A column's place among the leaves, and how to turn its pages into a `Column`.
struct FileColumn {
    let info: ParquetColumn
    /// Index of its chunk in every row group.
    let leafIndex: Int
    let layout: LeafLayout?
}

/// What levels and values of a readable leaf mean.
struct LeafLayout {
    let type: PhysicalType
    /// Bytes of a FIXED_LEN_BYTE_ARRAY.
    let typeLength: Int
    let conversion: Conversion
    let maxDefinition: UInt8
    let isList: Bool
    /// Lists only: from this definition level on the row is not null, and from the next one it has an element.
    let listDefinition: UInt8

    /// Bytes of one stored value; nil for BYTE_ARRAY.
    var width: Int? {
        switch type {
        case .boolean: 1
        case .int32, .float: 4
        case .int64, .double: 8
        case .int96: 12
        case .fixedLenByteArray: typeLength
        case .byteArray: nil
        }
    }
}

/// The schema's tree, walked once into columns. Columns are the children of the root; a readable one is a leaf, or a list of
/// leaves in the three-level form or one of the older two-level forms.
/// https://github.com/apache/parquet-format/blob/master/LogicalTypes.md#lists
struct SchemaWalker {
    private let elements: [SchemaElement]
    private var at = 0
    private var leaves = 0

    private struct Node {
        let element: SchemaElement
        let children: [Node]
        let firstLeaf: Int
        var isLeaf: Bool { element.childCount == 0 && element.type != nil }
    }

    static func columns(of elements: [SchemaElement]) throws -> (columns: [FileColumn], leafCount: Int) {
        var walker = SchemaWalker(elements: elements)
        guard !elements.isEmpty else { throw ParquetError.outOfSpec("the footer has no schema") }
        let root = try walker.node(depth: 0)
        guard walker.at == elements.count else {
            throw ParquetError.outOfSpec("the schema's child counts do not add up")
        }
        return (try root.children.map { try walker.column($0) }, walker.leaves)
    }

    private init(elements: [SchemaElement]) { self.elements = elements }

    private mutating func node(depth: Int) throws -> Node {
        guard depth < 64 else { throw ParquetError.outOfSpec("the schema is nested too deeply") }
        guard at < elements.count else { throw ParquetError.outOfSpec("the schema's child counts do not add up") }
        let element = elements[at]
        at += 1
        let firstLeaf = leaves
        guard element.childCount <= elements.count - at else {
            throw ParquetError.outOfSpec("the schema's child counts do not add up")
        }
        // A root without children is the one group that may be empty.
        if element.type != nil {
            guard element.childCount == 0 else { throw ParquetError.outOfSpec("a schema leaf has children") }
            leaves += 1
        }
        var children: [Node] = []
        for _ in 0..<element.childCount { children.append(try node(depth: depth + 1)) }
        return Node(element: element, children: children, firstLeaf: firstLeaf)
    }

    private func column(_ node: Node) throws -> FileColumn {
        let element = node.element
        let nullable = element.repetition == .optional
        if node.isLeaf {
            if element.repetition == .repeated {
                return leafColumn(
                    node, leaf: node, maxDefinition: 1, list: 0, nullable: false, stored: "repeated \(stored(element))")
            }
            return leafColumn(
                node, leaf: node, maxDefinition: nullable ? 1 : 0, list: nil, nullable: nullable,
                stored: stored(element))
        }
        guard case .list = element.logical else {
            if case .map = element.logical { return refused(node, "a map") }
            return refused(node, element.repetition == .repeated ? "a list of structs" : "a struct")
        }
        guard node.children.count == 1, element.repetition != .repeated,
            let repeated = node.children.first, repeated.element.repetition == .repeated
        else { return refused(node, "a list in a form the specification does not have") }
        let outer: UInt8 = nullable ? 1 : 0
        if repeated.isLeaf {
            // Two levels: `repeated T element` without room for null elements.
            return leafColumn(
                node, leaf: repeated, maxDefinition: outer + 1, list: outer, nullable: nullable,
                stored: "List of \(stored(repeated.element))")
        }
        // The specification tells a two-level list of structs from a three-level list by these names.
        let name = repeated.element.name
        guard repeated.children.count == 1, let inner = repeated.children.first,
            name != "array", name != element.name + "_tuple"
        else { return refused(node, "a list of structs") }
        guard inner.isLeaf else {
            switch inner.element.logical {
            case .list: return refused(node, "a list of lists")
            case .map: return refused(node, "a list of maps")
            default: return refused(node, "a list of structs")
            }
        }
        guard inner.element.repetition != .repeated else { return refused(node, "a list of lists") }
        return leafColumn(
            node, leaf: inner, maxDefinition: outer + 1 + (inner.element.repetition == .optional ? 1 : 0), list: outer,
            nullable: nullable, stored: "List of \(stored(inner.element))")
    }

    private func leafColumn(
        _ node: Node, leaf: Node, maxDefinition: UInt8, list: UInt8?, nullable: Bool, stored: String
    ) -> FileColumn {
        let element = leaf.element
        guard let type = element.type else { return refused(node, "a group without values") }
        switch Conversion.choose(type: type, length: element.typeLength, logical: element.logical) {
        case .failure(let obstacle):
            return FileColumn(
                info: ParquetColumn(
                    name: node.element.name, dtype: nil, isNullable: nullable, storedAs: stored,
                    obstacle: obstacle.reason),
                leafIndex: node.firstLeaf, layout: nil)
        case .success(let conversion):
            let dtype = list == nil ? conversion.dtype : .list(conversion.dtype)
            return FileColumn(
                info: ParquetColumn(
                    name: node.element.name, dtype: dtype, isNullable: nullable, storedAs: stored, obstacle: nil),
                leafIndex: node.firstLeaf,
                layout: LeafLayout(
                    type: type, typeLength: element.typeLength, conversion: conversion, maxDefinition: maxDefinition,
                    isList: list != nil, listDefinition: list ?? 0))
        }
    }

    private func refused(_ node: Node, _ what: String) -> FileColumn {
        FileColumn(
            info: ParquetColumn(
                name: node.element.name, dtype: nil, isNullable: node.element.repetition == .optional,
                storedAs: "group",
                obstacle: "it is \(what); only plain values and lists of plain values can be read"),
            leafIndex: node.firstLeaf, layout: nil)
    }

    private func stored(_ element: SchemaElement) -> String {
        let type = element.type?.name ?? "group"
        let length = element.type == .fixedLenByteArray ? "(\(element.typeLength))" : ""
        return type + length + (element.logical.map { " (\($0.name))" } ?? "")
    }
}
