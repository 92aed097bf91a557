/// A place as people count it, from 1, where code counts from 0: for messages. The greatest number stays what it is, so
/// that a message about a place that is out of range cannot leave the range itself.
@inlinable public func oneBased(_ place: some BinaryInteger) -> Int {
    let place = Int(clamping: place)
    return place == .max ? .max : place + 1
}

/// `length` places from `start` on, as people count them: `31 to 33`.
public func oneBased(_ start: Int, length: Int) -> String {
    let (end, overflow) = start.addingReportingOverflow(length)
    return "\(oneBased(start)) to \(overflow ? .max : end)"
}
