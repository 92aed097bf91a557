/// One entry of a ZIP archive, as its central directory describes it.
struct ZipEntry: Sendable {
    enum Method: UInt16, Sendable { case stored = 0, deflated = 8 }

    let name: String
    let method: Method
    let crc: UInt32
    /// Bytes in the archive.
    let storedSize: Int
    /// Bytes after inflating.
    let size: Int
    /// Where the local header starts.
    let headerOffset: Int
    /// Where the data starts.
    let dataOffset: Int
}

/// Signatures and sizes of PKWARE's APPNOTE.TXT, section 4.3.
enum ZipFormat {
    static let localHeader: UInt32 = 0x0403_4B50
    static let dataDescriptor: UInt32 = 0x0807_4B50
    static let centralHeader: UInt32 = 0x0201_4B50
    static let endRecord: UInt32 = 0x0605_4B50
    static let end64Record: UInt32 = 0x0606_4B50
    static let end64Locator: UInt32 = 0x0706_4B50

    static let localHeaderSize = 30
    static let centralHeaderSize = 46
    static let endRecordSize = 22
    static let end64RecordSize = 56
    static let end64LocatorSize = 20

    /// The extra field that carries 64-bit sizes and offsets.
    static let zip64Extra: UInt16 = 0x0001
}
