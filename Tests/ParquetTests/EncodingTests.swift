import Base
import CCodecs
import Frames
import Testing

@testable import Parquet

@Suite struct EncodingTests {
    private func page(_ bytes: [UInt8]) -> PageBytes {
        let buffer = Buffer(bytes)
        return PageBytes(bytes: UnsafeRawBufferPointer(buffer.elements), owner: buffer)
    }

    @Test func hybridRunsRoundTrip() throws {
        var random = Random(seed: 3)
        for width in 0...32 {
            for _ in 0..<40 {
                var encoder = HybridRLEEncoder(bitWidth: width)
                var values: [UInt32] = []
                while values.count < 200 {
                    let value = width == 0 ? 0 : UInt32(truncatingIfNeeded: random.next() >> UInt64(64 - width))
                    let times = random.below(3) == 0 ? random.below(40) : 1
                    encoder.append(value, times: times)
                    values.append(contentsOf: repeatElement(value, count: times))
                }
                encoder.finish()
                var decoded = [UInt32](repeating: 99, count: values.count)
                try encoder.bytes.withUnsafeBytes { bytes in
                    try HybridRLE.decode(bytes, bitWidth: width, count: values.count, into: &decoded)
                }
                #expect(decoded == values, "\(width) bits")
            }
        }
    }

    @Test func hybridStopsAtTheEnd() {
        let broken: [[UInt8]] = [[], [0x80], [0x03], [0x10], [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]]
        for bytes in broken {
            var output = [UInt32](repeating: 0, count: 100)
            let error = failure {
                try bytes.withUnsafeBytes { try HybridRLE.decode($0, bitWidth: 3, count: 100, into: &output) }
            }
            #expect(error?.kind == .outOfSpec, "\(bytes)")
        }
    }

    /// The example of the format's documentation: 0 to 7 with three bits.
    @Test func bitPackingFollowsTheSpecification() throws {
        var levels = [UInt8](repeating: 0, count: 8)
        try [UInt8](arrayLiteral: 0x03, 0b1000_1000, 0b1100_0110, 0b1111_1010).withUnsafeBytes {
            try HybridRLE.decode($0, bitWidth: 3, count: 8, into: &levels)
        }
        #expect(levels == [0, 1, 2, 3, 4, 5, 6, 7])
        var old = [UInt8](repeating: 0, count: 8)
        let used = try [UInt8](arrayLiteral: 0b0000_0101, 0b0011_1001, 0b0111_0111).withUnsafeBytes {
            try BitPacking.unpackLevels($0, bitWidth: 3, count: 8, into: &old)
        }
        #expect(old == [0, 1, 2, 3, 4, 5, 6, 7] && used == 3)
    }

    /// The examples of the format's documentation: 1 to 5, and 7 5 3 1 2 3 4 5.
    @Test func deltasFollowTheSpecification() throws {
        let allowance = Allowance(limit: 1 << 20)
        let examples: [([UInt8], [Int64])] = [
            ([128, 1, 4, 5, 2, 2, 0, 0, 0, 0], [1, 2, 3, 4, 5]),
            ([128, 1, 4, 8, 14, 3, 2, 0, 0, 0, 0xC0, 0x3F, 0, 0, 0, 0, 0, 0], [7, 5, 3, 1, 2, 3, 4, 5]),
        ]
        for (bytes, values) in examples {
            let decoded = try bytes.withUnsafeBytes {
                try DeltaBinaryPacked.decode($0, count: values.count, allowance: allowance)
            }
            #expect(Array(decoded.values.elements) == values && decoded.length == bytes.count)
        }
        for bytes: [UInt8] in [
            [], [128, 1], [128, 1, 0, 5, 2], [128, 1, 4, 6, 2, 2, 0, 0, 0, 0], [128, 1, 4, 5, 2, 2, 65],
        ] {
            #expect(throws: (any Error).self) {
                try bytes.withUnsafeBytes { _ = try DeltaBinaryPacked.decode($0, count: 5, allowance: allowance) }
            }
        }
    }

    @Test func sharedPrefixesCannotExplode() throws {
        // 60,000 values that all repeat the first one's 1000 bytes: a page of 1 kB that says 60 MB.
        func constants(_ first: Int64, _ then: Int64, count: Int) -> [UInt8] {
            var writer = ByteWriter()
            writer.varint(1 << 16)
            writer.varint(8)
            writer.varint(UInt64(count))
            writer.zigzag(first)
            // The first difference is `then - first`, the others 0; both fit eleven bits above the minimum.
            writer.zigzag(min(then - first, 0))
            writer.append([11, 0, 0, 0, 0, 0, 0, 0])
            var packed = [UInt8](repeating: 0, count: (1 << 16) / 8 / 8 * 11)
            let step = UInt64(max(then - first, 0))
            packed[0] = UInt8(truncatingIfNeeded: step)
            packed[1] = UInt8(truncatingIfNeeded: step >> 8)
            writer.append(packed)
            return writer.bytes
        }
        let prefixes = constants(0, 1000, count: 8000)
        var suffixes = ByteWriter()
        suffixes.varint(1 << 16)
        suffixes.varint(8)
        suffixes.varint(8000)
        suffixes.zigzag(1000)
        suffixes.zigzag(-1000)
        suffixes.append([10, 0, 0, 0, 0, 0, 0, 0])
        var packed = [UInt8](repeating: 0, count: (1 << 16) / 8 / 8 * 10)
        for index in 1..<7999 {
            // Every difference but the first is 0, that is 1000 above the minimum.
            for bit in 0..<10 where 1000 >> bit & 1 == 1 {
                packed[(index * 10 + bit) / 8] |= 1 << UInt8((index * 10 + bit) % 8)
            }
        }
        suffixes.append(packed)
        suffixes.append([UInt8](repeating: 0x61, count: 1000))
        let bytes = prefixes + suffixes.bytes
        let error = failure {
            _ = try DeltaByteArray.decode(page(bytes), count: 8000, allowance: Allowance(limit: 1 << 22))
        }
        #expect(error?.kind == .wouldAllocateTooMuch, "\(error?.message ?? "no error")")
        let slices = try DeltaByteArray.decode(page(bytes), count: 8000, allowance: Allowance(limit: 1 << 24))
        #expect(slices.byteCount == 8_000_000 && slices[7999].count == 1000)
    }

    @Test func byteStreamsRoundTrip() throws {
        for width in [1, 2, 3, 4, 8, 16] {
            for count in [0, 1, 4, 5, 33] {
                let bytes = (0..<width * count).map { UInt8($0 & 255) }
                var split: [UInt8] = [9]
                bytes.withUnsafeBytes { ByteStreamSplit.encode($0, width: width, into: &split) }
                guard
                    case .fixed(let back, _, _) = try ByteStreamSplit.decode(
                        page(Array(split.dropFirst())), width: width, count: count)
                else { continue }
                #expect(Array(back.bytes) == bytes, "width \(width), \(count) values")
            }
        }
    }

    @Test func halvesAndDecimals() {
        #expect(Conversion.half(0x3C00) == 1 && Conversion.half(0xC000) == -2 && Conversion.half(0x7BFF) == 65504)
        #expect(Conversion.half(0x0001) == 0x1p-24 && Conversion.half(0x8000).sign == .minus)
        #expect(Conversion.half(0x7C00) == .infinity && Conversion.half(0x7E00).isNaN)
        func integer(_ bytes: [UInt8]) -> Int128 { bytes.withUnsafeBytes(Conversion.bigEndian) }
        func double(_ bytes: [UInt8]) -> Double { bytes.withUnsafeBytes(Conversion.approximate) }
        #expect(integer([]) == 0 && integer([0xFF]) == -1 && integer([0x01, 0x00]) == 256)
        #expect(double([UInt8](repeating: 0xFF, count: 20)) == -1)
        #expect(double([0x01] + [UInt8](repeating: 0, count: 16)) == 0x1p128)
    }

    @Test func codecsOutsideOfTheSetAreNamed() {
        for (number, name) in [(3, "LZO"), (4, "Brotli"), (5, "LZ4"), (77, "codec number 77")] {
            let error = failure { _ = try Codec(number: Int32(number)) }
            #expect(error?.kind == .unsupported && error?.reason.contains(name) == true)
        }
    }

    @Test func checksumIsGzipS() {
        let text = Array("123456789".utf8)
        #expect(text.withUnsafeBytes { tt_crc32($0.baseAddress, $0.count) } == 0xCBF4_3926)
    }

    @Test func thriftRefusesAbsurdInput() {
        let deep = [UInt8](repeating: 0x1C, count: 100)
        let inputs: [[UInt8]] = [
            deep, [], [0x19, 0xFC, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F], [0x18, 0xFF, 0xFF, 0xFF, 0x7F], [0x1E], [0x16, 0xFF],
            [0x1B, 0xFF, 0xFF, 0x03, 0x88],
        ]
        for bytes in inputs {
            #expect(throws: (any Error).self, "\(bytes)") {
                try bytes.withUnsafeBytes { bytes in
                    var reader = ThriftReader(bytes)
                    try reader.structure { reader, _, kind in try reader.skip(kind) }
                }
            }
        }
    }
}
