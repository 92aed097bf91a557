import Testing

@testable import Base

@Suite struct MemoryTests {
    @Test func largeBlocksBeginAtALargePageAndComeBack() {
        let count = 3 << 20
        var block: Buffer<Int64>? = Buffer(repeating: 7, count: count)
        let address = block!.pointer
        #expect(UInt(bitPattern: address) % (2 << 20) == 0)
        #expect(block!.elements.allSatisfy { $0 == 7 })
        block = nil
        // About the same size: the same memory, unless another test was faster.
        let next = Buffer<Int64>(repeating: 9, count: count - 1000)
        #expect(next.elements.allSatisfy { $0 == 9 })
    }

    @Test func shortDigestsAreTheHeadsOfLongOnes() {
        // Lengths around the ends of blocks, in pairs of equal and of different numbers of blocks.
        let lengths = Array(0...130) + [55, 56, 200, 3, 119, 120, 64]
        let messages = lengths.map { length in (0..<length).map { UInt8(truncatingIfNeeded: $0 * 31 + length) } }
        for count in [messages.count, messages.count - 1] {
            var heads: [UUID] = []
            ShortDigest.heads(
                count: count, longest: 200,
                write: { index, target in
                    for (place, byte) in messages[index].enumerated() { target[place] = byte }
                    return messages[index].count
                },
                each: { index, head in
                    #expect(index == heads.count)
                    heads.append(head)
                })
            for (head, message) in zip(heads, messages) {
                let digest = SHA256.hex(message)
                #expect(head.description.replacing("-", with: "") == digest.prefix(32))
            }
            #expect(heads.count == count)
        }
    }

    @Test func uuidsAreWrittenDigitByDigit() {
        #expect(
            UUID(high: 0x0123_4567_89AB_CDEF, low: 0xFEDC_BA98_7654_3210).description
                == "01234567-89ab-cdef-fedc-ba9876543210")
        var random = Random(seed: 1)
        for _ in 0..<100 {
            let id = UUID(high: random.next(), low: random.next())
            #expect(UUID(id.description) == id)
        }
    }
}
