// Whatever a script gives as a number of things, a place or a size is read here, with the range it may have: what is
// computed from it afterwards then fits an Int, and an Int32 where it says so.
extension Argument {
    /// As many rows, groups or elements as there can be: places are 32 bits each.
    public static var countLimit: Int { Int(Int32.max) }

    /// A whole number in `range`.
    public func int(in range: ClosedRange<Int>) throws -> Int { try checked(try int(), range) }

    /// A number of things, 0 to 2147483647.
    public func count() throws -> Int { try int(in: 0...Self.countLimit) }

    /// A number of bytes, 0 or more.
    public func size() throws -> Int { try int(in: 0...Int.max) }

    /// A list of whole numbers, each in `range`.
    public func ints(in range: ClosedRange<Int>) throws -> [Int] {
        let numbers = try ints()
        if let wrong = numbers.firstIndex(where: { !range.contains($0) }) {
            _ = try element(wrong + 1).int(in: range)
        }
        return numbers
    }

    /// A list of places counted from 1, as places counted from 0.
    public func positions() throws -> [Int] { try ints(in: 1...Self.countLimit).map { $0 - 1 } }

    private func checked(_ number: Int, _ range: ClosedRange<Int>) throws -> Int {
        guard range.contains(number) else {
            let expected =
                range.upperBound == .max ? "\(range.lowerBound) or more" : "\(range.lowerBound) to \(range.upperBound)"
            throw error("\(expected) expected, got \(number)")
        }
        return number
    }
}
