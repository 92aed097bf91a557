import Base

/// The central directory: where it lies, and the entries it lists.
struct ZipDirectory {
    let offset: Int
    let size: Int
    let count: Int

    /// Finds the end record at the very end of the file, and the ZIP64 one before it where there is one.
    init(_ bytes: UnsafeRawBufferPointer) throws {
        let end = try Self.endRecordOffset(bytes)
        var reader = ByteReader(bytes, offset: end + 4)
        let disk: UInt16 = try reader.littleEndian()
        let directoryDisk: UInt16 = try reader.littleEndian()
        let countHere: UInt16 = try reader.littleEndian()
        let count: UInt16 = try reader.littleEndian()
        let size: UInt32 = try reader.littleEndian()
        let offset: UInt32 = try reader.littleEndian()
        guard disk == directoryDisk, countHere == count else {
            throw CheckpointError(.notSupported, "the archive is split over several files")
        }
        let limit: Int
        if let wide = try Self.end64Record(bytes, before: end) {
            (self.offset, self.size, self.count, limit) = wide
        } else {
            (self.offset, self.size, self.count, limit) = (Int(offset), Int(size), Int(count), end)
        }
        guard self.offset <= limit, self.size <= limit - self.offset,
            self.count <= self.size / ZipFormat.centralHeaderSize
        else { throw CheckpointError(.outOfSpec, "the archive's directory lies outside of the file") }
    }

    private static func endRecordOffset(_ bytes: UnsafeRawBufferPointer) throws -> Int {
        let last = bytes.count - ZipFormat.endRecordSize
        var position = last
        while position >= 0, position >= last - 0xFFFF {
            let signature = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt32.self))
            if signature == ZipFormat.endRecord {
                let comment = UInt16(
                    littleEndian: bytes.loadUnaligned(fromByteOffset: position + 20, as: UInt16.self))
                if Int(comment) == last - position { return position }
            }
            position -= 1
        }
        throw CheckpointError(.outOfSpec, "the archive has no end record; the file is cut short")
    }

    /// Offset, size and entry count by the ZIP64 record, and where that record starts; nil without a locator.
    private static func end64Record(
        _ bytes: UnsafeRawBufferPointer, before end: Int
    ) throws -> (offset: Int, size: Int, count: Int, start: Int)? {
        let locator = end - ZipFormat.end64LocatorSize
        guard locator >= 0 else { return nil }
        var reader = ByteReader(bytes, offset: locator)
        guard try reader.littleEndian(UInt32.self) == ZipFormat.end64Locator else { return nil }
        try reader.skip(4)
        let start = try reader.littleEndian(UInt64.self)
        guard start <= UInt64(locator), locator - Int(start) >= ZipFormat.end64RecordSize else {
            throw CheckpointError(.outOfSpec, "the archive's ZIP64 end record lies outside of the file")
        }
        try reader.seek(Int(start))
        guard try reader.littleEndian(UInt32.self) == ZipFormat.end64Record else {
            throw CheckpointError(.outOfSpec, "the archive's ZIP64 end record is damaged")
        }
        try reader.skip(8 + 2 + 2)
        let disk: UInt32 = try reader.littleEndian()
        let directoryDisk: UInt32 = try reader.littleEndian()
        let countHere: UInt64 = try reader.littleEndian()
        let count: UInt64 = try reader.littleEndian()
        let size: UInt64 = try reader.littleEndian()
        let offset: UInt64 = try reader.littleEndian()
        guard disk == directoryDisk, countHere == count else {
            throw CheckpointError(.notSupported, "the archive is split over several files")
        }
        guard let offset = Int(exactly: offset), let size = Int(exactly: size), let count = Int(exactly: count) else {
            throw CheckpointError(.outOfSpec, "the archive's ZIP64 end record is damaged")
        }
        return (offset, size, count, Int(start))
    }

    /// The listed entries, each checked against its local header.
    func entries(_ bytes: UnsafeRawBufferPointer) throws -> [ZipEntry] {
        var reader = ByteReader(UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + size]))
        var entries: [ZipEntry] = []
        entries.reserveCapacity(count)
        for index in 0..<count {
            if index & 0xFFF == 0 { try Interrupt.check() }
            if let entry = try Self.entry(&reader, bytes, limit: offset) { entries.append(entry) }
        }
        return entries
    }

    /// Reads one central header; nil for a folder.
    private static func entry(
        _ reader: inout ByteReader, _ bytes: UnsafeRawBufferPointer, limit: Int
    ) throws -> ZipEntry? {
        guard try reader.littleEndian(UInt32.self) == ZipFormat.centralHeader else {
            throw CheckpointError(.outOfSpec, "the archive's directory is damaged")
        }
        try reader.skip(4)
        let flags: UInt16 = try reader.littleEndian()
        let method: UInt16 = try reader.littleEndian()
        try reader.skip(4)
        let crc: UInt32 = try reader.littleEndian()
        let narrow = (
            stored: try reader.littleEndian(UInt32.self), size: try reader.littleEndian(UInt32.self)
        )
        let nameSize: UInt16 = try reader.littleEndian()
        let extraSize: UInt16 = try reader.littleEndian()
        let commentSize: UInt16 = try reader.littleEndian()
        try reader.skip(2 + 2 + 4)
        let narrowOffset: UInt32 = try reader.littleEndian()
        let nameBytes = try reader.take(Int(nameSize))
        let extra = try reader.take(Int(extraSize))
        try reader.skip(Int(commentSize))
        guard let name = String(validating: nameBytes, as: UTF8.self), !name.isEmpty else {
            throw CheckpointError(.outOfSpec, "the archive has an entry whose name is not UTF-8 text")
        }

        var wide = try Zip64Extra(extra)
        let size = try wide.resolve(narrow.size, name)
        let stored = try wide.resolve(narrow.stored, name)
        let offset = try wide.resolve(narrowOffset, name)
        if name.hasSuffix("/"), size == 0 { return nil }
        guard flags & 1 == 0 else {
            throw CheckpointError(.notSupported, "entry '\(name)' is encrypted")
        }
        guard let method = ZipEntry.Method(rawValue: method) else {
            throw CheckpointError(
                .notSupported, "entry '\(name)' is compressed by method \(method); only stored and deflated are read")
        }
        guard method == .deflated || stored == size else {
            throw CheckpointError(.outOfSpec, "entry '\(name)' is stored but claims two sizes")
        }
        let data = try dataOffset(of: name, nameBytes, header: offset, bytes)
        guard data <= limit, stored <= limit - data else {
            throw CheckpointError(.outOfSpec, "entry '\(name)' reaches beyond the archive's entries")
        }
        return ZipEntry(
            name: name, method: method, crc: crc, storedSize: stored, size: size, headerOffset: offset, dataOffset: data
        )
    }

    private static func dataOffset(
        of name: String, _ nameBytes: UnsafeRawBufferPointer, header: Int, _ bytes: UnsafeRawBufferPointer
    ) throws -> Int {
        var reader = ByteReader(bytes)
        try reader.seek(header)
        guard try reader.littleEndian(UInt32.self) == ZipFormat.localHeader else {
            throw CheckpointError(.outOfSpec, "entry '\(name)' has no header where the directory says")
        }
        try reader.skip(22)
        let nameSize: UInt16 = try reader.littleEndian()
        let extraSize: UInt16 = try reader.littleEndian()
        guard try reader.take(Int(nameSize)).elementsEqual(nameBytes) else {
            throw CheckpointError(.outOfSpec, "entry '\(name)' carries another name in its own header")
        }
        try reader.skip(Int(extraSize))
        return reader.offset
    }
}

/// The 64-bit fields of an entry, in the order in which the 32-bit ones say they are missing.
private struct Zip64Extra {
    private var reader: ByteReader?

    init(_ extra: UnsafeRawBufferPointer) throws {
        var fields = ByteReader(extra)
        while fields.remaining >= 4 {
            let identifier: UInt16 = try fields.littleEndian()
            let size: UInt16 = try fields.littleEndian()
            let content = try fields.take(Int(size))
            if identifier == ZipFormat.zip64Extra {
                reader = ByteReader(content)
                return
            }
        }
    }

    mutating func resolve(_ narrow: UInt32, _ name: String) throws -> Int {
        guard narrow == .max else { return Int(narrow) }
        // Exactly 0xFFFFFFFF without an extra field would be legal, but no writer produces it.
        guard let value = try reader?.littleEndian(UInt64.self), let number = Int(exactly: value) else {
            throw CheckpointError(.outOfSpec, "entry '\(name)' has an impossible size or offset")
        }
        return number
    }
}
