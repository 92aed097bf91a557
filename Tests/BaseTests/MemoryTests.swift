import Files
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

    @Test func whatThereIsNoMemoryForIsRefused() throws {
        for bytes in [0, 1, 1 << 20, 1 << 26] { try Memory.check(bytes, of: 1, for: "a block") }
        for (count, size) in [(Memory.limit.bytes / 8 + 1, 8), (.max, 8), (.max, 1)] {
            do {
                try Memory.check(count, of: size, for: "a block")
                Issue.record("nothing was thrown")
            } catch let error as MemoryError {
                #expect(error.code == "memory")
                #expect(error.message.hasPrefix("a block: "))
                #expect(error.message.hasSuffix("; ask for less, or work in parts"))
            }
        }
    }

    @Test func sizesAreSpelledShort() {
        let texts = [0, 999, 1000, 1500, 64 << 20, 1_000_000_000, 1_549_000_000, 999_960_000_000, .max].map(Memory.text)
        #expect(
            texts == ["0 bytes", "999 bytes", "1 kB", "1.5 kB", "67 MB", "1 GB", "1.5 GB", "1 TB", "9.2 EB"])
    }

    @Test func limitsOfControlGroupsAreFound() throws {
        let folder = try TemporaryFolder()
        defer { try? folder.close() }
        var made = 0
        func limit(_ files: [(path: String, text: String)]) throws -> Int? {
            made += 1
            let root = Path.join(folder.path, "\(made)")
            for (path, text) in files {
                let path = root + path
                try Files.makeFolder(Path.parent(path))
                try Array(text.utf8).withUnsafeBytes { try AtomicFile.write($0, to: path) }
            }
            return Memory.Limit.ofControlGroup(root: root)?.bytes
        }
        // Version 2: the group's own limit, or that of one around it.
        let two = ("/proc/self/cgroup", "0::/a/b\n")
        #expect(try limit([two]) == nil)
        #expect(try limit([two, ("/sys/fs/cgroup/a/b/memory.max", "max\n")]) == nil)
        #expect(try limit([two, ("/sys/fs/cgroup/a/b/memory.max", "5000000\n")]) == 5_000_000)
        #expect(
            try limit([
                two, ("/sys/fs/cgroup/a/b/memory.max", "max\n"), ("/sys/fs/cgroup/a/memory.max", "4000000\n"),
            ]) == 4_000_000)
        // Inside of a container.
        #expect(try limit([two, ("/sys/fs/cgroup/memory.max", "3000000\n")]) == 3_000_000)
        // Version 1.
        let one = ("/proc/self/cgroup", "7:cpu,cpuacct:/x\n5:memory:/a\n")
        #expect(try limit([one, ("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "9223372036854771712\n")]) == nil)
        #expect(try limit([one, ("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "2000000\n")]) == 2_000_000)
    }

    @Test func freeMemoryIsRead() {
        #expect(Memory.free(inMachine: "MemTotal: 9 kB\nMemAvailable:     100 kB\nSwapFree: 28 kB\n") == 128 << 10)
        #expect(Memory.free(inMachine: "MemTotal: 9 kB\n") == nil)
        #expect(Memory.free(inMachine: "MemAvailable: 9223372036854775807 kB\n") == nil)
    }

    @Test func placesAreSpelledWithoutOverflow() {
        #expect(oneBased(0) == 1 && oneBased(Int32.max) == 1 << 31 && oneBased(Int.max) == .max && oneBased(-1) == 0)
        #expect(oneBased(UInt64.max) == .max && oneBased(Int.min) == .min + 1)
        #expect(oneBased(30, length: 3) == "31 to 33")
        #expect(oneBased(.max, length: .max) == "\(Int.max) to \(Int.max)")
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
