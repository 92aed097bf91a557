import Glibc

extension JSONScanner {
    /// Refuses a name that is there twice, by its text, however it is escaped.
    /// - Parameter names: of one object, in the order of the text.
    /// - Throws: `json.duplicate_key` at the first repetition.
    public func checkNames(_ names: some RandomAccessCollection<RawString>) throws {
        let repeated = names.count <= 16 ? firstRepeat(inFew: Array(names)) : firstRepeat(inMany: names)
        guard let repeated else { return }
        let name = String(decoding: bytes(of: repeated), as: UTF8.self)
        throw failure("json.duplicate_key", "the name '\(name)' is there twice", at: repeated.start - 1)
    }

    private func firstRepeat(inFew names: [RawString]) -> RawString? {
        for index in names.indices.dropFirst() {
            for earlier in 0..<index where areEqual(names[earlier], names[index]) { return names[index] }
        }
        return nil
    }

    /// Sorts by a hash, and names of one hash by their bytes: so no choice of names makes it slow.
    private func firstRepeat(inMany names: some Collection<RawString>) -> RawString? {
        let sorted = names.map { (hash: hash($0), name: $0) }.sorted { a, b in
            if a.hash != b.hash { return a.hash < b.hash }
            if areEqual(a.name, b.name) { return a.name.start < b.name.start }
            return bytes(of: a.name).lexicographicallyPrecedes(bytes(of: b.name))
        }
        return zip(sorted, sorted.dropFirst()).filter { $0.hash == $1.hash && areEqual($0.name, $1.name) }
            .map(\.1.name).min { $0.start < $1.start }
    }

    private func areEqual(_ a: RawString, _ b: RawString) -> Bool {
        if a.hasEscapes || b.hasEscapes { return bytes(of: a) == bytes(of: b) }
        return a.count == b.count && memcmp(text + a.start, text + b.start, a.count) == 0
    }

    private func bytes(of name: RawString) -> [UInt8] {
        Array(unsafeUninitializedCapacity: name.count) { target, count in
            // An empty array has no memory.
            guard let target = target.baseAddress else { return }
            count = unescape(name, into: target)
        }
    }

    private func hash(_ name: RawString) -> UInt64 {
        if name.hasEscapes { return bytes(of: name).withUnsafeBufferPointer { Self.hash($0.baseAddress, $0.count) } }
        return Self.hash(text + name.start, name.count)
    }

    private static func hash(_ start: UnsafePointer<UInt8>?, _ count: Int) -> UInt64 {
        guard let start else { return 0 }
        var hash = UInt64(truncatingIfNeeded: count)
        var at = 0
        while at < count {
            var word: UInt64 = 0
            memcpy(&word, start + at, min(8, count - at))
            hash = (hash ^ word) &* 0x9E37_79B9_7F4A_7C15
            hash ^= hash >> 32
            at += 8
        }
        return hash
    }
}
