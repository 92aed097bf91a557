import Base

extension SHA256 {
    /// The digest of a file's content, read in pieces of one megabyte.
    public static func hex(file path: String) throws -> String {
        let hash = SHA256()
        try Files.readPieces(path) { hash.update($0) }
        return hash.finishHex()
    }
}
