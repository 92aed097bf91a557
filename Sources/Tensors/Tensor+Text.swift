extension Tensor: CustomStringConvertible {
    /// Shape and values; long dimensions show the first and last three.
    public var description: String {
        let head = "Tensor\(TensorError.describe(shape))\(requiresGrad ? " with gradient" : "")"
        if count == 0 { return head }
        if rank == 0 { return "\(head) \(Tensor.text(pointer[0]))" }
        var text = head + "\n"
        write(dimension: 0, offset: 0, indent: 0, into: &text)
        return text
    }

    private func write(dimension: Int, offset: Int, indent: Int, into text: inout String) {
        let size = shape[dimension]
        let step = Tensor.elements(Array(shape[(dimension + 1)...]))
        let shown = size <= 7 ? Array(0..<size) : [0, 1, 2, -1, size - 3, size - 2, size - 1]
        let isLast = dimension == rank - 1
        text += "["
        for (place, index) in shown.enumerated() {
            if place > 0 { text += isLast ? ", " : "\n" + String(repeating: " ", count: indent + 1) }
            if index < 0 {
                text += "…"
            } else if isLast {
                text += Tensor.text(pointer[offset + index])
            } else {
                write(dimension: dimension + 1, offset: offset + index * step, indent: indent + 1, into: &text)
            }
        }
        text += "]"
    }

    /// Four decimals, or the shortest exact form of very small and large numbers.
    static func text(_ value: Float) -> String {
        guard value.isFinite else { return value.isNaN ? "nan" : value < 0 ? "-inf" : "inf" }
        let size = Swift.abs(value)
        guard size == 0 || (size >= 1e-3 && size < 1e6) else { return "\(value)" }
        let scaled = Int((Double(size) * 10000).rounded())
        let digits = String(scaled % 10000)
        let fraction = String(repeating: "0", count: 4 - digits.count) + digits
        return "\(value.sign == .minus && scaled > 0 ? "-" : "")\(scaled / 10000).\(fraction)"
    }
}
