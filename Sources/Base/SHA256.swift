import CCrypto
import Glibc

/// SHA-256 by libcrypto: of bytes at once, of bytes in pieces, of many short texts in a row.
///
/// ```swift
/// SHA256.hex(Array("abc".utf8))  // "ba7816bf…"
/// ```
public final class SHA256 {
    public static let byteCount = 32

    private let context: OpaquePointer

    // Looked up once; a lookup by every call would cost more than hashing a short text.
    nonisolated(unsafe) private static let algorithm: OpaquePointer = {
        guard let algorithm = EVP_MD_fetch(nil, "SHA256", nil) else {
            fatalError("libcrypto offers no SHA-256; its configuration disables it")
        }
        return algorithm
    }()

    public init() {
        guard let context = EVP_MD_CTX_new() else { fatalError("out of memory") }
        self.context = context
        restart()
    }

    deinit { EVP_MD_CTX_free(context) }

    private func restart() {
        let done = EVP_DigestInit_ex2(context, Self.algorithm, nil)
        precondition(done == 1, "SHA-256 could not be started")
    }

    public func update(_ bytes: UnsafeRawBufferPointer) {
        let done = EVP_DigestUpdate(context, bytes.baseAddress, bytes.count)
        precondition(done == 1, "SHA-256 could not take \(bytes.count) bytes")
    }

    /// Writes the 32 bytes of the digest and starts over for the next message.
    public func finish(into digest: UnsafeMutablePointer<UInt8>) {
        let done = EVP_DigestFinal_ex(context, digest, nil)
        precondition(done == 1, "SHA-256 could not be finished")
        restart()
    }

    /// The digest so far in lower-case hexadecimal; starts over for the next message.
    public func finishHex() -> String {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Self.byteCount) { digest in
            finish(into: digest.baseAddress!)
            return String(unsafeUninitializedCapacity: 2 * Self.byteCount) { target in
                Self.writeHex(UnsafePointer(digest.baseAddress!), to: target.baseAddress!)
                return 2 * Self.byteCount
            }
        }
    }

    // MARK: - Whole messages

    /// 64 lower-case hexadecimal digits.
    public static func hex(_ bytes: UnsafeRawBufferPointer) -> String {
        let hash = SHA256()
        hash.update(bytes)
        return hash.finishHex()
    }

    public static func hex(_ bytes: [UInt8]) -> String { bytes.withUnsafeBytes { hex($0) } }

    /// Digests of `count` messages as hexadecimal text, 64 bytes each, one behind the other.
    /// - Parameter message: the bytes of message i; they need to live until the next call only.
    public static func hexDigests(
        count: Int, message: (Int) -> UnsafeRawBufferPointer
    ) throws -> Buffer<UInt8> {
        let hash = SHA256()
        let result = Buffer<UInt8>(uninitialized: 2 * byteCount * count)
        try withUnsafeTemporaryAllocation(of: UInt8.self, capacity: byteCount) { digest in
            for index in 0..<count {
                if index & 0xFFFF == 0 { try Interrupt.check() }
                hash.update(message(index))
                hash.finish(into: digest.baseAddress!)
                writeHex(UnsafePointer(digest.baseAddress!), to: result.pointer + 2 * byteCount * index)
            }
        }
        return result
    }

    private static func writeHex(_ digest: UnsafePointer<UInt8>, to target: UnsafeMutablePointer<UInt8>) {
        for index in 0..<byteCount {
            target[2 * index] = hexDigit(digest[index] >> 4)
            target[2 * index + 1] = hexDigit(digest[index] & 15)
        }
    }
}
