import Base
import Files

/// Writes the ZIP layout PyTorch itself writes: entries stored, each starting at a multiple of 64 bytes, sizes and
/// checksum in a descriptor behind the data, and no dates, so that equal content gives equal bytes.
struct ZipWriter {
    static let alignment = 64

    private struct Record {
        let name: [UInt8]
        let crc: UInt32
        let size: Int
        let headerOffset: Int
    }

    private let file: AtomicFile
    private let limit: Int
    private var records: [Record] = []
    private var offset = 0

    /// - Parameter limit: sizes and offsets from here on take ZIP64 fields; tests lower it.
    init(_ file: AtomicFile, limit: Int = 0xFFFF_FFFF) {
        self.file = file
        self.limit = limit
    }

    mutating func add(_ name: String, _ content: UnsafeRawBufferPointer) throws {
        let name = Array(name.utf8)
        let wide = content.count >= limit
        let headerOffset = offset
        try write(localHeader(name, size: content.count))
        try file.write(content)
        offset += content.count

        let crc = try CRC32.of(content)
        var descriptor = ByteWriter()
        descriptor.littleEndian(ZipFormat.dataDescriptor)
        descriptor.littleEndian(crc)
        for _ in 0..<2 {
            if wide {
                descriptor.littleEndian(UInt64(content.count))
            } else {
                descriptor.littleEndian(UInt32(content.count))
            }
        }
        try write(descriptor)
        records.append(Record(name: name, crc: crc, size: content.count, headerOffset: headerOffset))
    }

    mutating func add(_ name: String, _ content: [UInt8]) throws { try content.withUnsafeBytes { try add(name, $0) } }

    private func localHeader(_ name: [UInt8], size: Int) -> ByteWriter {
        var extra = ByteWriter()
        if size >= limit {
            extra.littleEndian(ZipFormat.zip64Extra)
            extra.littleEndian(UInt16(16))
            extra.littleEndian(UInt64(size))
            extra.littleEndian(UInt64(size))
        }
        // The field "FB" exists only to push the data to the next multiple of the alignment.
        let unpadded = offset + ZipFormat.localHeaderSize + name.count + extra.count + 4
        let padding = (Self.alignment - unpadded % Self.alignment) % Self.alignment
        extra.append("FB")
        extra.littleEndian(UInt16(padding))
        extra.append(repeatElement(UInt8(ascii: "Z"), count: padding))

        var header = ByteWriter()
        header.littleEndian(ZipFormat.localHeader)
        header.littleEndian(UInt16(0))
        header.littleEndian(UInt16(0x0808))
        header.littleEndian(UInt16(0))
        header.littleEndian(UInt32(0))
        header.littleEndian(UInt32(0))
        let placeholder: UInt32 = size >= limit ? .max : 0
        header.littleEndian(placeholder)
        header.littleEndian(placeholder)
        header.littleEndian(UInt16(name.count))
        header.littleEndian(UInt16(extra.count))
        header.append(name)
        header.append(extra.bytes)
        return header
    }

    /// Writes the central directory and the end records.
    mutating func finish() throws {
        let start = offset
        for record in records { try write(centralHeader(record)) }
        let size = offset - start

        var end = ByteWriter()
        end.littleEndian(ZipFormat.end64Record)
        end.littleEndian(UInt64(ZipFormat.end64RecordSize - 12))
        end.littleEndian(UInt16(0x031E))
        end.littleEndian(UInt16(0x002D))
        end.littleEndian(UInt64(0))
        end.littleEndian(UInt64(records.count))
        end.littleEndian(UInt64(records.count))
        end.littleEndian(UInt64(size))
        end.littleEndian(UInt64(start))

        end.littleEndian(ZipFormat.end64Locator)
        end.littleEndian(UInt32(0))
        end.littleEndian(UInt64(offset))
        end.littleEndian(UInt32(1))

        end.littleEndian(ZipFormat.endRecord)
        end.littleEndian(UInt32(0))
        let count = UInt16(exactly: records.count) ?? .max
        end.littleEndian(count)
        end.littleEndian(count)
        end.littleEndian(UInt32(exactly: size) ?? .max)
        end.littleEndian(start >= limit ? .max : UInt32(start))
        end.littleEndian(UInt16(0))
        try write(end)
    }

    private func centralHeader(_ record: Record) -> ByteWriter {
        var extra = ByteWriter()
        let wideSize = record.size >= limit
        let wideOffset = record.headerOffset >= limit
        if wideSize || wideOffset {
            extra.littleEndian(ZipFormat.zip64Extra)
            extra.littleEndian(UInt16((wideSize ? 16 : 0) + (wideOffset ? 8 : 0)))
            if wideSize {
                extra.littleEndian(UInt64(record.size))
                extra.littleEndian(UInt64(record.size))
            }
            if wideOffset { extra.littleEndian(UInt64(record.headerOffset)) }
        }
        let size: UInt32 = wideSize ? .max : UInt32(record.size)

        var header = ByteWriter()
        header.littleEndian(ZipFormat.centralHeader)
        header.littleEndian(UInt32(0))
        header.littleEndian(UInt16(0x0808))
        header.littleEndian(UInt16(0))
        header.littleEndian(UInt32(0))
        header.littleEndian(record.crc)
        header.littleEndian(size)
        header.littleEndian(size)
        header.littleEndian(UInt16(record.name.count))
        header.littleEndian(UInt16(extra.count))
        header.littleEndian(UInt16(0))
        header.littleEndian(UInt32(0))
        header.littleEndian(UInt32(0))
        header.littleEndian(wideOffset ? .max : UInt32(record.headerOffset))
        header.append(record.name)
        header.append(extra.bytes)
        return header
    }

    private mutating func write(_ piece: ByteWriter) throws {
        try file.write(piece.bytes)
        offset += piece.count
    }
}
