/// How many bytes from `start` on are ASCII that stands in a JSON string as it is; at least one when the first is.
@inline(__always) func plainASCIICount(_ start: UnsafePointer<UInt8>, _ available: Int) -> Int {
    var at = 0
    while at + 8 <= available {
        let word = UInt64(littleEndian: UnsafeRawPointer(start + at).loadUnaligned(as: UInt64.self))
        // A lane's top bit: not ASCII, below a space, a quote, a backslash. A borrow may flag lanes above a flagged one,
        // never below it, so the lowest flag is exact.
        let ones: UInt64 = 0x0101_0101_0101_0101
        let special =
            (word | (word &- ones &* 0x20) | ((word ^ ones &* 0x22) &- ones) | ((word ^ ones &* 0x5C) &- ones))
            & (ones &* 0x80)
        if special != 0 { return at + special.trailingZeroBitCount / 8 }
        at += 8
    }
    while at < available, start[at] >= 0x20, start[at] < 0x80, start[at] != UInt8(ascii: "\""),
        start[at] != UInt8(ascii: "\\")
    { at += 1 }
    return at
}
