import Base
import CZlib

/// Reads a ZIP archive from memory by its central directory, as every PyTorch checkpoint since 1.6 is one.
///
/// All sizes and offsets come from the file and are checked before use; entries that overlap, leave the file or repeat
/// a name are refused when the archive is opened, wrong checksums when an entry is read.
final class ZipReader {
    private let bytes: UnsafeRawBufferPointer
    private(set) var entries: [ZipEntry] = []
    private var positions: [ByteKey: Int] = [:]
    private var inflated: [Int: Buffer<UInt8>] = [:]
    private var verified: Set<Int> = []
    /// Bytes that inflating may still take; keeps a small file from filling the memory.
    private var inflateBudget: Int

    /// - Parameter bytes: the whole archive; must outlive the reader.
    init(_ bytes: UnsafeRawBufferPointer) throws {
        self.bytes = bytes
        inflateBudget = (1 << 30) + 16 * bytes.count
        let directory = try ZipDirectory(bytes)
        entries = try directory.entries(bytes)
        for (index, entry) in entries.enumerated() {
            if positions.updateValue(index, forKey: ByteKey(entry.name)) != nil {
                throw CheckpointError(.outOfSpec, "entry '\(entry.name)' appears twice in the archive")
            }
        }
        try refuseOverlaps(directoryOffset: directory.offset)
    }

    func contains(_ name: String) -> Bool { positions[ByteKey(name)] != nil }

    /// The size of an entry's content, or nil when there is no such entry.
    func size(of name: String) -> Int? { positions[ByteKey(name)].map { entries[$0].size } }

    /// Calls `body` with the content of an entry after comparing its checksum; nil when there is no such entry.
    func withContent<Result>(of name: String, _ body: (UnsafeRawBufferPointer) throws -> Result) throws -> Result? {
        guard let index = positions[ByteKey(name)] else { return nil }
        let entry = entries[index]
        switch entry.method {
        case .stored:
            let content = UnsafeRawBufferPointer(
                rebasing: bytes[entry.dataOffset..<entry.dataOffset + entry.storedSize])
            if !verified.contains(index) { try verify(content, entry) }
            verified.insert(index)
            return try body(content)
        case .deflated:
            let buffer: Buffer<UInt8>
            if let known = inflated[index] {
                buffer = known
            } else {
                buffer = try inflateContent(of: entry)
                try verify(UnsafeRawBufferPointer(buffer.elements), entry)
                inflated[index] = buffer
            }
            return try withExtendedLifetime(buffer) { try body(UnsafeRawBufferPointer(buffer.elements)) }
        }
    }

    private func verify(_ content: UnsafeRawBufferPointer, _ entry: ZipEntry) throws {
        let found = try CRC32.of(content)
        guard found == entry.crc else {
            throw CheckpointError(
                .outOfSpec, "the checksum of entry '\(entry.name)' does not match; the file is damaged")
        }
    }

    private func inflateContent(of entry: ZipEntry) throws -> Buffer<UInt8> {
        guard entry.size <= inflateBudget else {
            throw CheckpointError(
                .tooLarge, "entry '\(entry.name)' would inflate to \(entry.size) bytes, far beyond the file's size")
        }
        inflateBudget -= entry.size
        let content = UnsafeRawBufferPointer(rebasing: bytes[entry.dataOffset..<entry.dataOffset + entry.storedSize])
        return try Inflater.inflate(content, size: entry.size, entry: entry.name)
    }

    private func refuseOverlaps(directoryOffset: Int) throws {
        var end = 0
        for entry in entries.sorted(by: { $0.headerOffset < $1.headerOffset }) {
            guard entry.headerOffset >= end else {
                throw CheckpointError(.outOfSpec, "entry '\(entry.name)' overlaps the one before it")
            }
            end = entry.dataOffset + entry.storedSize
        }
        guard end <= directoryOffset else {
            throw CheckpointError(.outOfSpec, "the archive's directory overlaps its entries")
        }
    }
}

/// CRC-32 as ZIP and gzip use it.
enum CRC32 {
    static func of(_ bytes: UnsafeRawBufferPointer) throws -> UInt32 {
        var crc: UInt = crc32(0, nil, 0)
        var rest = bytes
        while rest.count > 0 {
            try Interrupt.check()
            let piece = min(rest.count, 1 << 24)
            crc = crc32(crc, rest.baseAddress?.assumingMemoryBound(to: UInt8.self), UInt32(piece))
            rest = UnsafeRawBufferPointer(rebasing: rest[piece...])
        }
        return UInt32(truncatingIfNeeded: crc)
    }
}

/// Raw DEFLATE streams of a known size.
enum Inflater {
    static func inflate(_ bytes: UnsafeRawBufferPointer, size: Int, entry: String) throws -> Buffer<UInt8> {
        // DEFLATE cannot shrink below 1/1032, so a larger claim is a lie and not worth an allocation.
        guard size / 1032 <= bytes.count + 1 else {
            throw CheckpointError(.outOfSpec, "entry '\(entry)' claims \(size) bytes from \(bytes.count)")
        }
        let damaged = CheckpointError(.outOfSpec, "the compressed data of entry '\(entry)' is damaged")
        try Memory.check(size, of: 1, for: "entry '\(entry)'")
        let result = Buffer<UInt8>(uninitialized: size)
        var stream = z_stream()
        guard inflateInit2_(&stream, -15, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
            throw CheckpointError(.tooLarge, "not enough memory to inflate entry '\(entry)'")
        }
        defer { inflateEnd(&stream) }
        var read = 0
        var written = 0
        while true {
            try Interrupt.check()
            let input = min(bytes.count - read, 1 << 22)
            let room = min(size - written, 1 << 22)
            stream.next_in = UnsafeMutablePointer(
                mutating: bytes.baseAddress.map { ($0 + read).assumingMemoryBound(to: UInt8.self) })
            stream.avail_in = UInt32(input)
            stream.next_out = result.pointer + written
            stream.avail_out = UInt32(room)
            let status = CZlib.inflate(&stream, Z_NO_FLUSH)
            read += input - Int(stream.avail_in)
            let produced = room - Int(stream.avail_out)
            written += produced
            if status == Z_STREAM_END { break }
            let moved = produced > 0 || input > Int(stream.avail_in)
            guard status == Z_OK, moved else { throw damaged }
        }
        guard written == size, read == bytes.count else { throw damaged }
        return result
    }
}
