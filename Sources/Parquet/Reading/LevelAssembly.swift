import Base
import Frames

/// Turns the levels of pages into rows: validity, and for lists the offsets.
/// https://parquet.apache.org/docs/file-format/nestedencoding/
protocol LevelAssembly: AnyObject {
    /// Takes `count` levels of a page. `repetition` is nil for flat columns, `definition` when nothing can be null.
    /// - Returns: how many values the page holds.
    func append(count: Int, repetition: UnsafePointer<UInt8>?, definition: UnsafePointer<UInt8>?) throws -> Int
    /// Rows so far.
    var rows: Int { get }
    func finish(_ sink: any ValueSink) throws -> Column
}

/// A plain column: one level, one row.
final class FlatAssembly: LevelAssembly {
    private let total: Int
    private var validity: Buffer<UInt8>?
    private(set) var rows = 0
    private var hasNulls = false

    init(rows: Int, nullable: Bool, allowance: Allowance) throws {
        total = rows
        guard nullable else { return }
        try allowance.take(rows, size: 1)
        validity = Buffer(uninitialized: rows)
    }

    func append(count: Int, repetition: UnsafePointer<UInt8>?, definition: UnsafePointer<UInt8>?) throws -> Int {
        guard count <= total - rows else {
            throw ParquetError.outOfSpec("the pages hold more rows than the metadata says")
        }
        defer { rows += count }
        guard let definition, let validity else { return count }
        // The maximal definition level is 1, so a level is a validity byte.
        let target = validity.pointer + rows
        var present = 0
        for index in 0..<count {
            target[index] = definition[index]
            present += Int(definition[index])
        }
        if present < count { hasNulls = true }
        return present
    }

    func finish(_ sink: any ValueSink) throws -> Column {
        let nulls = hasNulls ? validity : nil
        return Column(try sink.finish(slots: total, validity: nulls?.pointer), validity: nulls)
    }
}

/// A list column: a row is a stretch of levels that starts with repetition level 0.
final class ListAssembly: LevelAssembly {
    private let total: Int
    private let maxDefinition: UInt8
    private let listDefinition: UInt8
    private let offsets: Buffer<Int64>
    private let validity: Buffer<UInt8>
    private let elementValidity: Buffer<UInt8>
    private(set) var rows = 0
    private var slots = 0
    private var hasNulls = false
    private var hasNullElements = false

    init(rows: Int, levels: Int, layout: LeafLayout, allowance: Allowance) throws {
        total = rows
        maxDefinition = layout.maxDefinition
        listDefinition = layout.listDefinition
        try allowance.take(rows, size: 9)
        try allowance.take(levels, size: 1)
        offsets = Buffer(uninitialized: rows + 1)
        validity = Buffer(uninitialized: rows)
        elementValidity = Buffer(uninitialized: levels)
    }

    func append(count: Int, repetition: UnsafePointer<UInt8>?, definition: UnsafePointer<UInt8>?) throws -> Int {
        guard let repetition, let definition else { preconditionFailure("a list has levels") }
        guard count <= elementValidity.count - slots else {
            throw ParquetError.outOfSpec("the pages hold more values than the metadata says")
        }
        // Locals: in the loop a property would cost a check of exclusive access each time.
        let (maxDefinition, listDefinition, total) = (maxDefinition, listDefinition, total)
        let (starts, rowFlags, flags) = (offsets.pointer, validity.pointer, elementValidity.pointer)
        var (row, slot) = (rows, slots)
        var present = 0
        for index in 0..<count {
            let level = definition[index]
            if repetition[index] == 0 {
                guard row < total else {
                    throw ParquetError.outOfSpec("the pages hold more rows than the metadata says")
                }
                starts[row] = Int64(slot)
                rowFlags[row] = level >= listDefinition ? 1 : 0
                if level < listDefinition { hasNulls = true }
                row += 1
            } else if row == 0 || level <= listDefinition || starts[row - 1] == Int64(slot) {
                throw ParquetError.outOfSpec("a repeated value without a list that it belongs to")
            }
            if level > listDefinition {
                let full: UInt8 = level == maxDefinition ? 1 : 0
                flags[slot] = full
                present += Int(full)
                slot += 1
            }
        }
        if present < slot - slots { hasNullElements = true }
        (rows, slots) = (row, slot)
        return present
    }

    func finish(_ sink: any ValueSink) throws -> Column {
        offsets[rows] = Int64(slots)
        let elementNulls = hasNullElements ? exact(elementValidity) : nil
        let child = Column(try sink.finish(slots: slots, validity: elementNulls?.pointer), validity: elementNulls)
        return Column(.list(offsets: offsets, child: child), validity: hasNulls ? validity : nil)
    }

    /// Empty lists and null rows have a level but no slot, so the buffer may be longer than its content.
    private func exact(_ buffer: Buffer<UInt8>) -> Buffer<UInt8> {
        guard buffer.count != slots else { return buffer }
        let copy = Buffer<UInt8>(uninitialized: slots)
        copy.pointer.update(from: buffer.pointer, count: slots)
        return copy
    }
}
