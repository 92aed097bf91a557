import Base

/// What the fields of a column so far have in common.
struct TypeGuess {
    private var couldBeInt = true
    private var couldBeFloat = true
    private var couldBeBool = true
    private var couldBeTimestamp = true
    private var couldBeUUID = true
    private var sawValue = false

    mutating func see(_ field: UnsafeBufferPointer<UInt8>) {
        // A quoted empty field fits every type: null, or an empty string.
        if field.isEmpty { return }
        sawValue = true
        if couldBeInt && GuessedField.int64(field) == nil { couldBeInt = false }
        if couldBeFloat && GuessedField.double(field) == nil { couldBeFloat = false }
        if couldBeBool && GuessedField.bool(field) == nil { couldBeBool = false }
        if couldBeTimestamp && Timestamp.parse(field) == nil { couldBeTimestamp = false }
        if couldBeUUID && GuessedField.uuid(field) == nil { couldBeUUID = false }
    }

    var dtype: DType {
        if !sawValue { return .string }
        if couldBeInt { return .int64 }
        if couldBeFloat { return .float64 }
        if couldBeBool { return .bool }
        if couldBeTimestamp { return .timestamp }
        return couldBeUUID ? .uuid : .string
    }
}

/// Fields read as a type nobody asked for: only where the text could be written again from the value.
enum GuessedField {
    static func int64(_ field: UnsafeBufferPointer<UInt8>) -> Int64? {
        hasLeadingZero(field) ? nil : NumberText.int64(field)
    }

    /// Whole numbers beyond int64 are identifiers, which a float would round.
    static func double(_ field: UnsafeBufferPointer<UInt8>) -> Double? {
        if hasLeadingZero(field) { return nil }
        if field.count > 18, field.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 || $0 == 0x2D || $0 == 0x2B }),
            NumberText.int64(field) == nil
        {
            return nil
        }
        return NumberText.double(field)
    }

    static func bool(_ field: UnsafeBufferPointer<UInt8>) -> Bool? {
        field.count < 4 ? nil : NumberText.bool(field)
    }

    static func uuid(_ field: UnsafeBufferPointer<UInt8>) -> UUID? { field.count == 36 ? UUID(field) : nil }

    /// `007` and `-01`: an identifier rather than a number. `0`, `0.5` and `-0` are numbers.
    private static func hasLeadingZero(_ field: UnsafeBufferPointer<UInt8>) -> Bool {
        let first = field.first == UInt8(ascii: "-") || field.first == UInt8(ascii: "+") ? 1 : 0
        return field.count > first + 1 && field[first] == UInt8(ascii: "0")
            && field[first + 1] >= UInt8(ascii: "0") && field[first + 1] <= UInt8(ascii: "9")
    }
}

/// A column builder that reads fields.
enum FieldBuilder {
    case int64(FixedBuilder<Int64>)
    case timestamp(FixedBuilder<Int64>)
    case float32(FixedBuilder<Float>)
    case float64(FixedBuilder<Double>)
    case bool(FixedBuilder<UInt8>)
    case uuid(FixedBuilder<UUID>)
    case string(StringBuilder)
    /// Text that becomes lists at the end.
    case list(StringBuilder)

    init(_ dtype: DType) {
        switch dtype {
        case .int64: self = .int64(.int64())
        case .timestamp: self = .timestamp(.timestamp())
        case .float32: self = .float32(.float32())
        case .float64: self = .float64(.float64())
        case .bool: self = .bool(.bool())
        case .uuid: self = .uuid(.uuid())
        case .string: self = .string(StringBuilder())
        case .list: self = .list(StringBuilder())
        }
    }

    /// False when the field is not of the type; then nothing is appended.
    @inline(__always) func append(_ field: UnsafeBufferPointer<UInt8>, isGuess: Bool) -> Bool {
        switch self {
        case .int64(let builder):
            guard let value = isGuess ? GuessedField.int64(field) : NumberText.int64(field) else { return false }
            builder.append(value)
        case .timestamp(let builder):
            guard let value = Timestamp.parse(field) else { return false }
            builder.append(value)
        case .float32(let builder):
            guard let value = NumberText.float(field) else { return false }
            builder.append(value)
        case .float64(let builder):
            guard let value = isGuess ? GuessedField.double(field) : NumberText.double(field) else { return false }
            builder.append(value)
        case .bool(let builder):
            guard let value = isGuess ? GuessedField.bool(field) : NumberText.bool(field) else { return false }
            builder.append(value ? 1 : 0)
        case .uuid(let builder):
            guard let value = isGuess ? GuessedField.uuid(field) : UUID(field) else { return false }
            builder.append(value)
        case .string(let builder): builder.append(field)
        case .list(let builder):
            if field.isEmpty { return false }
            builder.append(field)
        }
        return true
    }

    private var builder: any ColumnBuilder {
        switch self {
        case .int64(let builder), .timestamp(let builder): builder
        case .float32(let builder): builder
        case .float64(let builder): builder
        case .bool(let builder): builder
        case .uuid(let builder): builder
        case .string(let builder), .list(let builder): builder
        }
    }

    func appendNull() { builder.appendNull() }

    /// - Throws: `frame.cast` with the row of a list that is not one.
    func finish(_ dtype: DType) throws -> Column { try builder.finish().cast(to: dtype) }
}
