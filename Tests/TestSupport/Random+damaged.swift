import Base

extension Random {
    /// The text after one to three small damages: a byte changed, taken out or put in, or the end cut off.
    public mutating func damaged(_ text: String) -> [UInt8] {
        var bytes = Array(text.utf8)
        for _ in 0...below(3) where !bytes.isEmpty {
            let at = below(bytes.count)
            switch below(4) {
            case 0: bytes[at] = UInt8(below(256))
            case 1: bytes.remove(at: at)
            case 2: bytes.insert(bytes[below(bytes.count)], at: at)
            default: bytes.removeLast(below(bytes.count))
            }
        }
        return bytes
    }
}
